"""Trying again: refused effects, failed devices, a membership that could not be resolved (``domain.md`` §7)."""

from __future__ import annotations

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.rollout import decide
from eucora.domain.vocabulary import DeploymentState, ErrorClass, Role
from tests.domain.builders import plan
from tests.domain.world import SIZES, World

S = DeploymentState


def retry(world: World, *planes: str) -> str:
    refusal = world.say(m.RetryFailed(why="mended", planes=planes), "olga", Role.ENDPOINT_OPS).refusal
    return "" if refusal is None else refusal.code


def refuse(world: World, ring: str, plane: str, operation: str) -> None:
    world.apply(
        f.ConnectorError(
            at=world.now, ring=ring, plane=plane, operation=operation, code="plane_invalid", sentence="malformed",
            error_class=ErrorClass.PERMANENT,
        )
    )  # fmt: skip
    world.settle()


def keys(world: World) -> list[str]:
    return [
        one.key for one in decide(world.state, world.now) if isinstance(one, c.Publish | c.Assign | c.FreezeMembership)
    ]


def in_canary() -> World:
    world = World(plan(rings=3, planes=("win", "mac")))
    world.to_ring("CANARY")
    return world


@pytest.mark.parametrize("operation", ["publish", "assign"])
def test_a_refused_effect_is_tried_again_under_a_new_revision(operation: str) -> None:
    world = World(plan(rings=2, planes=("win", "mac")))
    world.to_ring("LAB")
    if operation == "assign":
        world.until(lambda state: state.object_id("win"))
    refuse(world, "LAB", "win", operation)
    assert not [key for key in keys(world) if "/win/" in key], "not by itself"
    assert retry(world) == ""
    assert world.state.reason.code == "retrying"
    assert f"{operation}/LAB/win/2" in keys(world)
    world.run()
    assert world.state.state is S.COMPLETED
    assert first_unfounded(world.facts) is None


def test_a_plane_that_refused_to_be_read_is_read_again_and_nothing_is_assigned_again() -> None:
    world = in_canary()
    world.rest()
    refuse(world, "CANARY", "mac", "observe")
    assert retry(world) == ""
    assert keys(world) == []
    assert {one.plane for one in decide(world.state, world.now) if isinstance(one, c.Observe)} == {"win", "mac"}
    world.run()
    assert world.state.state is S.COMPLETED
    assert not [line for line in world.log if line.endswith("2")]


def test_devices_that_failed_for_good_get_another_attempt() -> None:
    good = {"devices": 49}
    world = World(
        plan(rings=3, planes=("win", "mac")),
        outcome=lambda ring, _: (good["devices"], 50 - good["devices"]) if ring == "CANARY" else (SIZES[ring], 0),
    )
    world.to_ring("CANARY")
    world.rest()
    assert retry(world, "mac") == ""
    assert keys(world) == ["assign/CANARY/mac/2"]
    world.rest()
    assert world.log[-1] == "assign CANARY mac 2"
    good["devices"] = 50
    world.run()
    assert world.state.state is S.COMPLETED
    assert first_unfounded(world.facts) is None


def test_a_retry_names_what_it_cannot_find() -> None:
    world = in_canary()
    world.rest()
    assert retry(world) == "nothing_failed"
    assert retry(world, "linux") == "plane_unknown"
    refuse(world, "CANARY", "mac", "observe")
    assert retry(world, "win") == "nothing_failed"
    assert retry(world, "win", "mac") == ""


def test_a_retry_under_a_hold_waits_for_the_release() -> None:
    world = in_canary()
    refuse(world, "CANARY", "mac", "assign")
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    assert retry(world) == ""
    assert keys(world) == []
    world.say(m.ReleaseRollout(why="go on"), "olga", Role.ENDPOINT_OPS)
    assert "assign/CANARY/mac/2" in keys(world)


def test_the_first_membership_that_cannot_be_resolved_fails_the_deployment() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.state is S.DEPLOYING)
    refuse(world, "LAB", "sim", "freeze")
    assert (world.state.state, world.state.reason.code) == (S.FAILED, "plane_invalid")
    assert first_unfounded(world.facts) is None


def test_a_later_membership_that_cannot_be_resolved_waits_for_people() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.promoted_at)
    assert keys(world) == ["freeze/1"]
    refuse(world, "CANARY", "sim", "freeze")
    assert (world.state.state, world.state.reason.code) == (S.DEPLOYING, "connector_error")
    assert world.state.reason.sentence == "CANARY on sim: freeze refused: malformed"
    assert keys(world) == []
    assert retry(world) == ""
    assert world.seen(f.RetryRequested)[0].ring == "CANARY"
    world.run()
    assert world.state.state is S.COMPLETED
    assert first_unfounded(world.facts) is None


def test_a_failure_that_comes_while_an_approved_deployment_is_held_is_told_when_it_starts() -> None:
    world = World(plan(preset="every_ring"), score=60)
    world.to_review()
    world.vote("carl")
    world.until(lambda state: state.state is S.DEPLOYING)
    assert keys(world) == ["freeze/0"]
    # while the membership is being resolved the approval is revoked, given again, and somebody holds
    world.say(m.RevokeApproval(checkpoint=0, why="wait"), "carl", Role.CAB_MEMBER)
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    world.vote("cora")
    assert (world.state.state, world.state.reason.code) == (S.APPROVED, "approved")
    refuse(world, "LAB", "sim", "freeze")
    found = (world.state.state, world.state.reason.code)
    assert found == (S.APPROVED, "connector_error"), "there is no edge from APPROVED to FAILED"
    world.say(m.ReleaseRollout(why="go on"), "olga", Role.ENDPOINT_OPS)
    assert world.state.state is S.FAILED
    assert first_unfounded(world.facts) is None
