"""Conditions of an approval, each kept by the rollout itself (``domain.md`` §4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions, Covers
from eucora.domain.audit import first_unfounded
from eucora.domain.plan import ReviewPolicy
from eucora.domain.vocabulary import CabDecision, DeploymentState, GateResult, Role
from tests.domain.builders import plan
from tests.domain.world import SIZES, World

S = DeploymentState


def conditional(world: World, conditions: Conditions, actor: str = "carl") -> None:
    assert world.vote(actor, CabDecision.CONDITIONAL, conditions=conditions).refusal is None


def reviewed(rings: int = 3, valid_hours: float = 720.0, **changes: object) -> World:
    """At its first review, before CANARY, LAB done; every ring soaks for an hour."""
    chosen = replace(plan(rings=rings, soak=3600.0), review=ReviewPolicy(approval_valid=valid_hours * 3600))
    world = World(chosen, score=60, **changes)  # type: ignore[arg-type]
    world.to_review()
    return world


def in_pilot(conditions: Conditions, rings: int = 5, valid_hours: float = 720.0, **changes: object) -> World:
    """In PILOT, under these conditions on PILOT and what follows."""
    world = reviewed(rings, valid_hours, **changes)
    world.vote("carl")
    world.to_review()
    conditional(world, conditions)
    world.to_ring("PILOT")
    return world


def test_max_ring_leads_to_a_review_of_its_own_before_the_next_ring() -> None:
    world = in_pilot(Conditions(max_ring=2))
    review = world.to_review()
    assert (review.checkpoint, review.covers) == (3, Covers(first=3, last=4))
    assert (world.state.state, world.state.reason.code) == (S.AWAITING_CAB, "awaiting_cab")
    assert world.state.evidence is not None
    assert world.state.evidence.checkpoint == 3, "the pack is sealed for that review"
    world.vote("cora")
    world.run()
    assert world.state.state is S.COMPLETED
    assert first_unfounded(world.facts) is None


def test_what_lies_beyond_max_ring_does_not_expire_later() -> None:
    world = in_pilot(Conditions(max_ring=2), valid_hours=1.5)
    world.to_review()
    world.vote("cora")
    world.run()
    assert world.state.state is S.COMPLETED
    assert world.now > world.state.approvals[1].expires_at
    assert not world.seen(f.ApprovalExpired)
    assert [one.ended for one in world.state.approvals] == ["", "", ""]


def test_a_higher_success_rate_is_asked_of_the_rings_that_it_covers() -> None:
    good = {"PILOT": 490}
    world = in_pilot(Conditions(min_success_rate=98.5), outcome=lambda ring, _: (good.get(ring, SIZES[ring]), 0))
    world.rest()
    assert world.seen(f.GateEvaluated)[-1].checks[0].threshold == ">= 98.5 %"
    assert world.seen(f.GateEvaluated)[-1].checks[0].result is GateResult.WAIT
    good["PILOT"] = 493
    world.run()
    assert world.state.state is S.COMPLETED


def test_a_higher_success_rate_breaches_earlier() -> None:
    world = in_pilot(
        Conditions(min_success_rate=99.0), outcome=lambda ring, _: (400, 6) if ring == "PILOT" else (SIZES[ring], 0)
    )
    world.rest()
    assert world.state.state is S.ROLLED_BACK


def test_observe_hours_makes_the_soak_longer_and_never_shorter() -> None:
    for observed, soak in ((10.0, 10.0), (0.5, 1.0)):
        world = in_pilot(Conditions(observe_hours=observed))
        world.until(lambda state: state.ring is not None and state.ring.soak_since is not None)
        ring = world.state.ring
        assert ring is not None
        assert ring.soak_since is not None
        assert ring.soak_until == ring.soak_since + timedelta(hours=soak)


def test_rollback_below_takes_back_what_the_policy_would_let_pass() -> None:
    def outcome(ring: str, _: str) -> tuple[int, int]:
        return (494, 6) if ring == "PILOT" else (SIZES[ring], 0)

    tolerant = in_pilot(Conditions(rollback_below=97.0), outcome=outcome)
    tolerant.run()
    assert tolerant.state.state is S.COMPLETED
    strict = in_pilot(Conditions(rollback_below=99.0), outcome=outcome)
    strict.run()
    assert strict.state.state is S.ROLLED_BACK
    assert first_unfounded(strict.facts) is None


def test_not_before_waits_and_goes_on_by_itself() -> None:
    world = reviewed()
    begins = world.now + timedelta(hours=7)
    conditional(world, Conditions(not_before=begins))
    assert world.state.state is S.APPROVED
    world.to_ring("CANARY")
    assert world.now == begins
    assert len(world.seen(f.ReviewOpened)) == 1, "no second review while the first approval only waits"
    assert first_unfounded(world.facts) is None


def test_not_after_ends_the_approval_and_opens_a_new_review() -> None:
    world = reviewed()
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    ends = world.now + timedelta(hours=5)
    conditional(world, Conditions(not_after=ends))
    assert world.state.approvals[0].expires_at == ends
    review = world.to_review()
    assert (world.now, review.round) == (ends, 2)
    assert world.state.state is S.AWAITING_CAB
    assert world.seen(f.ApprovalExpired)
    world.say(m.ReleaseRollout(why="go on"), "olga", Role.ENDPOINT_OPS)
    world.vote("carl")
    world.to_ring("CANARY")
    assert first_unfounded(world.facts) is None


def test_not_after_lets_a_ring_in_until_the_moment_itself() -> None:
    world = reviewed()
    ends = world.now + timedelta(hours=5)
    world.say(m.HoldRollout(why="wait"), "olga", Role.ENDPOINT_OPS)
    conditional(world, Conditions(not_after=ends))
    world.now = ends - timedelta(microseconds=1)
    world.say(m.ReleaseRollout(why="go on"), "olga", Role.ENDPOINT_OPS)
    world.rest()
    assert world.state.ring is not None
    assert world.state.ring.name == "CANARY"


def test_an_approval_whose_last_moment_passed_before_the_quorum_brings_a_new_round() -> None:
    world = World(plan(rings=3, quorum=2), score=60)
    world.to_review()
    conditional(world, Conditions(not_after=world.now + timedelta(hours=1)), "carl")
    world.now += timedelta(hours=2)
    world.vote("cora")
    review = world.state.open_review
    assert review is not None
    assert (review.round, review.votes) == (2, ())
    assert world.state.state is S.AWAITING_CAB
    assert first_unfounded(world.facts) is None


def test_rollback_below_counts_the_devices_that_stay_silent_with_their_deadline() -> None:
    world = in_pilot(
        Conditions(rollback_below=99.0, observe_hours=400.0),
        outcome=lambda ring, _: (494, 0) if ring == "PILOT" else (SIZES[ring], 0),
    )
    entered = world.now
    # 97 % is reached at once and the ring soaks; with the deadline six devices have failed, and 99 % needs 495
    world.run()
    assert world.state.state is S.ROLLED_BACK
    assert world.now == entered + timedelta(hours=24)


def test_conditions_outlive_their_approval_for_the_rings_entered_under_it() -> None:
    good = {"devices": 500}
    world = in_pilot(
        Conditions(min_success_rate=99.0, observe_hours=1000.0),
        outcome=lambda ring, _: (good["devices"] if ring == "PILOT" else SIZES[ring], 0),
    )
    world.until(lambda state: any(one.ended == "expired" for one in state.approvals))
    good["devices"] = 494
    world.rest()
    ring = world.state.ring
    assert ring is not None
    assert ring.gate is not None
    assert ring.gate.check("success_rate").threshold == ">= 99 %"
    assert first_unfounded(world.facts) is None


APPROVED, CONDITIONAL = CabDecision.APPROVED, CabDecision.CONDITIONAL


@pytest.mark.parametrize("decisions", [(APPROVED, CONDITIONAL), (CONDITIONAL, APPROVED)])
def test_one_conditional_vote_makes_the_approval_conditional(decisions: tuple[CabDecision, CabDecision]) -> None:
    world = World(plan(rings=3, quorum=2), score=60)
    world.to_review()
    for actor, decision in zip(("carl", "cora"), decisions, strict=True):
        conditions = Conditions(observe_hours=2.0) if decision is CONDITIONAL else Conditions()
        assert world.vote(actor, decision, conditions=conditions).refusal is None
    (given,) = world.seen(f.CabConditional)
    assert (given.approvers, given.conditions.observe_hours) == (("carl", "cora"), 2.0)
