"""The projection of reviews by the change advisory board; written by the record only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from models.tables import columns

__all__ = ["CabRequestTable", "CabVoteTable"]


class CabRequestTable(SQLModel, table=True):
    """The review of a checkpoint; ``id`` is ``<deployment id>.<order of the ring before which it stands>``."""

    __tablename__ = "cab_request"
    __table_args__ = (
        Index("cab_request_status", "tenant", "status", "due_at"),
        Index("cab_request_requester", "requester"),
    )

    id: str = Field(primary_key=True)
    deployment_id: str = Field(foreign_key="deployment.id", index=True)
    tenant: str = "default"
    checkpoint: int
    ring: str
    """Name of the ring before which the checkpoint stands."""
    covers_first: int
    covers_last: int
    round: int
    status: str
    """open, approved, rejected, lapsed or ended."""
    quorum: int
    pack_digest: str
    requester: str
    opened_at: datetime = columns.time()
    remind_at: datetime = columns.time()
    due_at: datetime = columns.time()
    reminded: bool
    escalated: bool


class CabVoteTable(SQLModel, table=True):
    """What became of one vote. ``outcome``: accepted, or refused with ``code`` and ``sentence``."""

    __tablename__ = "cab_vote"
    __table_args__ = (Index("cab_vote_message", "message_id"),)

    deployment_id: str = Field(primary_key=True, foreign_key="deployment.id")
    message_id: str = Field(primary_key=True)
    tenant: str = "default"
    checkpoint: int | None = None
    round: int | None = None
    voter: str
    decision: str
    conditions: Any = columns.document(nullable=True)
    comment: str
    outcome: str
    code: str
    sentence: str
    at: datetime = columns.time()
    sequence: int
