"""From the fold of a deployment's facts to the rows that people query. Pure: a state in, plain values out.

Nothing here decides; a row says what the state says. Live counts of a plane (``LIVE``) are not among them, because the
newest observation wins there, whether it came as a fact or as progress.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from eucora.domain.facts import CabVoted, CabVoteRefused, Fact
from eucora.domain.gates import Figures
from eucora.domain.plan import RingPlan
from eucora.domain.state import PlaneRun, RingRun, RolloutState
from models.messages.codec import fact_to_json, figures_to_json

__all__ = [
    "LIVE",
    "Row",
    "deployment_row",
    "hold_rows",
    "live_row",
    "plane_rows",
    "review_rows",
    "ring_rows",
    "vote_rows",
]

Row = dict[str, Any]
LIVE = ("succeeded", "failed", "in_progress", "unknown", "figures", "observed_at")


def deployment_row(state: RolloutState, *, last: Fact, state_json: str) -> Row:
    """The row of ``deployment``; ``last`` is the newest fact in ``state``, ``state_json`` its JSON text."""
    plan, risk, evidence, rollback = state.plan, state.risk, state.evidence, state.rollback
    return {
        "id": plan.deployment_id,
        "tenant": plan.scope.tenant,
        "correlation_id": plan.correlation_id,
        "kind": plan.kind.value,
        "application_id": plan.application.id,
        "application_name": plan.application.name,
        "application_version": plan.application.version,
        "application_vendor": plan.application.vendor,
        "application_category": plan.application.category,
        "business_unit": plan.scope.business_unit,
        "acquisition_boundary": plan.scope.acquisition_boundary,
        "site": plan.scope.site,
        "requester": plan.requester,
        "author": plan.author,
        "state": state.state.value,
        "reason_code": state.reason.code,
        "reason_sentence": state.reason.sentence,
        "reason_since": state.reason.since,
        "ring": state.ring.name if state.ring is not None else "",
        "target_ring": plan.rings[-1].name,
        "planes": list(plan.planes),
        "risk_score": risk.score if risk is not None else None,
        "risk_model": risk.model if risk is not None else "",
        "risk_model_version": risk.model_version if risk is not None else "",
        "tier": risk.tier.value if risk is not None else "",
        "blast_radius_class": plan.blast_radius_class.value,
        "quorum": plan.quorum,
        "pack_digest": evidence.pack_digest if evidence is not None else plan.pack_digest,
        "release_digest": evidence.release_digest if evidence is not None else "",
        "artifact_sha256": plan.artifact_sha256,
        "adopted_by": state.adopted_by,
        "rolling_back": rollback is not None and rollback.completed_at is None,
        "rollback_automatic": rollback is not None and rollback.automatic,
        "created_at": state.created_at,
        "updated_at": last.at,
        "sequence": state.sequence,
        "state_json": state_json,
    }


def ring_rows(state: RolloutState) -> dict[tuple[str, ...], Row]:
    """The rows of ``ring_run`` by ring: every ring of the plan, those not begun as ``planned``."""
    runs = {ring.name: ring for ring in state.rings}
    return {(ring.name,): _ring_row(state, ring, runs.get(ring.name)) for ring in state.plan.rings}


def plane_rows(state: RolloutState) -> dict[tuple[str, ...], Row]:
    """The rows of ``plane_run`` by ring and plane, without the live counts."""
    runs = {(ring.name, run.plane): run for ring in state.rings for run in ring.planes}
    sizes = {(one.ring, one.plane): one.devices for one in state.risk.cohorts} if state.risk is not None else {}
    return {
        (ring.name, plane): _plane_row(
            state, ring, plane, runs.get((ring.name, plane)), sizes.get((ring.name, plane), 0)
        )
        for ring in state.plan.rings
        for plane in ring.planes
    }


def hold_rows(state: RolloutState) -> dict[tuple[str, ...], Row]:
    """The rows of ``hold`` by kind and reference: the holds in force."""
    return {
        (hold.kind.value, hold.reference): {
            "deployment_id": state.plan.deployment_id,
            "kind": hold.kind.value,
            "reference": hold.reference,
            "tenant": state.plan.scope.tenant,
            "who": hold.who,
            "why": hold.why,
            "since": hold.since,
        }
        for hold in state.holds
    }


def review_rows(state: RolloutState) -> dict[tuple[str, ...], Row]:
    """The rows of ``cab_request`` by id."""
    plan = state.plan
    rows: dict[tuple[str, ...], Row] = {}
    for review in state.reviews:
        identity = f"{plan.deployment_id}.{review.checkpoint}"
        rows[(identity,)] = {
            "id": identity,
            "deployment_id": plan.deployment_id,
            "tenant": plan.scope.tenant,
            "checkpoint": review.checkpoint,
            "ring": plan.rings[review.checkpoint].name,
            "covers_first": review.covers.first,
            "covers_last": review.covers.last,
            "round": review.round,
            "status": review.status,
            "quorum": review.quorum,
            "pack_digest": review.pack_digest,
            "requester": plan.requester,
            "opened_at": review.opened_at,
            "remind_at": review.remind_at,
            "due_at": review.due_at,
            "reminded": review.reminded,
            "escalated": review.escalated,
        }
    return rows


def vote_rows(state: RolloutState, facts: Mapping[int, Fact]) -> Iterator[Row]:
    """The rows of ``cab_vote`` for the votes among ``facts``, which are given by sequence."""
    for sequence, fact in facts.items():
        if not isinstance(fact, CabVoted | CabVoteRefused):
            continue
        accepted = isinstance(fact, CabVoted)
        yield {
            "deployment_id": state.plan.deployment_id,
            "message_id": fact.message_id,
            "tenant": state.plan.scope.tenant,
            "checkpoint": fact.checkpoint,
            "round": fact.round if isinstance(fact, CabVoted) else None,
            "voter": fact.actor,
            "decision": fact.decision.value,
            "conditions": _json(fact_to_json(fact)["conditions"]) if accepted else None,
            "comment": fact.comment if isinstance(fact, CabVoted) else "",
            "outcome": "accepted" if accepted else "refused",
            "code": fact.code if isinstance(fact, CabVoteRefused) else "",
            "sentence": fact.sentence if isinstance(fact, CabVoteRefused) else "",
            "at": fact.at,
            "sequence": sequence,
        }


def live_row(figures: Figures) -> Row:
    """The live counts of ``plane_run`` but for their time."""
    return {
        "succeeded": figures.succeeded,
        "failed": figures.failed,
        "in_progress": sum(part.in_progress for part in figures.classes),
        "unknown": sum(part.unknown for part in figures.classes),
        "figures": _json(figures_to_json(figures)),
    }


def _ring_row(state: RolloutState, ring: RingPlan, run: RingRun | None) -> Row:
    gate = run.gate if run is not None else None
    return {
        "deployment_id": state.plan.deployment_id,
        "ring": ring.name,
        "tenant": state.plan.scope.tenant,
        "ring_order": ring.order,
        "status": _ring_status(run),
        "success_rate": float(ring.gate.success_rate),
        "frozen_at": run.frozen_at if run is not None else None,
        "started_at": run.started_at if run is not None else None,
        "soak_since": run.soak_since if run is not None else None,
        "soak_until": run.soak_until if run is not None else None,
        "soak_skipped": run is not None and run.soak_skipped,
        "gate_result": gate.result.value if gate is not None else "",
        "gate_checks": _json(
            [
                {
                    "name": check.name,
                    "threshold": check.threshold,
                    "actual": check.actual,
                    "result": check.result.value,
                    "sentence": check.sentence,
                }
                for check in (gate.checks if gate is not None else ())
            ]
        ),
        "gate_until": gate.until if gate is not None else None,
        "gate_at": run.gate_at if run is not None else None,
        "promoted_at": run.promoted_at if run is not None else None,
    }


def _ring_status(run: RingRun | None) -> str:
    if run is None:
        return "planned"
    if run.planes and all(one.rolled_back for one in run.planes):
        return "rolled_back"
    if run.promoted_at is not None:
        return "promoted"
    if run.soak_since is not None and run.soak_until != run.soak_since and not run.soak_skipped:
        return "soaking"
    return "frozen" if run.started_at is None else "running"


def _plane_row(state: RolloutState, ring: RingPlan, plane: str, run: PlaneRun | None, resolved: int) -> Row:
    failure = run.failure if run is not None else None
    rehearsal = run.rehearsal if run is not None else None
    return {
        "deployment_id": state.plan.deployment_id,
        "ring": ring.name,
        "plane": plane,
        "tenant": state.plan.scope.tenant,
        "ring_order": ring.order,
        "status": _plane_status(run),
        "targeted": run.membership.devices if run is not None else resolved,
        "membership_digest": run.membership.digest if run is not None else "",
        "object_id": state.object_id(plane) if run is not None else "",
        "assignment_id": run.assignment_id if run is not None else "",
        "revision": run.revision if run is not None else 1,
        "failure_operation": failure.operation if failure is not None else "",
        "failure_code": failure.code if failure is not None else "",
        "failure_sentence": failure.sentence if failure is not None else "",
        "rehearsed": rehearsal.succeeded if rehearsal is not None else None,
        "rehearsal_sentence": rehearsal.sentence if rehearsal is not None else "",
        "rollback_failure": run.rollback_failure if run is not None else "",
    }


def _plane_status(run: PlaneRun | None) -> str:
    if run is None:
        return "planned"
    if run.rolled_back:
        return "rolled_back"
    if run.rollback_failure:
        return "rollback_failed"
    if run.failure is not None:
        return "failed"
    return "assigned" if run.assigned_revision else "frozen"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
