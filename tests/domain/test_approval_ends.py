"""How approvals end: expiry, revocation, a changed binding, an exception that runs out (``domain.md`` §4, §5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.judge import Judgement
from eucora.domain.plan import ReviewPolicy
from eucora.domain.rollout import decide
from eucora.domain.vocabulary import BlastRadiusClass, DeploymentState, HoldKind, Role
from tests.domain.builders import plan
from tests.domain.world import World

S = DeploymentState


def approved(score: int = 60, valid_days: float = 30.0, rings: int = 5, *, held: bool = True) -> World:
    """CANARY is approved; an operator holds before it is entered."""
    chosen = replace(plan(rings=rings), review=ReviewPolicy(approval_valid=valid_days * 86_400))
    world = World(chosen, score=score)
    world.to_review()
    if held:
        world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    world.vote("carl")
    return world


def release(world: World) -> None:
    assert world.say(m.ReleaseRollout(why="go on"), "olga", Role.ENDPOINT_OPS).refusal is None


def revoke(world: World, checkpoint: int = 1) -> Judgement:
    return world.say(m.RevokeApproval(checkpoint=checkpoint, why="second thoughts"), "cora", Role.CAB_MEMBER)


def exception(
    world: World,
    name: str = "x-1",
    *,
    revision: int = 1,
    days: float = 30.0,
    kind: str = "high_risk",
    revoked: bool = False,
) -> Judgement:
    message = m.ExceptionChanged(
        exception_id=name, kind=kind, revision=revision, expires_at=world.now + timedelta(days=days), revoked=revoked
    )
    return world.say(message, "eucora-api", Role.SYSTEM)


def test_an_approval_expires_and_a_new_review_opens_before_the_next_ring() -> None:
    world = approved()
    assert world.state.state is S.APPROVED
    given = world.now
    review = world.to_review()
    assert (review.round, world.now) == (2, given + timedelta(days=30))
    assert world.seen(f.ApprovalExpired)[0].at == world.now
    assert (world.state.state, world.state.reason.code) == (S.AWAITING_CAB, "awaiting_cab")
    release(world)
    world.rest()
    assert world.state.ring is not None
    assert world.state.ring.name == "LAB", "nothing goes on without an approval"
    world.vote("carl")
    world.to_ring("CANARY")
    assert first_unfounded(world.facts) is None


def test_an_approval_that_expires_while_its_ring_runs_stops_the_next_promotion_only() -> None:
    world = approved(valid_days=1.5, held=False)
    world.to_review()
    world.vote("carl")
    world.to_ring("PILOT")
    started = world.now
    review = world.to_review()
    assert world.now == started + timedelta(hours=48), "PILOT soaks to its end; then the review opens"
    assert (review.checkpoint, review.round, review.covers.first) == (2, 2, 3)
    assert not world.seen(f.RollbackInitiated)
    world.vote("carl")
    world.to_ring("DEPARTMENT")
    assert first_unfounded(world.facts) is None


def test_an_approval_that_was_used_up_does_not_expire() -> None:
    world = approved(valid_days=3, held=False)
    world.to_review()
    world.now += timedelta(days=1.9)
    world.settle()
    assert not world.seen(f.ApprovalExpired)
    assert [(one.entered, one.ended) for one in world.state.approvals] == [((1,), "")]


def test_a_revocation_before_its_ring_was_entered_leads_to_a_new_review() -> None:
    world = approved()
    assert revoke(world).refusal is None
    review = world.state.open_review
    assert review is not None
    assert (review.round, world.state.state) == (2, S.AWAITING_CAB)
    assert not world.seen(f.RollbackInitiated)
    release(world)
    world.vote("carl")
    world.to_ring("CANARY")
    world.to_review()
    assert not world.seen(f.RollbackInitiated), "what was revoked before is not held against the ring entered later"
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize("ring", ["CANARY", "PILOT"])
def test_a_revocation_of_an_approval_in_use_rolls_back(ring: str) -> None:
    world = approved(held=False)
    world.to_ring("CANARY")
    if ring == "PILOT":
        world.to_review()
        world.vote("carl")
        world.to_ring("PILOT")
    assert revoke(world).refusal is None
    assert (world.state.state, world.state.reason.code) == (S.DEPLOYING, "rolling_back")
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.ROLLED_BACK, "approval_revoked")
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize(("checkpoint", "twice"), [(2, False), (0, False), (1, True)])
def test_only_an_approval_that_stands_can_be_revoked(checkpoint: int, twice: bool) -> None:
    world = approved()
    if twice:
        revoke(world)
    refusal = revoke(world, checkpoint).refusal
    assert refusal is not None
    assert refusal.code == "approval_unknown"


def test_the_decision_of_the_system_can_neither_be_revoked_nor_expire() -> None:
    world = World(plan(rings=2, soak=400 * 24 * 3600.0), score=50)
    world.to_ring("CANARY")
    (given,) = world.seen(f.CabApproved)
    assert (given.automated, given.approvers) == (True, ("eucora",))
    refusal = revoke(world, 0).refusal
    assert refusal is not None
    assert refusal.code == "approval_unknown"
    world.run()
    assert world.state.state is S.COMPLETED
    assert not world.seen(f.ApprovalExpired)


def test_another_release_voids_and_more_test_evidence_does_not() -> None:
    world = approved()
    evidence = world.state.evidence
    assert evidence is not None
    world.state = replace(world.state, evidence=replace(evidence, pack_digest="9" * 64, version=7))
    world.settle()
    assert world.state.state is S.APPROVED
    world.state = replace(world.state, evidence=replace(evidence, release_digest="x" * 64))
    world.settle()
    assert world.seen(f.ApprovalVoided)[0].difference == ("release_digest",)
    assert world.state.state is S.AWAITING_CAB


@pytest.mark.parametrize("part", ["score", "model_version"])
def test_another_assessment_voids(part: str) -> None:
    world = approved()
    risk = world.state.risk
    assert risk is not None
    changes: dict[str, dict[str, object]] = {"score": {"score": 61}, "model_version": {"model_version": "v1.1"}}
    world.state = replace(world.state, risk=replace(risk, **changes[part]))  # type: ignore[arg-type]
    world.settle()
    assert world.seen(f.ApprovalVoided)[0].difference == (part,)


@pytest.mark.parametrize("part", ["plan_digest", "scope"])
def test_another_plan_or_scope_voids(part: str) -> None:
    world = approved()
    changed = {
        "plan_digest": replace(world.state.plan, plan_digest="z" * 64),
        "scope": replace(world.state.plan, scope=replace(world.state.plan.scope, site="berlin")),
    }[part]
    world.state = replace(world.state, plan=changed)
    world.settle()
    assert world.seen(f.ApprovalVoided)[0].difference == (part,)


def test_an_exception_approved_later_voids_because_nobody_saw_it() -> None:
    world = approved()
    exception(world, kind="scope_violation")
    assert world.seen(f.ApprovalVoided)[0].difference == ("exceptions",)
    assert (world.state.state, world.state.reason.code) == (S.AWAITING_CAB, "awaiting_cab")
    review = world.state.open_review
    assert review is not None
    assert review.round == 2
    assert first_unfounded(world.facts) is None


def over_the_cab(days: float = 30.0) -> World:
    world = World(plan(rings=3), score=90)
    world.to_review()
    exception(world, days=days)
    world.vote("carl")
    return world


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_an_exception_that_ends_stops_the_promotion_and_is_named(how: str) -> None:
    world = over_the_cab(days=0.5)
    world.to_ring("CANARY")
    world.rest()
    if how == "revoked":
        exception(world, revoked=True)
    else:
        world.now += timedelta(days=0.5)
        world.rest()
    assert [(hold.kind, hold.reference) for hold in world.state.holds] == [(HoldKind.EXCEPTION_ENDED, "x-1")]
    assert world.state.holds[0].why == f"exception x-1 (high_risk) has {how}"
    world.to_review()
    assert world.state.state is S.AWAITING_CAB, "CANARY went on to the end of its soak and no further"
    refusal = world.vote("carl").refusal
    assert refusal is not None
    assert refusal.code == "exception_missing"


def test_a_renewed_exception_releases_its_own_hold_and_needs_the_cab_again() -> None:
    world = over_the_cab(days=0.5)
    world.to_ring("CANARY")
    world.rest()
    world.now += timedelta(days=0.5)
    world.rest()
    exception(world, "x-2")
    assert [hold.reference for hold in world.state.holds] == ["x-1"], "another exception does not release this hold"
    exception(world, "x-1", revision=2)
    assert world.state.holds == ()
    world.to_review()
    assert world.vote("carl").refusal is None
    world.to_ring("PILOT")
    assert world.state.approvals[-1].binding.exceptions == ("x-1@2", "x-2@1")
    assert first_unfounded(world.facts) is None


def test_an_exception_that_ran_out_already_or_is_not_used_here_is_refused() -> None:
    world = approved()
    refusal = exception(world, days=0.0).refusal
    assert refusal is not None
    assert refusal.code == "exception_expired"
    refusal = exception(world, "x-9", revoked=True).refusal
    assert refusal is not None
    assert refusal.code == "exception_unknown"


def test_a_change_of_an_exception_has_a_higher_revision() -> None:
    world = approved()
    exception(world, "x-1", revision=2)
    before = world.state
    assert exception(world, "x-1", revision=2).facts == (), "told again: nothing new"
    for revision, kind in ((1, "high_risk"), (2, "gate_override")):
        refusal = exception(world, "x-1", revision=revision, kind=kind).refusal
        assert refusal is not None
        assert refusal.code == "exception_stale"
    assert world.state.exceptions == before.exceptions
    exception(world, "x-1", revoked=True)
    assert exception(world, "x-1", revoked=True).facts == ()
    refusal = exception(world, "x-1", revision=2).refusal
    assert refusal is not None
    assert refusal.code == "exception_stale", "what was revoked comes back as another revision only"
    assert exception(world, "x-1", revision=3).refusal is None
    assert first_unfounded(world.facts) is None


def test_the_deployment_sleeps_until_the_first_thing_that_ends() -> None:
    world = over_the_cab(days=20.0)
    world.to_ring("CANARY")
    world.to_review()
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    world.vote("cora")
    expires = world.state.exceptions[0].expires_at
    assert decide(world.state, world.now)[-1] == c.Await(until=expires)
    assert expires < world.state.approvals[-1].expires_at


@pytest.mark.parametrize(
    ("score", "blast_class", "always_cab", "reviews"),
    [
        (50, BlastRadiusClass.NON_CRITICAL, False, 0),
        (51, BlastRadiusClass.NON_CRITICAL, False, 1),
        (10, BlastRadiusClass.NON_CRITICAL, True, 1),
        (10, BlastRadiusClass.BUSINESS_CRITICAL, False, 1),
        (10, BlastRadiusClass.CRITICAL_INFRASTRUCTURE, False, 1),
    ],
)
def test_who_has_to_be_asked(score: int, blast_class: BlastRadiusClass, always_cab: bool, reviews: int) -> None:
    world = World(plan(rings=2, blast_class=blast_class, always_cab=always_cab), score=score)
    world.run(until=world.now + timedelta(hours=1))
    assert len(world.seen(f.ReviewOpened)) == reviews
    assert len(world.seen(f.CabApproved)) == 1 - reviews
