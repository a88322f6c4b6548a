"""``judge``: what a message from a person or a system comes to. Pure; every refusal has a code and a sentence.

The sender was verified before (``eucora.signing``); here are the rules of roles, scope, separation of duties and state
(``domain.md`` §1, §4, §7, §9). A message is idempotent by its id: one that was judged already changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.settle import open_review, review_due, sealed_for
from eucora.domain.standing import evaluate
from eucora.domain.state import RolloutState
from eucora.domain.verdicts import Judgement, Refusal, Verdict
from eucora.domain.vocabulary import DeploymentState, GateResult, HoldKind, IncidentSeverity, Role
from eucora.domain.votes import revoke, vote

__all__ = ["ALLOWED", "Judgement", "Refusal", "judge"]


ALLOWED: dict[type, tuple[Role, ...]] = {
    m.CabVote: (Role.CAB_MEMBER,),
    m.RevokeApproval: (Role.CAB_MEMBER,),
    m.HoldRollout: (Role.PUBLISHER, Role.ENDPOINT_OPS),
    m.ReleaseRollout: (Role.PUBLISHER, Role.ENDPOINT_OPS),
    m.AdoptRollout: (Role.PUBLISHER,),
    m.PromoteNow: (Role.PUBLISHER,),
    m.RetryFailed: (Role.ENDPOINT_OPS,),
    m.SkipSoak: (Role.PUBLISHER,),
    m.RollBackRollout: (Role.PUBLISHER, Role.ENDPOINT_OPS),
    m.CancelRollout: (Role.PUBLISHER,),
    m.OpenReview: (Role.PACKAGING_ENGINEER, Role.PUBLISHER),
    m.IncidentChanged: (Role.SYSTEM,),
    m.ExceptionChanged: (Role.SYSTEM,),
    m.LineChanged: (Role.SYSTEM,),
    m.TrustChange: (Role.SYSTEM,),
}
"""Who may send what (``domain.md`` §9). ``system`` is the API itself, for changes that it recorded in their own
streams.
"""


def judge(state: RolloutState, message: m.Message, sender: m.Sender, now: datetime) -> Judgement:
    """Judge one message from a verified sender at ``now``. A message id that was judged before yields no facts."""
    if sender.message_id in state.seen:
        return Judgement(facts=())
    verdict: Verdict = _entitled(state, message, sender) or _RULES[type(message)](state, message, sender, now)
    if isinstance(verdict, Refusal):
        return Judgement(facts=(_refused(message, sender, verdict, now),), refusal=verdict)
    return Judgement(facts=verdict)


def _entitled(state: RolloutState, message: m.Message, sender: m.Sender) -> Refusal | None:
    roles = ALLOWED[type(message)]
    if not sender.has(*roles):
        return Refusal(code="role_missing", sentence=f"{message.type} needs the role {' or '.join(roles)}")
    if not sender.scope.covers(state.plan.scope):
        return Refusal(code="out_of_scope", sentence=f"{sender.actor} has no {' or '.join(roles)} role in this scope")
    if state.final and not isinstance(message, m.CabVote):
        return Refusal(
            code="deployment_final", sentence=f"the deployment is {state.state}; nothing changes it any more"
        )
    return None


def _refused(message: m.Message, sender: m.Sender, refusal: Refusal, now: datetime) -> f.Fact:
    role = sender.roles[0] if sender.roles else ""
    if isinstance(message, m.CabVote):
        return f.CabVoteRefused(
            at=now, actor=sender.actor, role=role, checkpoint=message.checkpoint, decision=message.decision,
            code=refusal.code, sentence=refusal.sentence, message_id=sender.message_id,
        )  # fmt: skip
    return f.ControlRefused(
        at=now, actor=sender.actor, role=role, control=message.type, code=refusal.code, sentence=refusal.sentence,
        message_id=sender.message_id,
    )  # fmt: skip


def _role(sender: m.Sender, message: m.Message) -> str:
    return next((role for role in ALLOWED[type(message)] if role in sender.roles), "")


def _hold(state: RolloutState, message: m.HoldRollout, sender: m.Sender, now: datetime) -> Verdict:
    if any(hold.kind is HoldKind.OPERATOR for hold in state.holds):
        return Refusal(code="already_held", sentence="an operator holds this deployment already")
    return (
        f.DeploymentHeld(
            at=now, actor=sender.actor, role=_role(sender, message), kind=HoldKind.OPERATOR, why=message.why,
            message_id=sender.message_id,
        ),
    )  # fmt: skip


def _release(state: RolloutState, message: m.ReleaseRollout, sender: m.Sender, now: datetime) -> Verdict:
    if not any(hold.kind is HoldKind.OPERATOR for hold in state.holds):
        others = ", ".join(hold.kind for hold in state.holds) or "nothing"
        return Refusal(code="not_held", sentence=f"no operator holds this deployment; held by: {others}")
    return (
        f.DeploymentReleased(
            at=now, actor=sender.actor, role=_role(sender, message), kind=HoldKind.OPERATOR, why=message.why,
            message_id=sender.message_id,
        ),
    )  # fmt: skip


def _adopt(state: RolloutState, message: m.AdoptRollout, sender: m.Sender, now: datetime) -> Verdict:
    if Role.PUBLISHER in state.plan.requester_roles or state.adopted_by:
        owner = state.adopted_by or state.plan.requester
        return Refusal(code="already_published", sentence=f"{owner} is this deployment's publisher already")
    if sender.actor == state.plan.requester:
        return Refusal(code="separation_of_duties", sentence="who submitted the deployment cannot adopt it")
    refusal = _publishes_alone(state, sender)
    if refusal is not None:
        return refusal
    return (
        f.DeploymentReleased(
            at=now, actor=sender.actor, role=Role.PUBLISHER, kind=HoldKind.NEEDS_PUBLISHER,
            why=message.why or "adopted", message_id=sender.message_id,
        ),
    )  # fmt: skip


def _publishes_alone(state: RolloutState, sender: m.Sender) -> Refusal | None:
    """Packaging, publishing and approval are three people's (``domain.md`` §1, §9): refuse who has done another of
    them.
    """
    if sender.actor == state.plan.author:
        return Refusal(code="separation_of_duties", sentence="who made the package cannot publish it")
    voted = any(one.voter == sender.actor for review in state.reviews for one in review.votes)
    if voted or any(sender.actor in one.approvers for one in state.approvals):
        return Refusal(code="separation_of_duties", sentence="who voted on this deployment cannot publish it")
    return None


def _skippable(state: RolloutState, now: datetime) -> tuple[str, Refusal | None]:
    """Return the running ring's name, or why its soak cannot be ended: never past a check that has not passed."""
    ring = state.ring
    if state.rollback is not None:
        return "", Refusal(code="rolling_back", sentence="the deployment is being rolled back")
    if ring is None or ring.started_at is None or ring.promoted_at is not None:
        return "", Refusal(code="no_ring_running", sentence="no ring is running")
    found = evaluate(state, ring, now)
    missing = [check for check in found.checks if check.result is not GateResult.PASS]
    if missing:
        sentences = "; ".join(check.sentence for check in missing)
        return "", Refusal(code="gate_not_passed", sentence=f"the gate of {ring.name} has not passed: {sentences}")
    if found.result is GateResult.PASS:
        return "", Refusal(code="no_soak_left", sentence=f"the gate of {ring.name} has passed; there is no soak to end")
    return ring.name, None


def _promote(state: RolloutState, message: m.PromoteNow, sender: m.Sender, now: datetime) -> Verdict:
    if state.holds:
        kinds = ", ".join(hold.kind for hold in state.holds)
        return Refusal(code="held", sentence=f"the deployment is held ({kinds}); release it first")
    ring, refusal = _skippable(state, now)
    refusal = _publishes_alone(state, sender) or refusal
    if refusal is not None:
        return refusal
    return (
        f.PromotionForced(
            at=now, actor=sender.actor, role=Role.PUBLISHER, ring=ring, why=message.why, message_id=sender.message_id
        ),
    )


def _skip_soak(state: RolloutState, message: m.SkipSoak, sender: m.Sender, now: datetime) -> Verdict:
    refusal = _publishes_alone(state, sender)
    if refusal is not None:
        return refusal
    ring = state.ring
    if state.rollback is None and ring is not None and ring.started_at is not None and ring.promoted_at is None:
        if ring.soak_until is None or ring.soak_skipped or now >= ring.soak_until:
            return Refusal(code="no_soak_left", sentence=f"{ring.name} is not soaking")
        return (
            f.SoakSkipped(
                at=now, actor=sender.actor, role=Role.PUBLISHER, ring=ring.name, why=message.why,
                message_id=sender.message_id,
            ),
        )  # fmt: skip
    return Refusal(code="no_ring_running", sentence="no ring is running")


def _retry(state: RolloutState, message: m.RetryFailed, sender: m.Sender, now: datetime) -> Verdict:
    ring = state.ring
    if state.rollback is not None:
        return Refusal(
            code="rolling_back", sentence="the deployment is being rolled back; use roll_back to try that again"
        )
    if state.freeze_failure is not None:
        name = state.plan.rings[0 if ring is None else ring.order + 1].name
        planes: tuple[str, ...] = ()
    else:
        if ring is None or ring.started_at is None or ring.promoted_at is not None:
            return Refusal(code="no_ring_running", sentence="no ring is running")
        unknown = sorted(set(message.planes) - {run.plane for run in ring.planes})
        if unknown:
            return Refusal(code="plane_unknown", sentence=f"{ring.name} does not use {', '.join(unknown)}")
        name = ring.name
        planes = tuple(
            run.plane
            for run in ring.planes
            if (not message.planes or run.plane in message.planes)
            and (
                run.failure is not None
                or (run.figures is not None and run.figures.failed > 0)
                or (run.rehearsal is not None and not run.rehearsal.succeeded)
            )
        )
        if not planes:
            return Refusal(code="nothing_failed", sentence=f"nothing has failed in {ring.name}")
    return (
        f.RetryRequested(
            at=now, actor=sender.actor, role=Role.ENDPOINT_OPS, ring=name, planes=planes, why=message.why,
            message_id=sender.message_id,
        ),
    )  # fmt: skip


def _roll_back(state: RolloutState, message: m.RollBackRollout, sender: m.Sender, now: datetime) -> Verdict:
    if not state.touched and state.state is not DeploymentState.DEPLOYING:
        return Refusal(code="nothing_to_roll_back", sentence="no device was touched yet: use cancel")
    before = state.rollback
    if before is None:
        outcome, revision = DeploymentState.ROLLED_BACK, 1
    else:
        failed = any(run.rollback_failure for ring in state.rings for run in ring.planes)
        waits = before.automatic and any(hold.kind is HoldKind.LINE_STOP for hold in state.holds)
        if not failed and not waits:
            return Refusal(code="rolling_back", sentence="a rollback is under way already")
        outcome, revision = before.outcome, before.revision + 1
    return (
        f.RollbackInitiated(
            at=now, actor=sender.actor, role=_role(sender, message), code="operator", why=message.why, outcome=outcome,
            automatic=False, revision=revision, message_id=sender.message_id,
        ),
    )  # fmt: skip


def _cancel(state: RolloutState, message: m.CancelRollout, sender: m.Sender, now: datetime) -> Verdict:
    if state.touched or state.state is DeploymentState.DEPLOYING:
        return Refusal(code="too_late_to_cancel", sentence="the rollout has started: use roll_back")
    return (
        f.DeploymentCancelled(
            at=now, actor=sender.actor, role=Role.PUBLISHER, why=message.why, message_id=sender.message_id
        ),
    )


def _open_review(state: RolloutState, message: m.OpenReview, sender: m.Sender, now: datetime) -> Verdict:
    role = _role(sender, message)
    standing = state.open_review
    if standing is not None:
        return (
            f.CabSubmitted(
                at=now, actor=sender.actor, role=role, checkpoint=standing.checkpoint, message_id=sender.message_id
            ),
        )
    due = review_due(state, now)
    if due is None:
        return Refusal(code="no_review_due", sentence="no approval is needed now")
    checkpoint, covers = due
    if not sealed_for(state, checkpoint):
        return Refusal(code="evidence_not_sealed", sentence="the pack for this checkpoint is being sealed; ask again")
    before = state.review(checkpoint)
    round_ = 1 if before is None else before.round + 1
    return (
        f.CabSubmitted(at=now, actor=sender.actor, role=role, checkpoint=checkpoint, message_id=sender.message_id),
        open_review(state, checkpoint, covers, round_, now),
    )


def _incident(state: RolloutState, message: m.IncidentChanged, sender: m.Sender, now: datetime) -> Verdict:
    known = any(one.incident_id == message.incident_id for one in state.incidents)
    common: dict[str, Any] = {"at": now, "actor": sender.actor, "role": Role.SYSTEM, "message_id": sender.message_id}
    if message.resolution is None:
        return (
            f.IncidentOpened(
                incident_id=message.incident_id,
                severity=IncidentSeverity(message.severity),
                attributed=message.attributed,
                **common,
            ),
        )
    if not known:
        return Refusal(code="incident_unknown", sentence=f"incident {message.incident_id} was never opened here")
    return (
        f.IncidentResolved(
            incident_id=message.incident_id, resolution=message.resolution, attributed=message.attributed, **common
        ),
    )


def _exception(state: RolloutState, message: m.ExceptionChanged, sender: m.Sender, now: datetime) -> Verdict:
    common: dict[str, Any] = {"at": now, "actor": sender.actor, "role": Role.SYSTEM, "message_id": sender.message_id}
    known = next((one for one in state.exceptions if one.exception_id == message.exception_id), None)
    if message.revoked:
        if known is None:
            return Refusal(code="exception_unknown", sentence=f"exception {message.exception_id} is not used here")
        return () if known.ended == "revoked" else (f.ExceptionRevoked(exception_id=known.exception_id, **common),)
    if known is not None and message.revision <= known.revision:
        told = (message.revision, message.kind, message.expires_at, message.subject)
        if told == (known.revision, known.kind, known.expires_at, known.subject) and not known.ended:
            return ()
        sentence = (
            f"exception {known.exception_id} is known here at revision {known.revision}: a change has a higher one"
        )
        return Refusal(code="exception_stale", sentence=sentence)
    if message.expires_at <= now:
        return Refusal(code="exception_expired", sentence=f"exception {message.exception_id} has expired")
    approved = f.ExceptionApproved(
        exception_id=message.exception_id, kind=message.kind, revision=message.revision, expires_at=message.expires_at,
        subject=message.subject, **common,
    )  # fmt: skip
    released = tuple(
        f.DeploymentReleased(
            at=now, kind=hold.kind, reference=hold.reference, why=f"{message.exception_id} was approved"
        )
        for hold in state.holds
        if hold.kind is HoldKind.EXCEPTION_ENDED and hold.reference == message.exception_id
    )
    return (approved, *released)


def _line(state: RolloutState, message: m.LineChanged, sender: m.Sender, now: datetime) -> Verdict:
    common: dict[str, Any] = {
        "at": now, "actor": sender.actor, "role": Role.SYSTEM, "kind": HoldKind.LINE_STOP, "why": message.why,
        "reference": message.line_stop_id, "message_id": sender.message_id,
    }  # fmt: skip
    held = any(hold.kind is HoldKind.LINE_STOP and hold.reference == message.line_stop_id for hold in state.holds)
    if message.stopped:
        return () if held else (f.DeploymentHeld(**common),)
    return (f.DeploymentReleased(**common),) if held else ()


def _trust(_: RolloutState, message: m.TrustChange, sender: m.Sender, now: datetime) -> Verdict:
    if not message.trusted_keys:
        return Refusal(code="no_key_left", sentence="a deployment that trusts no key could never be told anything")
    return (
        f.TrustChanged(
            at=now,
            actor=sender.actor,
            role=Role.SYSTEM,
            trusted_keys=message.trusted_keys,
            message_id=sender.message_id,
        ),
    )


_RULES: dict[type, Callable[[RolloutState, Any, m.Sender, datetime], Verdict]] = {
    m.CabVote: vote,
    m.RevokeApproval: revoke,
    m.HoldRollout: _hold,
    m.ReleaseRollout: _release,
    m.AdoptRollout: _adopt,
    m.PromoteNow: _promote,
    m.RetryFailed: _retry,
    m.SkipSoak: _skip_soak,
    m.RollBackRollout: _roll_back,
    m.CancelRollout: _cancel,
    m.OpenReview: _open_review,
    m.IncidentChanged: _incident,
    m.ExceptionChanged: _exception,
    m.LineChanged: _line,
    m.TrustChange: _trust,
}
