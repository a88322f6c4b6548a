"""The record: hash-chained facts and the heads of their streams (``domain.md`` §8)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, Index, text
from sqlmodel import Field, SQLModel

from models.tables import columns

__all__ = ["EventTable", "StreamHeadTable"]


class StreamHeadTable(SQLModel, table=True):
    """Length and last hash of a stream. The database alone advances it, when events are inserted."""

    __tablename__ = "stream_head"
    __table_args__ = (Index("stream_head_month", "stream_month"),)

    stream: str = Field(primary_key=True)
    stream_month: date = Field(sa_type=Date)
    """First day of the month the stream began: names the partition of all its events."""
    length: int = Field(sa_type=BigInteger)
    hash: str


class EventTable(SQLModel, table=True):
    """One fact, never changed. ``stored_at`` and ``transaction`` are the database's own and stay outside the hash.

    ``payload`` is canonical JSON (RFC 8785) of what the other columns do not say. ``transaction`` orders the events
    of all streams in the order in which they can be read for good, see ``eucora.store.event_queries``.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("event_transaction", "transaction", "stream", "sequence"),
        {"postgresql_partition_by": "RANGE (stream_month)"},
    )

    stream_month: date = Field(primary_key=True, sa_type=Date)
    stream: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=BigInteger)
    type: str
    actor: str
    role: str
    at: datetime = columns.time()
    correlation_id: str
    ring: str | None = None
    plane: str | None = None
    payload: Any = columns.document()
    error_class: str
    previous_hash: str
    hash: str
    tenant: str = "default"
    transaction: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": text("event_transaction()")})
    stored_at: datetime = columns.time(server_default="clock_timestamp()")
