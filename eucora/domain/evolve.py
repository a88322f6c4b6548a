"""``evolve``: how each fact changes the state. Total over the closed union of facts; holds no decision of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from eucora.domain import evolve_approval
from eucora.domain import facts as f
from eucora.domain.changes import because, in_ring, on_plane, on_planes, reviews_ended
from eucora.domain.gates import Evaluation
from eucora.domain.state import (
    Hold,
    Incident,
    PlaneFailure,
    PlaneRun,
    PublishedObject,
    Reason,
    Rehearsal,
    RingRun,
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


def _created(state: RolloutState, fact: f.DeploymentCreated) -> RolloutState:
    msg = f"deployment {state.plan.deployment_id} was created already; a second DEPLOYMENT_CREATED at {fact.at}"
    raise ValueError(msg)


def _unchanged(state: RolloutState, _: f.Fact) -> RolloutState:
    return state


def _frozen(state: RolloutState, fact: f.MembershipFrozen) -> RolloutState:
    order = len(state.rings)
    planned = state.plan.rings[order]
    if fact.ring != planned.name or tuple(members.plane for members in fact.members) != planned.planes:
        msg = f"{fact.ring} was frozen on other planes than the plan's {planned.name}: {', '.join(planned.planes)}"
        raise ValueError(msg)
    ring = RingRun(
        name=fact.ring,
        order=order,
        frozen_at=fact.at,
        planes=tuple(PlaneRun(plane=members.plane, membership=members) for members in fact.members),
    )
    return replace(state, rings=(*state.rings, ring), freeze_failure=None)


def _ring_started(state: RolloutState, fact: f.RingStarted) -> RolloutState:
    order = {ring.name: ring.order for ring in state.rings}[fact.ring]
    approvals = tuple(
        replace(one, entered=(*one.entered, order)) if not one.ended and one.admits(order) else one
        for one in state.approvals
    )
    changed = replace(state, approvals=approvals)
    changed = in_ring(changed, fact.ring, lambda ring: replace(ring, started_at=fact.at))
    return because(changed, "ring_running", f"{fact.ring} is running", fact.at, DeploymentState.DEPLOYING)


def _published(state: RolloutState, fact: f.PlanePublished) -> RolloutState:
    published = PublishedObject(plane=fact.plane, object_id=fact.object_id)
    return on_plane(replace(state, objects=(*state.objects, published)), fact.ring, fact.plane, failure=None)


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
            soak_skipped=ring.soak_skipped and soaks,
        )

    changed = in_ring(state, fact.ring, change)
    if state.state is DeploymentState.AWAITING_CAB:
        return changed
    sentence = "; ".join(check.sentence for check in fact.checks if check.result is not GateResult.PASS)
    if not sentence:
        soaks_until = "" if fact.until is None else f" until {fact.until.isoformat()}"
        sentence = f"soaks{soaks_until}" if fact.result is GateResult.WAIT else "the gate is passed"
    sentence = f"{fact.ring}: {sentence}"
    return because(changed, f"gate_{fact.result.lower()}", sentence, fact.at)


def _retry(state: RolloutState, fact: f.RetryRequested) -> RolloutState:
    def change(run: PlaneRun) -> PlaneRun:
        if run.plane not in fact.planes:
            return run
        failed_rehearsal = run.rehearsal is not None and not run.rehearsal.succeeded
        failed_devices = run.figures is not None and run.figures.failed > 0
        failed_effect = run.failure is not None and run.failure.operation != "observe"
        return replace(
            run,
            revision=run.revision + 1 if failed_effect or failed_devices else run.revision,
            failure=None,
            rehearsal=None if failed_rehearsal else run.rehearsal,
            rehearsal_revision=run.rehearsal_revision + 1 if failed_rehearsal else run.rehearsal_revision,
        )

    changed = on_planes(state, fact.ring, change)
    return because(
        replace(changed, freeze_failure=None), "retrying", f"retry asked by {fact.actor}: {fact.why}", fact.at
    )


def _rehearsed(state: RolloutState, fact: f.RollbackRehearsed) -> RolloutState:
    rehearsal = Rehearsal(device=fact.device, succeeded=fact.succeeded, sentence=fact.sentence, at=fact.at)
    changed = on_plane(state, fact.ring, fact.plane, rehearsal=rehearsal)
    if fact.succeeded:
        return changed
    sentence = f"{fact.ring} on {fact.plane}: the rollback could not be rehearsed: {fact.sentence}"
    return because(changed, "rehearsal_failed", sentence, fact.at)


def _held(state: RolloutState, fact: f.DeploymentHeld) -> RolloutState:
    hold = Hold(kind=fact.kind, who=fact.actor, why=fact.why, since=fact.at, reference=fact.reference)
    others = tuple(one for one in state.holds if (one.kind, one.reference) != (fact.kind, fact.reference))
    return replace(state, holds=(*others, hold))


def _released(state: RolloutState, fact: f.DeploymentReleased) -> RolloutState:
    holds = tuple(one for one in state.holds if (one.kind, one.reference) != (fact.kind, fact.reference))
    adopted = fact.actor if fact.kind is HoldKind.NEEDS_PUBLISHER else state.adopted_by
    return replace(state, holds=holds, adopted_by=adopted)


def _rollback(state: RolloutState, fact: f.RollbackInitiated) -> RolloutState:
    before = state.rollback
    rollback = Rollback(
        code=fact.code if before is None else before.code,
        why=fact.why if before is None else before.why,
        outcome=fact.outcome,
        automatic=fact.automatic,
        started_at=fact.at if before is None else before.started_at,
        revision=fact.revision,
    )
    rings = tuple(
        replace(ring, planes=tuple(replace(run, rollback_failure="") for run in ring.planes)) for ring in state.rings
    )
    changed = replace(reviews_ended(state), rollback=rollback, rings=rings)
    return because(changed, "rolling_back", fact.why, fact.at, DeploymentState.DEPLOYING)


def _rollback_failed(state: RolloutState, fact: f.RollbackFailed) -> RolloutState:
    if state.rollback is None or fact.revision < state.rollback.revision:
        return state  # an attempt that somebody asked to repeat meanwhile
    changed = on_plane(state, fact.ring, fact.plane, rollback_failure=fact.sentence)
    sentence = f"{fact.ring} on {fact.plane}: {fact.sentence}"
    return because(changed, "rollback_failed", sentence, fact.at, DeploymentState.DEPLOYING)


def _rollback_completed(state: RolloutState, fact: f.RollbackCompleted) -> RolloutState:
    if state.rollback is None:
        msg = "ROLLBACK_COMPLETED without a rollback"
        raise ValueError(msg)
    changed = replace(state, rollback=replace(state.rollback, completed_at=fact.at))
    if state.rollback.outcome is not DeploymentState.ROLLED_BACK:
        return changed
    return because(changed, state.rollback.code, state.rollback.why, fact.at, DeploymentState.ROLLED_BACK)


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


def _connector_error(state: RolloutState, fact: f.ConnectorError) -> RolloutState:
    sentence = f"{fact.ring} on {fact.plane}: {fact.operation} refused: {fact.sentence}"
    changed = because(state, "connector_error", sentence, fact.at)
    if fact.error_class is ErrorClass.TRANSIENT:
        return changed
    failure = PlaneFailure(operation=fact.operation, code=fact.code, sentence=fact.sentence)
    if all(ring.name != fact.ring for ring in state.rings):
        return replace(changed, freeze_failure=failure)
    return on_plane(changed, fact.ring, fact.plane, failure=failure)


_FOLDS: dict[type, Callable[[RolloutState, Any], RolloutState]] = {
    **evolve_approval.FOLDS,
    f.DeploymentCreated: _created,
    f.CabSubmitted: _unchanged,
    f.CabVoteRefused: _unchanged,
    f.DeploymentStarted: lambda s, x: because(s, "started", "the rollout has started", x.at, DeploymentState.DEPLOYING),
    f.MembershipFrozen: _frozen,
    f.RingStarted: _ring_started,
    f.PlanePublished: _published,
    f.PlaneAssigned: lambda s, x: on_plane(
        s, x.ring, x.plane, assignment_id=x.assignment_id, assigned_revision=x.revision, failure=None
    ),
    f.PlaneObserved: lambda s, x: on_plane(s, x.ring, x.plane, figures=x.figures, observed_at=x.at),
    f.SoakStarted: lambda s, x: in_ring(s, x.ring, lambda ring: replace(ring, soak_since=x.at, soak_until=x.until)),
    f.SoakSkipped: lambda s, x: in_ring(s, x.ring, lambda ring: replace(ring, soak_skipped=True)),
    f.GateEvaluated: _gate,
    f.RingPromoted: lambda s, x: because(
        in_ring(s, x.ring, lambda ring: replace(ring, promoted_at=x.at)),
        "promoted",
        f"{x.ring} passed its gate; {x.to_ring} is next",
        x.at,
        DeploymentState.DEPLOYING,
    ),
    f.PromotionForced: lambda s, x: in_ring(s, x.ring, lambda ring: replace(ring, soak_skipped=True)),
    f.RetryRequested: _retry,
    f.RollbackRehearsed: _rehearsed,
    f.DeploymentHeld: _held,
    f.DeploymentReleased: _released,
    f.ControlRefused: _unchanged,
    f.AccessDenied: lambda s, x: replace(s, denied=s.denied + x.count),
    f.DeploymentCompleted: lambda s, x: because(
        s, "completed", "every ring passed its gate", x.at, DeploymentState.COMPLETED
    ),
    f.DeploymentFailed: lambda s, x: replace(
        reviews_ended(s),
        state=move(s.state, DeploymentState.FAILED),
        reason=Reason(code=x.code, sentence=x.sentence, since=x.at, field=x.field),
    ),
    f.DeploymentRejected: lambda s, x: replace(
        reviews_ended(s),
        state=move(s.state, DeploymentState.REJECTED),
        reason=Reason(code=x.code, sentence=x.sentence, since=x.at, field=x.field, holder=x.holder),
    ),
    f.DeploymentCancelled: lambda s, x: because(
        reviews_ended(s), "cancelled", f"cancelled by {x.actor}: {x.why}", x.at, DeploymentState.CANCELLED
    ),
    f.RollbackInitiated: _rollback,
    f.PlaneRolledBack: lambda s, x: on_plane(s, x.ring, x.plane, rolled_back=True, rollback_failure=""),
    f.RollbackCompleted: _rollback_completed,
    f.RollbackFailed: _rollback_failed,
    f.IncidentOpened: _incident,
    f.IncidentResolved: _incident_resolved,
    f.ConnectorError: _connector_error,
    f.TrustChanged: lambda s, x: replace(s, trusted_keys=x.trusted_keys),
}
