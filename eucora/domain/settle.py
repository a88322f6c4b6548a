"""The facts that are due now: every decision that needs nothing from the world but the time.

Each rule looks at the state and returns the facts it wants recorded, or none. ``settle`` returns those of the first
rule that wants any; folding them and settling again until nothing is due is the whole decision. A rule never returns
a fact twice, because each of its facts makes its own condition false.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from eucora.domain import facts as f
from eucora.domain.approval import Covers, strictest
from eucora.domain.standing import (
    approval_standing,
    checkpoint_of,
    evaluate,
    forward_allowed,
    has_hold,
    measured,
    needs_publisher,
    next_order,
    soak_over,
    soak_seconds,
)
from eucora.domain.state import Review, RingRun, RolloutState
from eucora.domain.vocabulary import (
    ApprovalTier,
    CabDecision,
    DeploymentState,
    GateResult,
    HoldKind,
    IncidentSeverity,
)

Facts = tuple[f.Fact, ...]
NONE: Facts = ()


def settle(state: RolloutState, now: datetime) -> Facts:
    """Return the facts that are due at ``now``; none when the deployment is final or has nothing to say."""
    if state.final:
        return NONE
    for rule in RULES:
        found = rule(state, now)
        if found:
            return found
    return NONE


def _exceptions_end(state: RolloutState, now: datetime) -> Facts:
    """An exception that ran out stops promotion, and the hold names it (``domain.md`` §5)."""
    for one in state.exceptions:
        if not one.ended and now >= one.expires_at:
            return (f.ExceptionExpired(at=now, exception_id=one.exception_id),)
        if one.ended and not has_hold(state, HoldKind.EXCEPTION_ENDED, one.exception_id):
            why = f"exception {one.exception_id} ({one.kind}) has {one.ended}"
            return (f.DeploymentHeld(at=now, kind=HoldKind.EXCEPTION_ENDED, why=why, reference=one.exception_id),)
    return NONE


def _incidents(state: RolloutState, now: datetime) -> Facts:
    """P1 rolls back, P2 holds until resolved (``domain.md`` §7)."""
    for one in state.incidents:
        if one.severity is IncidentSeverity.P1 and one.resolution is None and state.rollback is None and state.touched:
            return (_initiate(now, "incident_p1", f"incident {one.incident_id} (P1)"),)
        halts = one.resolution is None and one.severity in (IncidentSeverity.P1, IncidentSeverity.P2)
        held = has_hold(state, HoldKind.INCIDENT, one.incident_id)
        if halts and not held:
            why = f"incident {one.incident_id} ({one.severity}) is open"
            return (f.DeploymentHeld(at=now, kind=HoldKind.INCIDENT, why=why, reference=one.incident_id),)
        if held and not halts:
            ended = f"is resolved: {one.resolution}" if one.resolution is not None else f"is {one.severity} now"
            why = f"incident {one.incident_id} {ended}"
            return (f.DeploymentReleased(at=now, kind=HoldKind.INCIDENT, why=why, reference=one.incident_id),)
    return NONE


def _initiate(
    now: datetime, code: str, why: str, outcome: DeploymentState = DeploymentState.ROLLED_BACK
) -> f.RollbackInitiated:
    return f.RollbackInitiated(at=now, code=code, why=why, outcome=outcome, automatic=True)


def _rollback_ends(state: RolloutState, now: datetime) -> Facts:
    """A rollback is complete when every plane that carried the release was verified clean."""
    rollback = state.rollback
    if rollback is None:
        return NONE
    if rollback.completed_at is not None:
        return (f.DeploymentRejected(at=now, code=rollback.code, sentence=rollback.why),)
    left = [
        run
        for ring in state.rings
        if ring.started_at is not None
        for run in ring.planes
        if state.object_id(run.plane) and not run.rolled_back
    ]
    return NONE if left else (f.RollbackCompleted(at=now),)


def _votes(state: RolloutState, now: datetime) -> Facts:
    """One reject ends the review; a quorum of distinct approvers brings the approval into force (``domain.md`` §4)."""
    review = state.open_review
    if review is None or not review.votes or state.rollback is not None:
        return NONE
    for vote in review.votes:
        if vote.decision is CabDecision.REJECTED:
            comment = vote.comment or "no comment"
            return (f.CabRejected(at=now, checkpoint=review.checkpoint, rejected_by=vote.voter, comment=comment),)
    approvers = tuple(dict.fromkeys(vote.voter for vote in review.votes))
    if len(approvers) < review.quorum:
        return NONE
    return (_approval(state, review, approvers, now),)


def _approval(
    state: RolloutState, review: Review, approvers: tuple[str, ...], now: datetime
) -> f.CabApproved | f.CabConditional:
    conditions = strictest(vote.conditions for vote in review.votes)
    binding = state.binding
    assert binding is not None, "a review opens only after evidence and risk are known"  # noqa: S101 - invariant
    expires_at = now + timedelta(seconds=state.plan.review.approval_valid)
    if conditions.not_after is not None:
        expires_at = min(expires_at, conditions.not_after)
    if conditions.empty:
        return f.CabApproved(
            at=now, checkpoint=review.checkpoint, covers=review.covers, approvers=approvers, binding=binding,
            expires_at=expires_at,
        )  # fmt: skip
    return f.CabConditional(
        at=now, checkpoint=review.checkpoint, covers=review.covers, approvers=approvers, binding=binding,
        expires_at=expires_at, conditions=conditions,
    )  # fmt: skip


def _review_clock(state: RolloutState, now: datetime) -> Facts:
    """Reminder at half, escalation and lapse at the end; silence never approves."""
    review = state.open_review
    if review is None:
        return NONE
    if now >= review.due_at:
        return (
            f.ReviewEscalated(at=now, checkpoint=review.checkpoint),
            f.ReviewLapsed(at=now, checkpoint=review.checkpoint),
        )
    if now >= review.remind_at and not review.reminded:
        return (f.ReviewReminded(at=now, checkpoint=review.checkpoint),)
    return NONE


def _rejected(state: RolloutState, now: datetime) -> Facts:
    """A rejection ends the deployment; what LAB carries is taken back first (``domain.md`` §1)."""
    if state.rollback is not None or all(review.status != "rejected" for review in state.reviews):
        return NONE
    why = state.reason.sentence
    if state.touched:
        return (_initiate(now, "cab_rejected", why, DeploymentState.REJECTED),)
    return (f.DeploymentRejected(at=now, code="cab_rejected", sentence=why),)


def _approvals_end(state: RolloutState, now: datetime) -> Facts:
    """An approval whose binding changed is void, one past its time expires; a revoked one in use rolls back."""
    if state.rollback is not None or not state.approvals:
        return NONE
    order = next_order(state)
    for one in state.approvals:
        if one.ended == "revoked" and one.entered:
            return (_initiate(now, "approval_revoked", "the approval under which a ring was entered was revoked"),)
        if one.ended or one.automated or one.reach < order:
            continue
        current = state.binding
        difference = () if current is None else one.binding.difference(current)
        if difference:
            return (f.ApprovalVoided(at=now, checkpoint=one.checkpoint, difference=difference),)
        if now >= one.expires_at:
            return (f.ApprovalExpired(at=now, checkpoint=one.checkpoint),)
    return NONE


def _automated(state: RolloutState, now: datetime) -> Facts:
    """The automated tier is the system's decision, and is recorded as one (``domain.md`` §4)."""
    if state.approvals or state.risk is None or state.risk.tier is not ApprovalTier.AUTOMATED:
        return NONE
    binding = state.binding
    assert binding is not None, "risk is assessed on sealed evidence"  # noqa: S101 - invariant
    return (
        f.CabApproved(
            at=now, checkpoint=0, covers=Covers(first=0, last=state.plan.last), approvers=("eucora",), binding=binding,
            expires_at=now + timedelta(seconds=state.plan.review.approval_valid), automated=True,
        ),
    )  # fmt: skip


def _start(state: RolloutState, now: datetime) -> Facts:
    """The rollout starts once evidence and risk are known, nothing holds it, and the first ring may be entered."""
    if state.rings or state.state is DeploymentState.DEPLOYING or state.risk is None or not forward_allowed(state):
        return NONE
    return (f.DeploymentStarted(at=now),) if approval_standing(state, 0, now).permits else NONE


def _review_opens(state: RolloutState, now: datetime) -> Facts:
    """A review opens on the pack sealed for its checkpoint, once everything but people has passed."""
    due = review_due(state, now)
    if due is None or not sealed_for(state, due[0]) or state.evidence is None:
        return NONE
    checkpoint, covers = due
    before = state.review(checkpoint)
    if before is not None and before.status != "ended":
        return NONE
    return (open_review(state, checkpoint, covers, 1 if before is None else before.round + 1, now),)


def open_review(state: RolloutState, checkpoint: int, covers: Covers, round_: int, now: datetime) -> f.ReviewOpened:
    """Build the fact that opens a review of the pack in force."""
    assert state.evidence is not None, "a review is of sealed evidence"  # noqa: S101 - invariant
    window = state.plan.review.window
    return f.ReviewOpened(
        at=now, checkpoint=checkpoint, covers=covers, round=round_, pack_digest=state.evidence.pack_digest,
        quorum=state.plan.quorum, remind_at=now + timedelta(seconds=window / 2), due_at=now + timedelta(seconds=window),
    )  # fmt: skip


def sealed_for(state: RolloutState, checkpoint: int) -> bool:
    """Tell whether the pack in force was sealed for this checkpoint; before the first ring the submitted one is."""
    return state.evidence is not None and checkpoint in (0, state.evidence.checkpoint)


def review_due(state: RolloutState, now: datetime) -> tuple[int, Covers] | None:
    """Return checkpoint and coverage of the review that stands between the rollout and its next ring, or None.

    The planned checkpoint is used once; where its approval does not reach (``max_ring``), the ring itself becomes
    one. Asked when nothing is due: then the running ring's gate, as it was last recorded, is its gate now.
    """
    if state.rollback is not None or state.risk is None or not state.checkpoints:
        return None
    order = next_order(state)
    planned = checkpoint_of(state, order)
    if planned is None or order > state.plan.last:
        return None
    running = _running(state)
    if running is not None and not _decided(running, now):
        return None
    following = approval_standing(state, order, now)
    if following.permits or following.waits_until is not None:
        return None
    before = state.review(planned.before)
    checkpoint = order if before is not None and before.status == "approved" else planned.before
    return checkpoint, Covers(first=order, last=planned.until)


def _decided(ring: RingRun, now: datetime) -> bool:
    """Tell whether all but approval has passed, the soak included."""
    return ring.gate is not None and measured(ring.gate) and soak_over(ring, now)


def _ring_starts(state: RolloutState, now: datetime) -> Facts:
    """A ring starts on its frozen membership, unless a hold came in between or the approval went."""
    ring = state.ring
    if ring is None or ring.started_at is not None or not forward_allowed(state):
        return NONE
    return (f.RingStarted(at=now, ring=ring.name),) if approval_standing(state, ring.order, now).permits else NONE


def _planes_refused(state: RolloutState, now: datetime) -> Facts:
    """When no plane of the ring takes the release: FAILED before any effect on a device, rollback after one.

    An approved deployment that has yet to start is told when it does: before that there is no edge to FAILED
    (``domain.md`` §1).
    """
    ring = state.ring
    if state.rollback is not None or (ring is None and state.freeze_failure is None):
        return NONE
    refused = None if ring is None or any(run.failure is None for run in ring.planes) else ring.planes[0].failure
    failure = refused or state.freeze_failure
    if failure is None:
        return NONE
    if any(run.assigned_revision for other in state.rings for run in other.planes):
        if refused is None:
            return NONE
        return (_initiate(now, "connector_error", f"every plane has refused for good: {failure.sentence}"),)
    if state.state in (DeploymentState.PENDING, DeploymentState.APPROVED):
        return NONE
    return (f.DeploymentFailed(at=now, code=failure.code, sentence=failure.sentence),)


def _running(state: RolloutState) -> RingRun | None:
    ring = state.ring
    if ring is None or ring.started_at is None or ring.promoted_at is not None or state.rollback is not None:
        return None
    return ring


def _gate(state: RolloutState, now: datetime) -> Facts:
    """A gate's evaluation is a fact whenever its standing changes; before anything is known only a breach is one.

    Soak starts when the success check first passes; falling below ends it, see ``GATE_EVALUATED`` in ``evolve``.
    """
    ring = _running(state)
    if ring is None:
        return NONE
    found = evaluate(state, ring, now)
    if ring.soak_since is None and found.check("success_rate").result is GateResult.PASS:
        return (f.SoakStarted(at=now, ring=ring.name, until=now + timedelta(seconds=soak_seconds(state, ring))),)
    if ring.gate is not None and ring.gate.outline == found.outline:
        return NONE
    if ring.gate is None and found.result is GateResult.WAIT and all(run.figures is None for run in ring.planes):
        return NONE
    return (f.GateEvaluated(at=now, ring=ring.name, result=found.result, checks=found.checks, until=found.until),)


def _after_gate(state: RolloutState, now: datetime) -> Facts:
    """A breach rolls back, a pass promotes or completes; a hold stops promotion, never a rollback."""
    ring = _running(state)
    if ring is None or ring.gate is None:
        return NONE
    if ring.gate.result is GateResult.BREACH:
        broken = "; ".join(check.sentence for check in ring.gate.checks if check.result is GateResult.BREACH)
        return (_initiate(now, "gate_breach", f"{ring.name} breached its gate: {broken}"),)
    last = ring.order == state.plan.last
    if ring.order == 0 and not last and needs_publisher(state) and _decided(ring, now):
        if has_hold(state, HoldKind.NEEDS_PUBLISHER):
            return NONE
        why = f"created by {state.plan.requester}, who is no publisher: a publisher must adopt it"
        return (f.DeploymentHeld(at=now, kind=HoldKind.NEEDS_PUBLISHER, why=why),)
    if ring.gate.result is not GateResult.PASS or not forward_allowed(state):
        return NONE
    if last:
        return (f.DeploymentCompleted(at=now),)
    return (f.RingPromoted(at=now, ring=ring.name, to_ring=state.plan.rings[ring.order + 1].name),)


RULES: tuple[Callable[[RolloutState, datetime], Facts], ...] = (
    _rollback_ends,
    _rejected,
    _votes,
    _review_clock,
    _exceptions_end,
    _incidents,
    _approvals_end,
    _automated,
    _start,
    _planes_refused,
    _ring_starts,
    _gate,
    _after_gate,
    _review_opens,
)
"""In order of urgency: what takes back before what goes forward."""
