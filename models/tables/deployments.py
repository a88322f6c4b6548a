"""The projection of deployments: written by the record from the fold of the facts, read by everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from models.tables import columns

__all__ = ["DeploymentTable", "HoldTable", "PlaneRunTable", "RingRunTable"]


class DeploymentTable(SQLModel, table=True):
    """One deployment as of fact ``sequence``; ``state_json`` is the whole fold, the other columns are parts of it."""

    __tablename__ = "deployment"
    __table_args__ = (
        Index("deployment_newest", "tenant", "created_at", "id"),
        Index("deployment_state", "state"),
        Index("deployment_application", "application_id"),
        Index("deployment_requester", "requester"),
        Index("deployment_planes", "planes", postgresql_using="gin"),
    )

    id: str = Field(primary_key=True)
    tenant: str = "default"
    correlation_id: str = Field(unique=True)
    kind: str
    application_id: str
    application_name: str
    application_version: str
    application_vendor: str
    application_category: str
    business_unit: str
    acquisition_boundary: str
    site: str
    requester: str
    author: str
    state: str
    reason_code: str
    reason_sentence: str
    reason_since: datetime = columns.time()
    ring: str
    """The ring at work; empty before the first one."""
    target_ring: str
    planes: list[str] = columns.text_list()
    risk_score: int | None = None
    risk_model: str
    risk_model_version: str
    tier: str
    blast_radius_class: str
    quorum: int
    pack_digest: str
    """The pack in force: the newest sealed version, the submitted one before."""
    release_digest: str
    artifact_sha256: str
    adopted_by: str
    rolling_back: bool
    rollback_automatic: bool
    created_at: datetime = columns.time()
    updated_at: datetime = columns.time()
    """Time of the newest fact."""
    sequence: int
    state_json: Any = columns.document()


class RingRunTable(SQLModel, table=True):
    """One ring of a deployment's plan. ``status``: planned, frozen, running, soaking, promoted or rolled_back."""

    __tablename__ = "ring_run"

    deployment_id: str = Field(primary_key=True, foreign_key="deployment.id")
    ring: str = Field(primary_key=True)
    tenant: str = "default"
    ring_order: int
    status: str
    success_rate: float
    """What the gate asks for, percent of targeted devices."""
    frozen_at: datetime | None = columns.time(nullable=True)
    started_at: datetime | None = columns.time(nullable=True)
    soak_since: datetime | None = columns.time(nullable=True)
    soak_until: datetime | None = columns.time(nullable=True)
    soak_skipped: bool
    gate_result: str
    """Empty before the first evaluation."""
    gate_checks: Any = columns.document()
    gate_until: datetime | None = columns.time(nullable=True)
    gate_at: datetime | None = columns.time(nullable=True)
    promoted_at: datetime | None = columns.time(nullable=True)


class PlaneRunTable(SQLModel, table=True):
    """One plane's work in one ring.

    ``status``: planned, frozen, assigned, failed, rolled_back or rollback_failed. The counts, ``figures`` and
    ``observed_at`` are the newest observation, of a fact or of live progress; everything else follows from facts.
    """

    __tablename__ = "plane_run"

    deployment_id: str = Field(primary_key=True, foreign_key="deployment.id")
    ring: str = Field(primary_key=True)
    plane: str = Field(primary_key=True)
    tenant: str = "default"
    ring_order: int
    status: str
    targeted: int
    """Devices in the frozen membership; as resolved at submission before that."""
    membership_digest: str
    object_id: str
    assignment_id: str
    revision: int
    failure_operation: str
    failure_code: str
    failure_sentence: str
    rehearsed: bool | None = None
    """None before a rehearsal of the rollback, then whether the last one succeeded."""
    rehearsal_sentence: str
    rollback_failure: str
    succeeded: int = columns.count()
    failed: int = columns.count()
    in_progress: int = columns.count()
    unknown: int = columns.count()
    figures: Any = columns.document(nullable=True)
    observed_at: datetime | None = columns.time(nullable=True)


class HoldTable(SQLModel, table=True):
    """A hold in force; released ones are facts only."""

    __tablename__ = "hold"

    deployment_id: str = Field(primary_key=True, foreign_key="deployment.id")
    kind: str = Field(primary_key=True)
    reference: str = Field(primary_key=True)
    tenant: str = "default"
    who: str
    why: str
    since: datetime = columns.time()
