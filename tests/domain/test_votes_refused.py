"""Who may vote, on what, and how often: every refusal has its code, is recorded, and changes nothing (``domain.md``
§4).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions
from eucora.domain.audit import first_unfounded
from eucora.domain.judge import judge
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import CabDecision, DeploymentState, Role
from tests.domain.builders import plan
from tests.domain.world import World

APPROVED, CONDITIONAL, REJECTED = CabDecision.APPROVED, CabDecision.CONDITIONAL, CabDecision.REJECTED


def under_review(quorum: int = 2, score: int = 60, rings: int = 5) -> World:
    world = World(plan(rings=rings, quorum=quorum), score=score)
    world.to_review()
    return world


def ballot(world: World, **changes: object) -> m.CabVote:
    review = world.state.open_review
    assert review is not None
    vote = m.CabVote(checkpoint=review.checkpoint, decision=APPROVED, pack_digest=review.pack_digest)
    return replace(vote, **changes)  # type: ignore[arg-type]


def refused(world: World, vote: m.CabVote, sender: m.Sender) -> tuple[str, str]:
    """Give a vote that must be refused; check that nothing but the refusal is recorded; return code and sentence."""
    before = world.state
    judgement = judge(before, vote, sender, world.now)
    assert judgement.refusal is not None
    (fact,) = judgement.facts
    assert isinstance(fact, f.CabVoteRefused)
    assert (fact.actor, fact.checkpoint, fact.decision) == (sender.actor, vote.checkpoint, vote.decision)
    assert (fact.code, fact.sentence) == (judgement.refusal.code, judgement.refusal.sentence)
    world.apply(fact)
    unchanged = replace(world.state, seen=before.seen, sequence=before.sequence)
    assert unchanged == before
    assert world.state.seen == (*before.seen, sender.message_id)
    assert judge(world.state, vote, sender, world.now).facts == (), "judged once"
    return fact.code, fact.sentence


def sender(actor: str, *roles: Role, scope: Scope | None = None) -> m.Sender:
    return m.Sender(
        actor=actor, roles=roles or (Role.CAB_MEMBER,), scope=scope or Scope(business_unit="finance"), message_id="m-x"
    )


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (sender("pia-publisher"), "vote_by_submitter"),
        (sender("paul-packager"), "vote_by_author"),
        (sender("olga", Role.ENDPOINT_OPS), "role_missing"),
        (sender("adam", Role.PLATFORM_ADMIN), "role_missing"),
        (sender("sera", Role.SECURITY_REVIEWER, Role.AUDITOR), "role_missing"),
        (sender("eucora-api", Role.SYSTEM), "role_missing"),
        (m.Sender(actor="nobody", roles=(), scope=Scope(), message_id="m-x"), "role_missing"),
        (sender("carl", scope=Scope(business_unit="retail")), "out_of_scope"),
        (sender("carl", scope=Scope(tenant="other", business_unit="finance")), "out_of_scope"),
        (sender("carl", scope=Scope(business_unit="finance", site="berlin")), "out_of_scope"),
    ],
)
def test_who_may_not_vote(who: m.Sender, code: str) -> None:
    world = under_review()
    assert refused(world, ballot(world), who)[0] == code


def test_somebody_whose_scope_is_wider_may_vote() -> None:
    world = under_review()
    judgement = judge(world.state, ballot(world), sender("carl", scope=Scope()), world.now)
    assert [fact.type for fact in judgement.facts] == ["CAB_VOTED"]


def test_the_publisher_who_adopted_it_may_not_vote() -> None:
    world = World(plan(requester="pete", requester_roles=(Role.PACKAGING_ENGINEER,)), score=60)
    world.to_review()
    assert world.say(m.AdoptRollout(), "cleo", Role.PUBLISHER, Role.CAB_MEMBER).refusal is None
    assert refused(world, ballot(world), sender("cleo"))[0] == "vote_by_publisher"


def test_each_person_counts_once() -> None:
    world = under_review(quorum=2)
    assert world.vote("carl").refusal is None
    code, sentence = refused(world, ballot(world), sender("carl"))
    assert (code, sentence) == ("vote_twice", "carl has voted in this review already")
    assert not world.state.approvals
    world.vote("cora")
    assert world.seen(f.CabApproved)[0].approvers == ("carl", "cora")
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize("quorum", [1, 2, 3])
def test_an_approval_needs_its_quorum_of_distinct_people(quorum: int) -> None:
    world = under_review(quorum=quorum)
    for actor in ("carl", "cora", "cleo")[:quorum]:
        assert not world.state.approvals
        world.vote(actor)
    assert len(world.state.approvals) == 1


def test_a_vote_on_a_review_that_does_not_exist() -> None:
    world = under_review()
    assert refused(world, ballot(world, checkpoint=2), sender("carl"))[0] == "review_unknown"


def test_a_vote_on_another_pack_says_which_one_is_reviewed() -> None:
    world = under_review()
    code, sentence = refused(world, ballot(world, pack_digest="f" * 64), sender("carl"))
    assert code == "stale_digest"
    assert "1" * 64 in sentence


def test_votes_on_a_review_that_is_over() -> None:
    approved = under_review(quorum=1)
    vote = ballot(approved)
    approved.vote("carl")
    assert refused(approved, vote, sender("cora")) == ("review_closed", "the review is approved; it takes no votes")
    lapsed = under_review()
    vote = ballot(lapsed)
    lapsed.now += timedelta(hours=48)
    lapsed.settle()
    assert refused(lapsed, vote, sender("cora")) == ("review_closed", "the review is lapsed; it takes no votes")
    rejected = under_review()
    vote = ballot(rejected)
    rejected.vote("carl", REJECTED, comment="no")
    assert refused(rejected, vote, sender("cora"))[0] == "review_closed"
    rolling_back = under_review()
    vote = ballot(rolling_back)
    rolling_back.say(m.RollBackRollout(why="no good"), "olga", Role.ENDPOINT_OPS)
    assert refused(rolling_back, vote, sender("cora")) == ("review_closed", "the review is ended; it takes no votes")


def test_a_vote_after_the_end_of_the_deployment_changes_nothing() -> None:
    world = World(plan(preset="every_ring"), score=60)
    world.to_review()
    vote = ballot(world)
    world.say(m.CancelRollout(why="never mind"), "pia-publisher", Role.PUBLISHER)
    assert world.state.state is DeploymentState.CANCELLED
    assert world.state.open_review is None
    assert refused(world, vote, sender("carl"))[0] == "review_closed"


def late(hours: float) -> datetime:
    world = under_review()
    return world.now + timedelta(hours=hours)


NAIVE = datetime(2026, 2, 1, 12, 0)  # noqa: DTZ001 - a time without its offset is what is refused


@pytest.mark.parametrize(
    ("decision", "conditions", "sentence"),
    [
        (CONDITIONAL, Conditions(), "a conditional approval names at least one condition"),
        (CONDITIONAL, Conditions(text="please"), "a conditional approval names at least one condition"),
        (APPROVED, Conditions(max_ring=1), "conditions belong to a CONDITIONAL decision, not to APPROVED"),
        (REJECTED, Conditions(max_ring=1), "conditions belong to a CONDITIONAL decision, not to REJECTED"),
        (CONDITIONAL, Conditions(max_ring=0), "max_ring must be one of the rings that this approval covers: CANARY"),
        (CONDITIONAL, Conditions(max_ring=2), "max_ring must be one of the rings that this approval covers: CANARY"),
        (CONDITIONAL, Conditions(min_success_rate=0.0), "min_success_rate is a percentage over 0 and up to 100"),
        (CONDITIONAL, Conditions(min_success_rate=100.1), "min_success_rate is a percentage over 0 and up to 100"),
        (CONDITIONAL, Conditions(min_success_rate=float("nan")), "min_success_rate is a percentage"),
        (CONDITIONAL, Conditions(rollback_below=-1.0), "rollback_below is a percentage over 0 and up to 100"),
        (CONDITIONAL, Conditions(observe_hours=0.0), "observe_hours must be positive"),
        (CONDITIONAL, Conditions(observe_hours=8760.1), "observe_hours must be positive and at most 8760"),
        (CONDITIONAL, Conditions(observe_hours=float("inf")), "observe_hours must be positive"),
        (CONDITIONAL, Conditions(observe_hours=float("nan")), "observe_hours must be positive"),
        (CONDITIONAL, Conditions(not_before=NAIVE), "times of conditions carry their offset from UTC"),
        (CONDITIONAL, Conditions(not_after=NAIVE), "times of conditions carry their offset from UTC"),
        (CONDITIONAL, Conditions(not_after=late(0)), "not_after must lie in the future"),
        (CONDITIONAL, Conditions(not_before=late(2), not_after=late(1)), "not_after must lie after not_before"),
        (CONDITIONAL, Conditions(not_before=late(2), not_after=late(2)), "not_after must lie after not_before"),
    ],
)
def test_conditions_that_make_no_sense(decision: CabDecision, conditions: Conditions, sentence: str) -> None:
    world = under_review()
    code, said = refused(world, ballot(world, decision=decision, conditions=conditions), sender("carl"))
    assert code == "conditions_invalid"
    assert sentence in said


def test_conditions_of_several_votes_must_leave_a_time() -> None:
    world = under_review()
    world.vote("carl", CONDITIONAL, conditions=Conditions(not_before=world.now + timedelta(hours=5)))
    conditions = Conditions(not_after=world.now + timedelta(hours=5))
    code, sentence = refused(world, ballot(world, decision=CONDITIONAL, conditions=conditions), sender("cora"))
    assert code == "conditions_invalid"
    assert "those of earlier votes included" in sentence


def test_max_ring_may_be_any_ring_that_the_review_covers() -> None:
    world = under_review(quorum=1)
    world.vote("carl")
    world.to_review()
    for ring in (1, 5):
        conditions = Conditions(max_ring=ring)
        code, _ = refused(world, ballot(world, decision=CONDITIONAL, conditions=conditions), sender(f"c-{ring}"))
        assert code == "conditions_invalid"
        world.state = replace(world.state, seen=world.state.seen[:-1])
    assert world.vote("cora", CONDITIONAL, conditions=Conditions(max_ring=4)).refusal is None


def test_over_the_tier_of_the_cab_an_exception_comes_first() -> None:
    world = under_review(quorum=1, score=76)
    assert "waits for an active high_risk exception and 1 approval(s)" in world.state.reason.sentence
    code, sentence = refused(world, ballot(world), sender("carl"))
    assert (code, "needs an active high_risk exception" in sentence) == ("exception_missing", True)
    world.state = replace(world.state, seen=world.state.seen[:-1])
    world.facts.pop()
    for kind in ("gate_override", "high_risk"):
        exception = m.ExceptionChanged(
            exception_id=f"x-{kind}", kind=kind, revision=1, expires_at=world.now + timedelta(days=30)
        )
        assert world.vote("carl").refusal is not None
        world.say(exception, "eucora-api", Role.SYSTEM)
    assert world.vote("carl").refusal is None
    world.to_ring("CANARY")
    assert world.seen(f.CabApproved)[0].binding.exceptions == ("x-gate_override@1", "x-high_risk@1")


def test_over_the_tier_of_the_cab_a_rejection_needs_no_exception() -> None:
    world = under_review(score=76)
    assert world.vote("carl", REJECTED, comment="never").refusal is None
    world.run()
    assert world.state.state is DeploymentState.REJECTED
