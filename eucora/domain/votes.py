"""Votes of the change advisory board and revocations: separation of duties, one vote a person, sane conditions.

Sources: ``domain.md`` §4. Called by :func:`eucora.domain.judge.judge`, which has checked role and scope.
"""

from __future__ import annotations

from datetime import datetime

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import strictest
from eucora.domain.standing import exception_active
from eucora.domain.state import Review, RolloutState
from eucora.domain.verdicts import Refusal, Verdict
from eucora.domain.vocabulary import ApprovalTier, CabDecision, Role

MOST_OBSERVE_HOURS = 8760
"""A year: who wants to watch a ring for longer does not want the next one."""


def vote(state: RolloutState, message: m.CabVote, sender: m.Sender, now: datetime) -> Verdict:
    """Judge a vote: who it is from, the review it is for, the pack that it was given on, its conditions."""
    refusal = _duties(state, sender)
    if refusal is not None:
        return refusal
    review = state.review(message.checkpoint)
    if review is None:
        return Refusal(code="review_unknown", sentence=f"there is no review before ring {message.checkpoint}")
    if any(one.voter == sender.actor for one in review.votes):
        return Refusal(code="vote_twice", sentence=f"{sender.actor} has voted in this review already")
    if review.status != "open":
        return Refusal(code="review_closed", sentence=f"the review is {review.status}; it takes no votes")
    if message.pack_digest != review.pack_digest:
        sentence = f"the review is of the pack {review.pack_digest}: look again and vote on it"
        return Refusal(code="stale_digest", sentence=sentence)
    refusal = _exception_missing(state, message, now) or _conditions_problem(state, review, message, now)
    if refusal is not None:
        return refusal
    return (
        f.CabVoted(
            at=now,
            actor=sender.actor,
            role=Role.CAB_MEMBER,
            checkpoint=message.checkpoint,
            round=review.round,
            decision=message.decision,
            conditions=message.conditions,
            comment=message.comment,
            pack_digest=message.pack_digest,
            message_id=sender.message_id,
        ),
    )


def _duties(state: RolloutState, sender: m.Sender) -> Refusal | None:
    if sender.actor == state.plan.requester:
        return Refusal(code="vote_by_submitter", sentence="the submitter cannot vote on the own deployment")
    if sender.actor == state.plan.author:
        return Refusal(code="vote_by_author", sentence="the author of the evidence pack cannot vote on it")
    if sender.actor == state.adopted_by:
        return Refusal(code="vote_by_publisher", sentence="the publisher of this deployment cannot vote on it")
    return None


def _exception_missing(state: RolloutState, message: m.CabVote, now: datetime) -> Refusal | None:
    """An approval binds the exceptions that it saw, so over the CAB's tier the exception comes first."""
    if state.risk is None or state.risk.tier is not ApprovalTier.CAB_WITH_EXCEPTION:
        return None
    if message.decision is CabDecision.REJECTED or exception_active(state, "high_risk", now):
        return None
    sentence = f"a score of {state.risk.score} needs an active high_risk exception before the CAB can approve"
    return Refusal(code="exception_missing", sentence=sentence)


def _conditions_problem(state: RolloutState, review: Review, message: m.CabVote, now: datetime) -> Refusal | None:
    problem = _problem(state, review, message, now)
    return None if problem is None else Refusal(code="conditions_invalid", sentence=problem)


def _problem(state: RolloutState, review: Review, message: m.CabVote, now: datetime) -> str | None:
    """What is wrong with the conditions; where one of them is at fault, the sentence begins with its name."""
    conditions = message.conditions
    if message.decision is CabDecision.CONDITIONAL and conditions.empty:
        return "a conditional approval names at least one condition that a machine can check"
    if message.decision is not CabDecision.CONDITIONAL and not conditions.empty:
        return f"conditions belong to a CONDITIONAL decision, not to {message.decision}"
    covers = review.covers
    if conditions.max_ring is not None and not covers.first <= conditions.max_ring <= covers.last:
        names = ", ".join(ring.name for ring in state.plan.rings[covers.first : covers.last + 1])
        return f"max_ring must be one of the rings that this approval covers: {names}"
    for name, rate in (
        ("min_success_rate", conditions.min_success_rate),
        ("rollback_below", conditions.rollback_below),
    ):
        if rate is not None and not 0 < rate <= 100:
            return f"{name} is a percentage over 0 and up to 100"
    if conditions.observe_hours is not None and not 0 < conditions.observe_hours <= MOST_OBSERVE_HOURS:
        return f"observe_hours must be positive and at most {MOST_OBSERVE_HOURS}"
    if any(time is not None and time.tzinfo is None for time in (conditions.not_before, conditions.not_after)):
        return "times of conditions carry their offset from UTC"
    if conditions.not_after is not None and conditions.not_after <= now:
        return "not_after must lie in the future"
    together = strictest((*(one.conditions for one in review.votes), conditions))
    begins, ends = together.not_before, together.not_after
    if begins is not None and ends is not None and ends <= begins:
        return "not_after must lie after not_before, those of earlier votes included: no time would be left"
    return None


def revoke(state: RolloutState, message: m.RevokeApproval, sender: m.Sender, now: datetime) -> Verdict:
    """Judge the revocation of the approval before ring ``checkpoint``."""
    if any(one.checkpoint == message.checkpoint and not one.ended and not one.automated for one in state.approvals):
        return (
            f.ApprovalRevoked(
                at=now,
                actor=sender.actor,
                role=Role.CAB_MEMBER,
                checkpoint=message.checkpoint,
                why=message.why,
                message_id=sender.message_id,
            ),
        )
    return Refusal(code="approval_unknown", sentence="no approval of that checkpoint is in force")
