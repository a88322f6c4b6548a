"""Evidence, risk models and policy: written by the API and by activities, row and fact in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.tables import columns

__all__ = [
    "EvidencePackTable",
    "LineStopTable",
    "PolicyDocumentTable",
    "RiskAssessmentTable",
    "RiskModelTable",
]


class EvidencePackTable(SQLModel, table=True):
    """A sealed version of an evidence pack, by the SHA-256 of its canonical JSON."""

    __tablename__ = "evidence_pack"
    __table_args__ = (
        UniqueConstraint("tenant", "pack_id", "version", name="evidence_pack_version"),
        Index("evidence_pack_newest", "tenant", "created_at", "pack_digest"),
    )

    pack_digest: str = Field(primary_key=True)
    tenant: str = "default"
    pack_id: str
    version: int
    release_digest: str = Field(index=True)
    author: str
    business_unit: str
    acquisition_boundary: str
    site: str
    document: Any = columns.document()
    created_at: datetime = columns.time(server_default="clock_timestamp()")


class RiskModelTable(SQLModel, table=True):
    """A version of a risk model. ``status``: proposed, shadow, active or retired."""

    __tablename__ = "risk_model"
    __table_args__ = (UniqueConstraint("tenant", "model_id", "version", name="risk_model_version"),)

    tenant: str = Field(default="default", primary_key=True)
    digest: str = Field(primary_key=True)
    model_id: str
    version: str
    status: str
    document: Any = columns.document()
    created_at: datetime = columns.time(server_default="clock_timestamp()")


class RiskAssessmentTable(SQLModel, table=True):
    """An assessment with its inputs, by the SHA-256 of its canonical JSON."""

    __tablename__ = "risk_assessment"

    assessment_digest: str = Field(primary_key=True)
    tenant: str = "default"
    document: Any = columns.document()
    created_at: datetime = columns.time(server_default="clock_timestamp()")


class PolicyDocumentTable(SQLModel, table=True):
    """A version of a policy document: ring plans, gate policies, freezes, windows. ``status`` as of a risk model."""

    __tablename__ = "policy_document"

    tenant: str = Field(default="default", primary_key=True)
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    digest: str
    status: str
    document: Any = columns.document()
    created_at: datetime = columns.time(server_default="clock_timestamp()")


class LineStopTable(SQLModel, table=True):
    """A stop of the line: in force until ``released_at``. An empty part of the filter matches everything."""

    __tablename__ = "line_stop"

    id: str = Field(primary_key=True)
    tenant: str = "default"
    plane: str
    application_id: str
    deployment_id: str
    stopped_by: str
    why: str
    stopped_at: datetime = columns.time()
    released_by: str
    release_why: str
    released_at: datetime | None = columns.time(nullable=True)
