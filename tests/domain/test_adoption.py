"""A deployment that no publisher created goes no further than LAB until one adopts it (``domain.md`` §9)."""

from __future__ import annotations

import pytest

from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.judge import Judgement
from eucora.domain.vocabulary import DeploymentState, HoldKind, Role
from tests.domain.builders import plan
from tests.domain.world import World


def packaged(score: int = 40, rings: int = 3) -> World:
    return World(plan(rings=rings, requester="pete", requester_roles=(Role.PACKAGING_ENGINEER,)), score=score)


def adopt(world: World, actor: str = "puck", *roles: Role) -> Judgement:
    return world.say(m.AdoptRollout(), actor, *(roles or (Role.PUBLISHER,)))


def code(judgement: Judgement) -> str:
    return "" if judgement.refusal is None else judgement.refusal.code


def test_it_is_held_after_lab_until_a_publisher_adopts_it() -> None:
    world = packaged()
    world.run()
    assert [hold.kind for hold in world.state.holds] == [HoldKind.NEEDS_PUBLISHER]
    assert "created by pete, who is no publisher" in world.state.holds[0].why
    assert world.state.ring is not None
    assert world.state.ring.name == "LAB"
    assert code(adopt(world)) == ""
    assert (world.state.adopted_by, world.state.holds) == ("puck", ())
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert first_unfounded(world.facts) is None


def test_a_publishers_own_deployment_is_not_held() -> None:
    world = World(plan(rings=2))
    world.run()
    assert world.state.state is DeploymentState.COMPLETED


def test_lab_alone_needs_no_publisher() -> None:
    world = packaged(rings=1)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED


def test_it_can_be_adopted_before_lab_is_done() -> None:
    world = packaged()
    world.to_ring("LAB")
    assert code(adopt(world)) == ""
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert first_unfounded(world.facts) is None


def test_the_review_does_not_wait_for_the_publisher_nor_the_publisher_for_the_review() -> None:
    world = packaged(score=60)
    world.to_review()
    assert [hold.kind for hold in world.state.holds] == [HoldKind.NEEDS_PUBLISHER]
    world.vote("carl")
    assert world.state.state is DeploymentState.APPROVED
    adopt(world)
    world.to_ring("CANARY")


@pytest.mark.parametrize(
    ("actor", "roles", "expected"),
    [
        ("pete", (Role.PUBLISHER,), "separation_of_duties"),  # submitted it as a packaging engineer
        ("paul-packager", (Role.PUBLISHER,), "separation_of_duties"),  # made the pack
        ("olga", (Role.ENDPOINT_OPS,), "role_missing"),
        ("carl", (Role.CAB_MEMBER,), "role_missing"),
        ("pete", (Role.PACKAGING_ENGINEER,), "role_missing"),
    ],
)
def test_who_cannot_adopt(actor: str, roles: tuple[Role, ...], expected: str) -> None:
    world = packaged()
    world.to_ring("LAB")
    assert code(adopt(world, actor, *roles)) == expected
    assert world.state.adopted_by == ""


def test_who_voted_cannot_adopt() -> None:
    world = World(plan(requester="pete", requester_roles=(Role.PACKAGING_ENGINEER,), quorum=2), score=60)
    world.to_review()
    assert code(world.vote("cleo")) == ""
    assert code(adopt(world, "cleo", Role.CAB_MEMBER, Role.PUBLISHER)) == "separation_of_duties"
    world.vote("carl")
    world.say(m.RevokeApproval(checkpoint=1, why="once more"), "cora", Role.CAB_MEMBER)
    assert world.state.open_review is not None
    assert world.state.open_review.votes == ()
    assert code(adopt(world, "carl", Role.PUBLISHER)) == "separation_of_duties", "an approval given is remembered"


def test_it_is_adopted_once() -> None:
    world = packaged()
    world.to_ring("LAB")
    adopt(world)
    assert code(adopt(world, "pola")) == "already_published"
    own = World(plan(rings=2))
    own.to_ring("LAB")
    assert code(adopt(own)) == "already_published"


@pytest.mark.parametrize("actor", ["paul-packager", "carl"])
def test_who_made_the_pack_or_voted_neither_promotes_nor_skips_a_soak(actor: str) -> None:
    world = World(plan(rings=3), score=60)
    world.to_review()
    world.vote("carl")
    world.to_ring("CANARY")
    world.rest()
    for message in (m.PromoteNow(why="urgent"), m.SkipSoak(why="urgent")):
        assert code(world.say(message, actor, Role.PUBLISHER)) == "separation_of_duties"
    assert world.say(m.SkipSoak(why="urgent"), "puck", Role.PUBLISHER).refusal is None
    assert first_unfounded(world.facts) is None
