"""Rows of the projection in the words of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from eucora.domain.vocabulary import CabDecision, DeploymentState
from eucora.store import deployment_queries as deployments
from eucora.store import event_queries as events
from eucora.store import review_queries as reviews
from models.wire.auth import WireScope
from models.wire.cab import ReviewSummary, ReviewView, VoteView
from models.wire.deployments import (
    ApplicationView,
    CheckView,
    DeploymentSummary,
    DeploymentView,
    EventView,
    GateView,
    HoldView,
    PlaneView,
    ReasonView,
    RingView,
    RiskView,
)

__all__ = ["deployment_summary", "deployment_view", "event_view", "review_summary", "review_view", "vote_view"]


def deployment_summary(row: deployments.DeploymentView) -> DeploymentSummary:
    """A deployment in a list."""
    return DeploymentSummary(
        id=row.id,
        state=DeploymentState(row.state),
        reason=ReasonView(code=row.reason_code, sentence=row.reason_sentence, since=row.reason_since),
        application=ApplicationView(
            id=row.application_id,
            name=row.application_name,
            version=row.application_version,
            vendor=row.application_vendor,
            category=row.application_category,
        ),
        scope=WireScope(
            tenant=row.tenant,
            business_unit=row.business_unit,
            acquisition_boundary=row.acquisition_boundary,
            site=row.site,
        ),
        ring=row.ring,
        target_ring=row.target_ring,
        planes=row.planes,
        risk_score=row.risk_score,
        requester=row.requester,
        correlation_id=row.correlation_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def deployment_view(
    row: deployments.DeploymentView,
    *,
    rings: Sequence[deployments.RingRunView],
    planes: Sequence[deployments.PlaneRunView],
    holds: Sequence[deployments.HoldView],
) -> DeploymentView:
    """A deployment with its rings; ``planes`` are ordered by ring."""
    by_ring = {ring: [_plane(run) for run in runs] for ring, runs in groupby(planes, key=lambda run: run.ring)}
    risk = None
    if row.risk_score is not None:
        risk = RiskView(score=row.risk_score, model=row.risk_model, model_version=row.risk_model_version, tier=row.tier)
    return DeploymentView(
        **dict(deployment_summary(row)),
        kind=row.kind,
        author=row.author,
        evidence_pack=row.pack_digest,
        release_digest=row.release_digest,
        artifact_sha256=row.artifact_sha256,
        risk=risk,
        blast_radius_class=row.blast_radius_class,
        quorum=row.quorum,
        adopted_by=row.adopted_by,
        rolling_back=row.rolling_back,
        holds=[
            HoldView(kind=hold.kind, who=hold.who, why=hold.why, since=hold.since, reference=hold.reference)
            for hold in holds
        ],
        rings=[_ring(ring, by_ring.get(ring.ring, [])) for ring in rings],
        sequence=row.sequence,
    )


def event_view(row: events.EventView) -> EventView:
    """A fact of the record."""
    return EventView(
        stream=row.stream,
        sequence=row.sequence,
        type=row.type,
        actor=row.actor,
        role=row.role,
        at=row.at,
        correlation_id=row.correlation_id,
        ring=row.ring,
        plane=row.plane,
        error_class=row.error_class,
        payload=row.payload,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def review_summary(row: reviews.ReviewView) -> ReviewSummary:
    """A review in a list."""
    return ReviewSummary(
        id=row.id,
        deployment_id=row.deployment_id,
        application=row.application_name,
        version=row.application_version,
        ring=row.ring,
        status=row.status,
        round=row.round,
        quorum=row.quorum,
        risk_score=row.risk_score,
        tier=row.tier,
        blast_radius_class=row.blast_radius_class,
        evidence_pack=row.pack_digest,
        requester=row.requester,
        author=row.author,
        opened_at=row.opened_at,
        remind_at=row.remind_at,
        due_at=row.due_at,
    )


def review_view(row: reviews.ReviewView, *, votes: Sequence[reviews.VoteView], covers: Sequence[str]) -> ReviewView:
    """A review with its votes; ``covers`` are names of rings."""
    return ReviewView(**dict(review_summary(row)), covers=list(covers), votes=[vote_view(vote) for vote in votes])


def vote_view(row: reviews.VoteView) -> VoteView:
    """A vote and what became of it."""
    return VoteView(
        message_id=row.message_id,
        voter=row.voter,
        decision=CabDecision(row.decision),
        conditions=row.conditions,
        comment=row.comment,
        outcome=row.outcome,
        code=row.code,
        sentence=row.sentence,
        at=row.at,
        round=row.round,
    )


def _ring(run: deployments.RingRunView, planes: list[PlaneView]) -> RingView:
    gate = None
    if run.gate_result:
        gate = GateView(
            result=run.gate_result,
            checks=[CheckView.model_validate(check) for check in run.gate_checks],
            until=run.gate_until,
            at=run.gate_at,
        )
    return RingView(
        name=run.ring,
        order=run.ring_order,
        status=run.status,
        success_rate=run.success_rate,
        planes=planes,
        gate=gate,
        frozen_at=run.frozen_at,
        started_at=run.started_at,
        soak_since=run.soak_since,
        soak_until=run.soak_until,
        promoted_at=run.promoted_at,
    )


def _plane(run: deployments.PlaneRunView) -> PlaneView:
    return PlaneView(
        plane=run.plane,
        status=run.status,
        targeted=run.targeted,
        succeeded=run.succeeded,
        failed=run.failed,
        in_progress=run.in_progress,
        unknown=run.unknown,
        observed_at=run.observed_at,
        object_id=run.object_id,
        assignment_id=run.assignment_id,
        rehearsed=run.rehearsed,
        failure_code=run.failure_code,
        failure=run.failure_sentence,
        rollback_failure=run.rollback_failure,
    )
