"""Soak and rehearsal: what a gate waits for after its figures are good (``domain.md`` §6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.rollout import decide
from eucora.domain.state import RingRun, RolloutState
from eucora.domain.vocabulary import DeploymentState, GateResult, HoldKind, Role
from tests.domain.builders import plan
from tests.domain.world import SIZES, World

PASS, WAIT = GateResult.PASS, GateResult.WAIT


def runs(name: str, *, soaks: bool = False) -> Callable[[RolloutState], bool]:
    def condition(state: RolloutState) -> bool:
        ring = state.ring
        return ring is not None and ring.name == name and (ring.soak_since if soaks else ring.started_at) is not None

    return condition


def current(world: World) -> RingRun:
    assert world.state.ring is not None
    return world.state.ring


def rehearse(world: World, plane: str, *, succeeded: bool) -> None:
    command = next(one for one in decide(world.state, world.now) if isinstance(one, c.Rehearse) and one.plane == plane)
    world.apply(
        f.RollbackRehearsed(
            at=world.now, ring=command.ring, plane=plane, device="d-1", artifact_sha256="a" * 64, succeeded=succeeded,
            sentence="rehearsed" if succeeded else "the old version did not come back", revision=command.revision,
        )
    )  # fmt: skip
    world.settle()


@pytest.mark.parametrize(("ring", "hours"), [("CANARY", 24), ("PILOT", 48), ("DEPARTMENT", 72), ("GLOBAL", 168)])
def test_a_ring_soaks_for_its_time_from_the_first_pass_of_the_success_check(ring: str, hours: int) -> None:
    world = World(plan())
    world.run()
    run = next(one for one in world.state.rings if one.name == ring)
    assert run.started_at is not None
    assert run.soak_since == run.started_at, "the modelled devices succeed at once"
    assert run.soak_until == run.started_at + timedelta(hours=hours)
    ended = next(
        fact for fact in world.facts
        if (isinstance(fact, f.RingPromoted) and fact.ring == ring)
        or (ring == "GLOBAL" and isinstance(fact, f.DeploymentCompleted))
    )  # fmt: skip
    assert ended.at == run.soak_until
    seen = [fact for fact in world.seen(f.PlaneObserved) if fact.ring == ring]
    assert seen[-1].at == run.soak_until, "every plane is seen again after the soak"


def test_lab_does_not_soak() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.promoted_at)
    assert current(world).promoted_at is not None
    assert world.now - world.facts[0].at < timedelta(minutes=1)


def test_while_it_soaks_the_reason_says_until_when() -> None:
    world = World(plan(rings=2))
    world.until(runs("CANARY", soaks=True))
    world.rest()
    assert world.state.reason.code == "gate_wait"
    assert world.state.reason.sentence == f"CANARY: soaks until {current(world).soak_until:%Y-%m-%dT%H:%M:%S}+00:00"
    assert world.seen(f.GateEvaluated)[-1].until == current(world).soak_until


def test_falling_below_ends_the_soak_and_rising_again_restarts_it() -> None:
    good = {"devices": 50}
    world = World(plan(rings=2), outcome=lambda ring, _: (good["devices"] if ring == "CANARY" else SIZES[ring], 0))
    world.until(runs("CANARY", soaks=True))
    world.rest()
    first = current(world).soak_since
    world.now += timedelta(hours=20)
    good["devices"] = 48
    world.rest()
    assert (current(world).soak_since, current(world).soak_until) == (None, None)
    assert "48 of 50" in world.state.reason.sentence
    world.now += timedelta(hours=1)
    good["devices"] = 49
    world.rest()
    assert current(world).soak_since == world.now != first
    assert current(world).soak_until == world.now + timedelta(hours=24)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert first_unfounded(world.facts) is None


def test_a_skipped_soak_is_not_skipped_for_ever() -> None:
    good = {"devices": 50}
    world = World(plan(rings=3), outcome=lambda ring, _: (good["devices"] if ring == "CANARY" else SIZES[ring], 0))
    world.until(runs("CANARY", soaks=True))
    world.rest()
    world.say(m.HoldRollout(why="look first"), "olga", Role.ENDPOINT_OPS)
    world.say(m.SkipSoak(why="urgent"), "pia-publisher", Role.PUBLISHER)
    assert current(world).gate is not None
    assert current(world).gate.result is PASS  # type: ignore[union-attr]
    good["devices"] = 48
    world.rest()
    good["devices"] = 50
    world.rest()
    assert not current(world).soak_skipped
    world.say(m.ReleaseRollout(why="go on"), "olga", Role.ENDPOINT_OPS)
    world.rest()
    assert current(world).name == "CANARY", "it soaks again"
    assert first_unfounded(world.facts) is None


def test_a_soak_shorter_than_the_poll_interval_is_looked_at_when_it_ends() -> None:
    short = plan(rings=2, soak=60.0)
    assert short.poll_interval > 60
    world = World(short)
    world.until(runs("CANARY", soaks=True))
    world.rest()
    (look,) = [one for one in decide(world.state, world.now) if isinstance(one, c.Observe)]
    assert look.mark.until == world.now + timedelta(seconds=60)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED


def test_the_end_of_a_soak_is_looked_at_once() -> None:
    world = World(plan(rings=2))
    world.until(runs("CANARY", soaks=True))
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    world.now += timedelta(days=3)
    world.rest()
    before = len(world.seen(f.PlaneObserved))
    world.now += timedelta(days=1)
    world.rest()
    assert len(world.seen(f.PlaneObserved)) == before
    assert all(one.mark.until is None for one in decide(world.state, world.now) if isinstance(one, c.Observe))


def test_every_plane_has_to_be_seen_after_the_soak() -> None:
    world = World(plan(rings=2, planes=("win", "mac")))
    world.until(runs("CANARY", soaks=True))
    world.rest()
    soak_until = current(world).soak_until
    assert soak_until is not None
    world.now = soak_until
    for plane in ("win", "mac"):
        assert world.state.state is DeploymentState.DEPLOYING
        figures = world.figures("CANARY", plane)
        world.apply(f.PlaneObserved(at=world.now, ring="CANARY", plane=plane, figures=figures))
        world.settle()
    assert world.state.state is DeploymentState.COMPLETED


def test_each_plane_is_rehearsed_once_its_success_check_has_passed() -> None:
    good = {"win": 9, "mac": 10}
    world = World(plan(rings=2, planes=("win", "mac")), outcome=lambda _, plane: (good[plane], 0))
    world.until(runs("LAB"))
    world.rest()
    assert [line for line in world.log if line.startswith("rehearse")] == ["rehearse LAB mac"]
    good["win"] = 10
    world.rest()
    assert [line for line in world.log if line.startswith("rehearse")] == ["rehearse LAB mac", "rehearse LAB win"]


def test_a_rehearsed_plane_is_seen_again_before_the_promotion() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.gate is not None)
    rehearse(world, "sim", succeeded=True)
    assert current(world).promoted_at is None
    (look,) = [one for one in decide(world.state, world.now) if isinstance(one, c.Observe)]
    assert look.mark.until is not None
    assert look.mark.until > world.now
    world.now = look.mark.until
    world.rest()
    assert world.state.rings[0].promoted_at == world.now


def test_a_failed_rehearsal_waits_for_people_and_can_be_tried_again() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.gate is not None)
    rehearse(world, "sim", succeeded=False)
    world.now += timedelta(seconds=1)
    world.rest()
    assert world.state.reason.code == "rehearsal_failed"
    sentence = "LAB on sim: the rollback could not be rehearsed: the old version did not come back"
    assert world.state.reason.sentence == sentence
    assert not [one for one in decide(world.state, world.now) if isinstance(one, c.Rehearse)]
    assert world.say(m.RetryFailed(why="mended"), "olga", Role.ENDPOINT_OPS).refusal is None
    (again,) = [one for one in decide(world.state, world.now) if isinstance(one, c.Rehearse)]
    assert again.revision == 2
    assert not [one for one in decide(world.state, world.now) if isinstance(one, c.Assign)], "devices are fine"
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize(("subject", "rehearsed"), [("mac", ["rehearse LAB win"]), ("", [])])
def test_a_gate_override_names_planes_that_cannot_roll_back(subject: str, rehearsed: list[str]) -> None:
    world = World(plan(rings=2, planes=("win", "mac")))
    override = m.ExceptionChanged(
        exception_id="x-1", kind="gate_override", revision=1, expires_at=world.now + timedelta(days=30), subject=subject
    )
    world.say(override, "eucora-api", Role.SYSTEM)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert [line for line in world.log if line.startswith("rehearse")] == rehearsed
    assert first_unfounded(world.facts) is None


def test_a_hold_stops_a_rehearsal_before_it_starts() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.gate is not None)
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    assert not [one for one in decide(world.state, world.now) if isinstance(one, c.FORWARD)]
    assert [hold.kind for hold in world.state.holds] == [HoldKind.OPERATOR]


def test_a_ring_without_a_rehearsal_in_its_gate_needs_none() -> None:
    chosen = plan(rings=2)
    chosen = replace(
        chosen, rings=tuple(replace(ring, gate=replace(ring.gate, rehearsal=False)) for ring in chosen.rings)
    )
    world = World(chosen)
    world.run()
    assert not world.seen(f.RollbackRehearsed)
    assert world.seen(f.GateEvaluated)[-1].checks[-1].sentence == "not required"
