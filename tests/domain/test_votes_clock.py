"""The review's clock: reminder at half, escalation and lapse at the end, opened again by people (``domain.md`` §4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Covers
from eucora.domain.audit import first_unfounded
from eucora.domain.plan import ReviewPolicy
from eucora.domain.rollout import decide
from eucora.domain.vocabulary import CabDecision, DeploymentState, HoldKind, Role
from tests.domain.builders import plan
from tests.domain.world import World

S = DeploymentState


def under_review(window: float = 48.0, **options: object) -> World:
    chosen = replace(plan(rings=3, **options), review=ReviewPolicy(window=window * 3600))  # type: ignore[arg-type]
    world = World(chosen, score=60)
    world.to_review()
    return world


@pytest.mark.parametrize("window", [48.0, 24.0])
def test_silence_is_reminded_at_half_and_lapses_at_the_end(window: float) -> None:
    world = under_review(window)
    opened = world.now
    world.run()
    (reminded,), (escalated,) = world.seen(f.ReviewReminded), world.seen(f.ReviewEscalated)
    assert reminded.at == opened + timedelta(hours=window / 2)
    assert escalated.at == world.seen(f.ReviewLapsed)[0].at == opened + timedelta(hours=window)
    assert (world.state.state, world.state.reason.code) == (S.AWAITING_CAB, "review_lapsed")
    assert [hold.kind for hold in world.state.holds] == [HoldKind.REVIEW_LAPSED]
    assert not world.state.approvals, "silence never approves"
    assert first_unfounded(world.facts) is None


def test_a_worker_that_slept_through_the_reminder_only_lapses() -> None:
    world = under_review()
    world.now += timedelta(days=9)
    world.settle()
    assert [fact.type for fact in world.facts[-2:]] == ["REVIEW_ESCALATED", "REVIEW_LAPSED"]
    assert not world.seen(f.ReviewReminded)


def test_the_deployment_sleeps_exactly_until_the_review_needs_it() -> None:
    world = under_review()
    review = world.state.open_review
    assert review is not None
    assert decide(world.state, world.now)[-1] == c.Await(until=review.remind_at)
    world.now = review.remind_at
    world.settle()
    assert decide(world.state, world.now)[-1] == c.Await(until=review.due_at)


def test_a_lapsed_review_stays_lapsed_until_somebody_opens_it_again() -> None:
    world = under_review(quorum=2)
    world.vote("carl")
    world.run()
    world.now += timedelta(days=200)
    world.run()
    assert world.state.reason.code == "review_lapsed"
    assert world.say(m.OpenReview(), "paula", Role.PACKAGING_ENGINEER).refusal is None
    review = world.state.open_review
    assert review is not None
    assert (review.round, review.votes, world.state.holds) == (2, (), ())
    assert review.due_at == world.now + timedelta(hours=48)
    for actor in ("carl", "cora"):
        assert world.vote(actor).refusal is None, "votes of the lapsed round do not count, nor do they hinder"
    world.to_ring("CANARY")
    assert first_unfounded(world.facts) is None


def test_asking_for_a_review_that_is_open_is_answered_and_changes_nothing() -> None:
    world = under_review()
    before = world.state
    judgement = world.say(m.OpenReview(), "pia-publisher", Role.PUBLISHER)
    assert judgement.refusal is None
    assert [fact.type for fact in judgement.facts] == ["CAB_SUBMITTED"]
    assert replace(world.state, seen=before.seen, sequence=before.sequence) == before


def test_no_review_is_due_before_lab_is_decided_nor_where_none_is_needed() -> None:
    world = World(plan(), score=60)
    world.to_ring("LAB")
    refusal = world.say(m.OpenReview(), "pia-publisher", Role.PUBLISHER).refusal
    assert refusal is not None
    assert refusal.code == "no_review_due"
    automated = World(plan(rings=2))
    automated.to_ring("CANARY")
    refusal = automated.say(m.OpenReview(), "pia-publisher", Role.PUBLISHER).refusal
    assert refusal is not None
    assert refusal.code == "no_review_due"


def test_a_review_opens_only_on_the_pack_sealed_for_it() -> None:
    world = World(plan(rings=3), score=60)
    world.until(lambda state: state.ring is not None and state.ring.gate and state.ring.planes[0].rehearsal)
    world.now += timedelta(seconds=1)
    while not any(isinstance(one, c.ResealEvidence) for one in decide(world.state, world.now)):
        assert world.step()
    refusal = world.say(m.OpenReview(), "pia-publisher", Role.PUBLISHER).refusal
    assert refusal is not None
    assert refusal.code == "evidence_not_sealed"
    review = world.to_review()
    assert review.pack_digest == "1" * 64
    assert world.state.evidence is not None
    assert world.state.evidence.version == 2
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize(
    ("preset", "reviews"),
    [
        ("standard", [(1, Covers(first=1, last=1)), (2, Covers(first=2, last=4))]),
        ("pilot_only", [(2, Covers(first=2, last=4))]),
        ("every_ring", [(ring, Covers(first=ring, last=ring)) for ring in range(5)]),
    ],
)
def test_every_preset_asks_where_it_says(preset: str, reviews: list[tuple[int, Covers]]) -> None:
    world = World(plan(preset=preset), score=60)
    for checkpoint, covers in reviews:
        review = world.to_review()
        assert (review.checkpoint, review.covers) == (checkpoint, covers)
        assert world.state.state is S.AWAITING_CAB
        entered = [ring.order for ring in world.state.rings if ring.started_at is not None]
        assert entered == list(range(checkpoint)), "the review is before its ring"
        world.vote("carl")
    world.run()
    assert world.state.state is S.COMPLETED
    assert len(world.seen(f.ReviewOpened)) == len(reviews)
    assert first_unfounded(world.facts) is None


def test_a_review_goes_on_when_the_gate_falls_and_the_promotion_waits_for_it() -> None:
    world = under_review()
    incident = m.IncidentChanged(incident_id="i-1", severity="P3", attributed=True)  # type: ignore[arg-type]
    for name in ("i-1", "i-2"):
        world.say(replace(incident, incident_id=name), "eucora-api", Role.SYSTEM)
    world.vote("carl")
    assert world.state.state is S.APPROVED
    assert "open incidents over the limit of 1: i-1, i-2" in world.state.reason.sentence
    assert world.state.ring is not None
    assert world.state.ring.name == "LAB"


def test_one_reject_ends_the_review_and_takes_lab_back_first() -> None:
    world = under_review(quorum=3)
    world.vote("carl")
    world.vote("cora", CabDecision.REJECTED, comment="too risky")
    assert (world.state.state, world.state.reason.code) == (S.DEPLOYING, "rolling_back")
    assert world.state.reason.sentence == "rejected by cora: too risky"
    world.run()
    assert world.state.state is S.REJECTED
    assert (world.state.reason.code, world.log[-1]) == ("cab_rejected", "roll_back LAB sim")
    types = [fact.type for fact in world.facts[-5:]]
    assert types == [
        "CAB_REJECTED",
        "ROLLBACK_INITIATED",
        "PLANE_ROLLED_BACK",
        "ROLLBACK_COMPLETED",
        "DEPLOYMENT_REJECTED",
    ]
    assert first_unfounded(world.facts) is None


def test_a_rejection_before_lab_needs_no_rollback() -> None:
    world = World(plan(preset="every_ring"), score=60)
    world.to_review()
    world.vote("cora", CabDecision.REJECTED)
    world.run()
    assert (world.state.state, world.log) == (S.REJECTED, [])
    assert world.state.reason.sentence == "rejected by cora: no comment"


def test_a_rejection_whose_rollback_fails_is_still_a_rejection_in_the_end() -> None:
    world = under_review()
    world.rollback_works = lambda _ring, _plane, revision: revision > 1
    world.vote("cora", CabDecision.REJECTED, comment="no")
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.DEPLOYING, "rollback_failed")
    world.say(m.RollBackRollout(why="again"), "olga", Role.ENDPOINT_OPS)
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.REJECTED, "cab_rejected")
    assert first_unfounded(world.facts) is None
