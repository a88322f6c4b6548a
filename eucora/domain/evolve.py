"""``evolve``: how each fact changes the state. Total over the closed union of facts; holds no decision of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from eucora.domain import approval as approvals
from eucora.domain import facts as f
from eucora.domain.approval import Approval, Conditions, Vote
from eucora.domain.gates import Evaluation
from eucora.domain.state import (
    ActiveException,
    Evidence,
    Hold,
    Incident,
    PlaneFailure,
    PlaneRun,
    PublishedObject,
    Reason,
    Rehearsal,
    Review,
    RingRun,
    Risk,
    Rollback,
    RolloutState,
)
from eucora.domain.states import move
from eucora.domain.vocabulary import DeploymentState, ErrorClass, GateResult, HoldKind


def begin(fact: f.DeploymentCreated) -> RolloutState:
    """Fold the first fact of a stream."""
    return RolloutState(
        plan=fact.plan,
        state=DeploymentState.PENDING,
        reason=Reason(code="submitted", sentence="submitted; evidence and risk are being checked", since=fact.at),
        created_at=fact.at,
        sequence=1,
        trusted_keys=fact.trusted_keys,
        seen=(fact.message_id,) if fact.message_id else (),
    )


def evolve(state: RolloutState, fact: f.Fact) -> RolloutState:
    """Fold one fact. Raises ``IllegalTransition`` for a fact that would take an edge that does not exist."""
    changed = _FOLDS[type(fact)](state, fact)
    message_id = getattr(fact, "message_id", "")
    if message_id and message_id not in state.seen:
        return replace(changed, sequence=state.sequence + 1, seen=(*state.seen, message_id))
    return replace(changed, sequence=state.sequence + 1)


def fold(facts: Iterable[f.Fact]) -> RolloutState:
    """Fold a whole stream. Raises ``ValueError`` when it does not begin with DEPLOYMENT_CREATED."""
    state: RolloutState | None = None
    for fact in facts:
        if state is None:
            if not isinstance(fact, f.DeploymentCreated):
                msg = f"a deployment's stream begins with DEPLOYMENT_CREATED, not {fact.type}"
                raise ValueError(msg)
            state = begin(fact)
        else:
            state = evolve(state, fact)
    if state is None:
        msg = "an empty stream has no state"
        raise ValueError(msg)
    return state


def _because(state: RolloutState, code: str, sentence: str, at: datetime, to: DeploymentState | None = None) -> RolloutState:
    return replace(
        state,
        state=state.state if to is None else move(state.state, to),
        reason=Reason(code=code, sentence=sentence, since=at),
    )


def _in_ring(state: RolloutState, name: str, change: Callable[[RingRun], RingRun]) -> RolloutState:
    return replace(state, rings=tuple(change(ring) if ring.name == name else ring for ring in state.rings))


def _on_plane(state: RolloutState, ring: str, plane: str, **changes: Any) -> RolloutState:  # noqa: ANN401 - fields of PlaneRun
    def change(run: RingRun) -> RingRun:
        return replace(run, planes=tuple(replace(one, **changes) if one.plane == plane else one for one in run.planes))

    return _in_ring(state, ring, change)


def _on_review(state: RolloutState, checkpoint: int, **changes: Any) -> RolloutState:  # noqa: ANN401 - fields of Review
    return replace(
        state,
        reviews=tuple(replace(one, **changes) if one.checkpoint == checkpoint else one for one in state.reviews),
    )


def _created(state: RolloutState, fact: f.DeploymentCreated) -> RolloutState:
    msg = f"deployment {state.plan.deployment_id} was created already; a second DEPLOYMENT_CREATED at {fact.at}"
    raise ValueError(msg)


def _sealed(state: RolloutState, fact: f.EvidenceSealed) -> RolloutState:
    evidence = Evidence(pack_digest=fact.pack_digest, release_digest=fact.release_digest, version=fact.version)
    return _because(replace(state, evidence=evidence), "evidence_sealed", "evidence is sealed; risk is being scored", fact.at)


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
    found = approvals.checkpoints(fact.tier, state.plan.checkpoint_preset, len(state.plan.rings))
    sentence = f"risk {fact.score} of 100 over {fact.devices} devices: {fact.tier}"
    return _because(replace(state, risk=risk, checkpoints=found), "assessed", sentence, fact.at)


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
    ring = state.plan.rings[fact.checkpoint].name
    sentence = f"waits for {fact.quorum} approval(s) of the CAB before {ring}, until {fact.due_at.isoformat()}"
    changed = replace(state, reviews=(*others, review), holds=holds)
    return _because(changed, "awaiting_cab", sentence, fact.at, DeploymentState.AWAITING_CAB)


def _voted(state: RolloutState, fact: f.CabVoted) -> RolloutState:
    vote = Vote(
        voter=fact.actor, decision=fact.decision, conditions=fact.conditions, comment=fact.comment, at=fact.at
    )
    review = state.review(fact.checkpoint)
    if review is None:
        msg = f"a vote on checkpoint {fact.checkpoint}, which has no review"
        raise ValueError(msg)
    return _on_review(state, fact.checkpoint, votes=(*review.votes, vote))


def _unchanged(state: RolloutState, _: f.Fact) -> RolloutState:
    return state


def _approved(state: RolloutState, fact: f.CabApproved | f.CabConditional) -> RolloutState:
    automated = isinstance(fact, f.CabApproved) and fact.automated
    given = Approval(
        checkpoint=fact.checkpoint,
        covers=fact.covers,
        approvers=fact.approvers,
        conditions=fact.conditions if isinstance(fact, f.CabConditional) else Conditions(),
        binding=fact.binding,
        given_at=fact.at,
        expires_at=fact.expires_at,
        automated=automated,
    )
    changed = _on_review(replace(state, approvals=(*state.approvals, given)), fact.checkpoint, status="approved")
    if automated:
        sentence = "approved by the system: the score is within the automated tier"
    else:
        condition = " under conditions" if isinstance(fact, f.CabConditional) else ""
        sentence = f"approved{condition} by {', '.join(fact.approvers)}"
    return _because(changed, "approved", sentence, fact.at, DeploymentState.APPROVED)


def _cab_rejected(state: RolloutState, fact: f.CabRejected) -> RolloutState:
    changed = _on_review(state, fact.checkpoint, status="rejected")
    return _because(changed, "cab_rejected", f"rejected by {fact.rejected_by}: {fact.comment}", fact.at)


def _lapsed(state: RolloutState, fact: f.ReviewLapsed) -> RolloutState:
    sentence = "the review lapsed without a decision; open it again"
    hold = Hold(kind=HoldKind.REVIEW_LAPSED, who=fact.actor, why=sentence, since=fact.at)
    changed = _on_review(replace(state, holds=(*state.holds, hold)), fact.checkpoint, status="lapsed")
    return _because(changed, "review_lapsed", sentence, fact.at)


def _approval_ended(state: RolloutState, checkpoint: int, why: str, at: datetime) -> RolloutState:
    changed = replace(
        state,
        approvals=tuple(
            replace(one, ended=why) if one.checkpoint == checkpoint and not one.ended else one for one in state.approvals
        ),
    )
    changed = _on_review(changed, checkpoint, status="ended")
    target = DeploymentState.AWAITING_CAB if state.state is DeploymentState.APPROVED else None
    return _because(changed, f"approval_{why}", f"the approval is {why}; a new review is needed", at, target)


def _frozen(state: RolloutState, fact: f.MembershipFrozen) -> RolloutState:
    order = len(state.rings)
    ring = RingRun(
        name=fact.ring,
        order=order,
        frozen_at=fact.at,
        planes=tuple(PlaneRun(plane=members.plane, membership=members) for members in fact.members),
    )
    return replace(state, rings=(*state.rings, ring), freeze_failure=None)


def _ring_started(state: RolloutState, fact: f.RingStarted) -> RolloutState:
    changed = _in_ring(state, fact.ring, lambda ring: replace(ring, started_at=fact.at))
    return _because(changed, "ring_running", f"{fact.ring} is running", fact.at, DeploymentState.DEPLOYING)


def _published(state: RolloutState, fact: f.PlanePublished) -> RolloutState:
    published = PublishedObject(plane=fact.plane, object_id=fact.object_id)
    return _on_plane(replace(state, objects=(*state.objects, published)), fact.ring, fact.plane, failure=None)


def _gate(state: RolloutState, fact: f.GateEvaluated) -> RolloutState:
    evaluation = Evaluation(result=fact.result, checks=fact.checks, until=fact.until)
    soaks = evaluation.check("success_rate").result is GateResult.PASS

    def change(ring: RingRun) -> RingRun:
        return replace(
            ring,
            gate=evaluation,
            gate_at=fact.at,
            soak_since=ring.soak_since if soaks else None,
            soak_until=ring.soak_until if soaks else None,
        )

    changed = _in_ring(state, fact.ring, change)
    if state.state is not DeploymentState.DEPLOYING:
        return changed
    open_checks = [check.sentence for check in fact.checks if check.result is not GateResult.PASS]
    sentence = f"{fact.ring}: " + ("; ".join(open_checks) or f"the gate says {fact.result}")
    return _because(changed, f"gate_{fact.result.lower()}", sentence, fact.at)


def _retry(state: RolloutState, fact: f.RetryRequested) -> RolloutState:
    def change(run: PlaneRun) -> PlaneRun:
        if run.plane not in fact.planes:
            return run
        failed_rehearsal = run.rehearsal is not None and not run.rehearsal.succeeded
        failed_devices = run.figures is not None and run.figures.failed > 0
        return replace(
            run,
            revision=run.revision + 1 if run.failure is not None or failed_devices else run.revision,
            failure=None,
            rehearsal=None if failed_rehearsal else run.rehearsal,
            rehearsal_revision=run.rehearsal_revision + 1 if failed_rehearsal else run.rehearsal_revision,
        )

    changed = _in_ring(state, fact.ring, lambda ring: replace(ring, planes=tuple(change(run) for run in ring.planes)))
    return _because(replace(changed, freeze_failure=None), "retrying", f"retry asked by {fact.actor}: {fact.why}", fact.at)


def _rehearsed(state: RolloutState, fact: f.RollbackRehearsed) -> RolloutState:
    rehearsal = Rehearsal(device=fact.device, succeeded=fact.succeeded, sentence=fact.sentence, at=fact.at)
    return _on_plane(state, fact.ring, fact.plane, rehearsal=rehearsal)


def _held(state: RolloutState, fact: f.DeploymentHeld) -> RolloutState:
    hold = Hold(kind=fact.kind, who=fact.actor, why=fact.why, since=fact.at, reference=fact.reference)
    others = tuple(one for one in state.holds if (one.kind, one.reference) != (fact.kind, fact.reference))
    return replace(state, holds=(*others, hold))


def _released(state: RolloutState, fact: f.DeploymentReleased) -> RolloutState:
    holds = tuple(one for one in state.holds if (one.kind, one.reference) != (fact.kind, fact.reference))
    adopted = fact.actor if fact.kind is HoldKind.NEEDS_PUBLISHER else state.adopted_by
    return replace(state, holds=holds, adopted_by=adopted)


def _rollback(state: RolloutState, fact: f.RollbackInitiated) -> RolloutState:
    rollback = Rollback(
        code=fact.code,
        why=fact.why,
        outcome=fact.outcome,
        automatic=fact.automatic,
        started_at=fact.at if state.rollback is None else state.rollback.started_at,
        revision=fact.revision,
    )
    rings = tuple(
        replace(ring, planes=tuple(replace(run, rollback_failure="") for run in ring.planes)) for ring in state.rings
    )
    reviews = tuple(replace(one, status="ended") if one.status == "open" else one for one in state.reviews)
    changed = replace(state, rollback=rollback, rings=rings, reviews=reviews)
    return _because(changed, "rolling_back", fact.why, fact.at, DeploymentState.DEPLOYING)


def _rollback_failed(state: RolloutState, fact: f.RollbackFailed) -> RolloutState:
    changed = _on_plane(state, fact.ring, fact.plane, rollback_failure=fact.sentence)
    return _because(changed, "rollback_failed", f"{fact.ring} on {fact.plane}: {fact.sentence}", fact.at)


def _rollback_completed(state: RolloutState, fact: f.RollbackCompleted) -> RolloutState:
    if state.rollback is None:
        msg = "ROLLBACK_COMPLETED without a rollback"
        raise ValueError(msg)
    changed = replace(state, rollback=replace(state.rollback, completed_at=fact.at))
    if state.rollback.outcome is not DeploymentState.ROLLED_BACK:
        return changed
    return _because(changed, state.rollback.code, state.rollback.why, fact.at, DeploymentState.ROLLED_BACK)


def _incident(state: RolloutState, fact: f.IncidentOpened) -> RolloutState:
    incident = Incident(incident_id=fact.incident_id, severity=fact.severity, attributed=fact.attributed)
    others = tuple(one for one in state.incidents if one.incident_id != fact.incident_id)
    return replace(state, incidents=(*others, incident))


def _incident_resolved(state: RolloutState, fact: f.IncidentResolved) -> RolloutState:
    return replace(
        state,
        incidents=tuple(
            replace(one, resolution=fact.resolution, attributed=fact.attributed)
            if one.incident_id == fact.incident_id
            else one
            for one in state.incidents
        ),
    )


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


def _connector_error(state: RolloutState, fact: f.ConnectorError) -> RolloutState:
    sentence = f"{fact.ring} on {fact.plane}: {fact.operation} refused: {fact.sentence}"
    changed = _because(state, "connector_error", sentence, fact.at)
    if fact.error_class is ErrorClass.TRANSIENT:
        return changed
    failure = PlaneFailure(operation=fact.operation, code=fact.code, sentence=fact.sentence)
    if all(ring.name != fact.ring for ring in state.rings):
        return replace(changed, freeze_failure=failure)
    return _on_plane(changed, fact.ring, fact.plane, failure=failure)


_FOLDS: dict[type, Callable[[RolloutState, Any], RolloutState]] = {
    f.DeploymentCreated: _created,
    f.EvidenceSealed: _sealed,
    f.EvidenceResealed: _resealed,
    f.RiskAssessed: _assessed,
    f.ReviewOpened: _review_opened,
    f.CabSubmitted: _unchanged,
    f.CabVoted: _voted,
    f.CabVoteRefused: _unchanged,
    f.CabApproved: _approved,
    f.CabConditional: _approved,
    f.CabRejected: _cab_rejected,
    f.ReviewReminded: lambda s, x: _on_review(s, x.checkpoint, reminded=True),
    f.ReviewEscalated: lambda s, x: _on_review(s, x.checkpoint, escalated=True),
    f.ReviewLapsed: _lapsed,
    f.ApprovalExpired: lambda s, x: _approval_ended(s, x.checkpoint, "expired", x.at),
    f.ApprovalRevoked: lambda s, x: _approval_ended(s, x.checkpoint, "revoked", x.at),
    f.ApprovalVoided: lambda s, x: _approval_ended(s, x.checkpoint, "voided", x.at),
    f.DeploymentStarted: lambda s, x: _because(s, "started", "the rollout has started", x.at, DeploymentState.DEPLOYING),
    f.MembershipFrozen: _frozen,
    f.RingStarted: _ring_started,
    f.PlanePublished: _published,
    f.PlaneAssigned: lambda s, x: _on_plane(
        s, x.ring, x.plane, assignment_id=x.assignment_id, assigned_revision=x.revision, failure=None
    ),
    f.PlaneObserved: lambda s, x: _on_plane(s, x.ring, x.plane, figures=x.figures, observed_at=x.at),
    f.SoakStarted: lambda s, x: _in_ring(s, x.ring, lambda ring: replace(ring, soak_since=x.at, soak_until=x.until)),
    f.SoakSkipped: lambda s, x: _in_ring(s, x.ring, lambda ring: replace(ring, soak_skipped=True)),
    f.GateEvaluated: _gate,
    f.RingPromoted: lambda s, x: _because(
        _in_ring(s, x.ring, lambda ring: replace(ring, promoted_at=x.at)),
        "promoted",
        f"{x.ring} passed its gate; {x.to_ring} is next",
        x.at,
        DeploymentState.DEPLOYING,
    ),
    f.PromotionForced: lambda s, x: _in_ring(s, x.ring, lambda ring: replace(ring, soak_skipped=True)),
    f.RetryRequested: _retry,
    f.RollbackRehearsed: _rehearsed,
    f.DeploymentHeld: _held,
    f.DeploymentReleased: _released,
    f.ControlRefused: _unchanged,
    f.AccessDenied: lambda s, x: replace(s, denied=s.denied + x.count),
    f.DeploymentCompleted: lambda s, x: _because(
        s, "completed", "every ring passed its gate", x.at, DeploymentState.COMPLETED
    ),
    f.DeploymentFailed: lambda s, x: replace(
        s,
        state=move(s.state, DeploymentState.FAILED),
        reason=Reason(code=x.code, sentence=x.sentence, since=x.at, field=x.field),
    ),
    f.DeploymentRejected: lambda s, x: replace(
        s,
        state=move(s.state, DeploymentState.REJECTED),
        reason=Reason(code=x.code, sentence=x.sentence, since=x.at, field=x.field, holder=x.holder),
    ),
    f.DeploymentCancelled: lambda s, x: _because(s, "cancelled", x.why, x.at, DeploymentState.CANCELLED),
    f.RollbackInitiated: _rollback,
    f.PlaneRolledBack: lambda s, x: _on_plane(s, x.ring, x.plane, rolled_back=True, rollback_failure=""),
    f.RollbackCompleted: _rollback_completed,
    f.RollbackFailed: _rollback_failed,
    f.IncidentOpened: _incident,
    f.IncidentResolved: _incident_resolved,
    f.ExceptionApproved: _exception,
    f.ExceptionExpired: lambda s, x: _exception_ended(s, x.exception_id, "expired"),
    f.ExceptionRevoked: lambda s, x: _exception_ended(s, x.exception_id, "revoked"),
    f.ConnectorError: _connector_error,
    f.TrustChanged: lambda s, x: replace(s, trusted_keys=x.trusted_keys),
}
