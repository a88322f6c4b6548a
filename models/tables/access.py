"""Rows that decide races: idempotency keys and change claims."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from models.tables import columns

__all__ = ["ChangeClaimTable", "IdempotencyKeyTable"]


class IdempotencyKeyTable(SQLModel, table=True):
    """A request that may be sent again. ``resource_id`` and ``correlation_id`` are reserved before anything starts."""

    __tablename__ = "idempotency_key"

    caller: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    tenant: str = "default"
    body_digest: str
    resource_id: str = Field(index=True)
    correlation_id: str | None = Field(default=None, unique=True)
    response_status: int | None = None
    """None while the request is pending."""
    response: Any = columns.document(nullable=True)
    created_at: datetime = columns.time(server_default="clock_timestamp()")
    completed_at: datetime | None = columns.time(nullable=True)


class SubmissionTable(SQLModel, table=True):
    """A start that the API has accepted: the digest of plan and trusted keys, stored before anything starts."""

    __tablename__ = "submission"

    deployment_id: str = Field(primary_key=True)
    start_digest: str = Field(primary_key=True)
    created_at: datetime = columns.time(server_default="clock_timestamp()")


class ChangeClaimTable(SQLModel, table=True):
    """One active change per application, scope and ring: the primary key decides."""

    __tablename__ = "change_claim"

    tenant: str = Field(default="default", primary_key=True)
    scope: str = Field(primary_key=True)
    application_id: str = Field(primary_key=True)
    ring: str = Field(primary_key=True)
    deployment_id: str = Field(index=True)
    claimed_at: datetime = columns.time(server_default="clock_timestamp()")
