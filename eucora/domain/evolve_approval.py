"""How facts about evidence, risk, reviews, approvals and exceptions change the state: one half of ``evolve``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from eucora.domain import facts as f
from eucora.domain.approval import UNCONDITIONAL, Approval, Vote, checkpoints
from eucora.domain.changes import because, on_review
from eucora.domain.state import ActiveException, Evidence, Hold, Review, Risk, RolloutState
from eucora.domain.vocabulary import ApprovalTier, DeploymentState, HoldKind


def _sealed(state: RolloutState, fact: f.EvidenceSealed) -> RolloutState:
    evidence = Evidence(pack_digest=fact.pack_digest, release_digest=fact.release_digest, version=fact.version)
    sentence = "evidence is sealed; risk is being scored"
    return because(replace(state, evidence=evidence), "evidence_sealed", sentence, fact.at)


def _resealed(state: RolloutState, fact: f.EvidenceResealed) -> RolloutState:
    return replace(
        state,
        evidence=Evidence(
            pack_digest=fact.pack_digest,
            release_digest=fact.release_digest,
            version=fact.version,
            checkpoint=fact.checkpoint,
        ),
    )


def _assessed(state: RolloutState, fact: f.RiskAssessed) -> RolloutState:
    risk = Risk(
        score=fact.score,
        tier=fact.tier,
        model=fact.model,
        model_version=fact.model_version,
        assessment_digest=fact.assessment_digest,
        cohorts=fact.cohorts,
        devices=fact.devices,
    )
    found = checkpoints(fact.tier, state.plan.checkpoint_preset, len(state.plan.rings))
    sentence = f"risk {fact.score} of 100 over {fact.devices} devices: {fact.tier}"
    return because(replace(state, risk=risk, checkpoints=found), "assessed", sentence, fact.at)


def _review_opened(state: RolloutState, fact: f.ReviewOpened) -> RolloutState:
    review = Review(
        checkpoint=fact.checkpoint,
        covers=fact.covers,
        round=fact.round,
        pack_digest=fact.pack_digest,
        quorum=fact.quorum,
        opened_at=fact.at,
        remind_at=fact.remind_at,
        due_at=fact.due_at,
    )
    others = tuple(one for one in state.reviews if one.checkpoint != fact.checkpoint)
    holds = tuple(hold for hold in state.holds if hold.kind is not HoldKind.REVIEW_LAPSED)
    ring = state.plan.rings[fact.covers.first].name
    exception = state.risk is not None and state.risk.tier is ApprovalTier.CAB_WITH_EXCEPTION
    needs = "an active high_risk exception and " if exception else ""
    sentence = f"waits for {needs}{fact.quorum} approval(s) of the CAB before {ring}, until {fact.due_at.isoformat()}"
    changed = replace(state, reviews=(*others, review), holds=holds)
    return because(changed, "awaiting_cab", sentence, fact.at, DeploymentState.AWAITING_CAB)


def _voted(state: RolloutState, fact: f.CabVoted) -> RolloutState:
    vote = Vote(voter=fact.actor, decision=fact.decision, conditions=fact.conditions, comment=fact.comment, at=fact.at)
    review = state.review(fact.checkpoint)
    if review is None:
        msg = f"a vote on checkpoint {fact.checkpoint}, which has no review"
        raise ValueError(msg)
    return on_review(state, fact.checkpoint, votes=(*review.votes, vote))


def _approved(state: RolloutState, fact: f.CabApproved | f.CabConditional) -> RolloutState:
    automated = isinstance(fact, f.CabApproved) and fact.automated
    given = Approval(
        checkpoint=fact.checkpoint,
        covers=fact.covers,
        approvers=fact.approvers,
        conditions=fact.conditions if isinstance(fact, f.CabConditional) else UNCONDITIONAL,
        binding=fact.binding,
        given_at=fact.at,
        expires_at=fact.expires_at,
        automated=automated,
    )
    changed = on_review(replace(state, approvals=(*state.approvals, given)), fact.checkpoint, status="approved")
    if automated:
        sentence = "approved by the system: the score is within the automated tier"
    else:
        condition = " under conditions" if isinstance(fact, f.CabConditional) else ""
        sentence = f"approved{condition} by {', '.join(fact.approvers)}"
    return because(changed, "approved", sentence, fact.at, DeploymentState.APPROVED)


def _cab_rejected(state: RolloutState, fact: f.CabRejected) -> RolloutState:
    changed = on_review(state, fact.checkpoint, status="rejected")
    return because(changed, "cab_rejected", f"rejected by {fact.rejected_by}: {fact.comment}", fact.at)


def _lapsed(state: RolloutState, fact: f.ReviewLapsed) -> RolloutState:
    sentence = "the review lapsed without a decision; open it again"
    hold = Hold(kind=HoldKind.REVIEW_LAPSED, who=fact.actor, why=sentence, since=fact.at)
    changed = on_review(replace(state, holds=(*state.holds, hold)), fact.checkpoint, status="lapsed")
    return because(changed, "review_lapsed", sentence, fact.at)


def _approval_ended(state: RolloutState, checkpoint: int, why: str, at: datetime) -> RolloutState:
    changed = replace(
        state,
        approvals=tuple(
            replace(one, ended=why) if one.checkpoint == checkpoint and not one.ended else one
            for one in state.approvals
        ),
    )
    review = state.review(checkpoint)
    if review is not None and review.status == "approved":
        changed = on_review(changed, checkpoint, status="ended")
    target = DeploymentState.AWAITING_CAB if state.state is DeploymentState.APPROVED else None
    return because(changed, f"approval_{why}", f"the approval is {why}; a new review is needed", at, target)


def _exception(state: RolloutState, fact: f.ExceptionApproved) -> RolloutState:
    active = ActiveException(
        exception_id=fact.exception_id,
        kind=fact.kind,
        revision=fact.revision,
        expires_at=fact.expires_at,
        subject=fact.subject,
    )
    others = tuple(one for one in state.exceptions if one.exception_id != fact.exception_id)
    return replace(state, exceptions=(*others, active))


def _exception_ended(state: RolloutState, exception_id: str, why: str) -> RolloutState:
    return replace(
        state,
        exceptions=tuple(
            replace(one, ended=why) if one.exception_id == exception_id else one for one in state.exceptions
        ),
    )


FOLDS: dict[type, Callable[[RolloutState, Any], RolloutState]] = {
    f.EvidenceSealed: _sealed,
    f.EvidenceResealed: _resealed,
    f.RiskAssessed: _assessed,
    f.ReviewOpened: _review_opened,
    f.CabVoted: _voted,
    f.CabApproved: _approved,
    f.CabConditional: _approved,
    f.CabRejected: _cab_rejected,
    f.ReviewReminded: lambda s, x: on_review(s, x.checkpoint, reminded=True),
    f.ReviewEscalated: lambda s, x: on_review(s, x.checkpoint, escalated=True),
    f.ReviewLapsed: _lapsed,
    f.ApprovalExpired: lambda s, x: _approval_ended(s, x.checkpoint, "expired", x.at),
    f.ApprovalRevoked: lambda s, x: _approval_ended(s, x.checkpoint, "revoked", x.at),
    f.ApprovalVoided: lambda s, x: _approval_ended(s, x.checkpoint, "voided", x.at),
    f.ExceptionApproved: _exception,
    f.ExceptionExpired: lambda s, x: _exception_ended(s, x.exception_id, "expired"),
    f.ExceptionRevoked: lambda s, x: _exception_ended(s, x.exception_id, "revoked"),
}
