"""Reading the record, and appending to streams other than a deployment's.

The events of one stream are read by sequence. The events of all streams are read in the order of
``(transaction, stream, sequence)``, up to the oldest transaction that is still under way: what lies before it can no
longer change, so that a reader who follows the cursor never misses an event that was committed late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.evidence.canonical import canonical_json
from eucora.store.chain import Draft, chain, deployment_stream
from eucora.store.paging import Page, check_limit, columns, decode_cursor, encode_cursor, page_of, table_of
from models.tables import EventTable, StreamHeadTable

__all__ = [
    "EventFilter",
    "EventView",
    "append_event",
    "events_of",
    "list_events",
]

_event = table_of(EventTable)
_head = table_of(StreamHeadTable)
_OPEN_STREAM = text("SELECT month, head_length, head_hash FROM open_stream(:stream)")
_INSERT_EVENT = text(
    "INSERT INTO event (stream_month, stream, sequence, type, actor, role, at, correlation_id, ring, plane, payload,"
    " error_class, previous_hash, hash, tenant)"
    " VALUES (:month, :stream, :sequence, :type, :actor, :role, :at, :correlation_id, :ring, :plane,"
    " CAST(:payload AS json), :error_class, :previous_hash, :hash, :tenant)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """A stored event; see ``models.tables.EventTable``."""

    stream: str
    sequence: int
    type: str
    actor: str
    role: str
    at: datetime
    correlation_id: str
    ring: str | None
    plane: str | None
    payload: dict[str, Any]
    error_class: str
    previous_hash: str
    hash: str
    tenant: str
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: every part that is given must hold. ``tenant`` None reads all tenants; times are of the fact."""

    tenant: str | None
    types: tuple[str, ...] = ()
    actor: str = ""
    correlation_id: str = ""
    stream: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def events_of(
    session: AsyncSession, stream: str, *, after: int = 0, limit: int = 100, cursor: str | None = None
) -> Page[EventView]:
    """The events of a stream by sequence, those above ``after`` or behind the cursor.

    Raises ``InvalidInput`` (``invalid_limit``, ``invalid_cursor``).
    """
    if cursor is not None:
        (after,) = decode_cursor(cursor, int)
    query = _in_stream(stream).where(_event.c.sequence > after).order_by(_event.c.sequence)
    rows = await _views(session, query.limit(check_limit(limit) + 1))
    return page_of(rows, limit, lambda row: (row.sequence,))


async def list_events(
    session: AsyncSession, wanted: EventFilter, *, limit: int = 100, cursor: str | None = None
) -> Page[EventView]:
    """The events of all streams, oldest first, complete however many are written meanwhile.

    ``next_cursor`` is never None: at the end it leads to what is written later. Raises as :func:`events_of`.
    """
    key = (_event.c.transaction, _event.c.stream, _event.c.sequence)
    query = (
        select(*columns(EventTable, EventView), _event.c.transaction)
        .where(_matches(wanted), _event.c.transaction < func.event_horizon())
        .order_by(*key)
        .limit(check_limit(limit))
    )
    if cursor is not None:
        query = query.where(tuple_(*key) > decode_cursor(cursor, int, str, int))
    rows = [dict(row) for row in (await session.execute(query)).mappings()]
    last = cursor or encode_cursor(0, "", 0)
    if rows:
        last = encode_cursor(rows[-1]["transaction"], rows[-1]["stream"], rows[-1]["sequence"])
    for row in rows:
        del row["transaction"]
    return Page(items=tuple(EventView(**row) for row in rows), next_cursor=last)


async def append_event(
    session: AsyncSession,
    stream: str,
    *,
    type: str,  # noqa: A002 - the column's name
    actor: str,
    role: str,
    at: datetime,
    payload: dict[str, Any],
    correlation_id: str = "",
    ring: str | None = None,
    plane: str | None = None,
    error_class: str = "NONE",
    tenant: str = "default",
) -> int:
    """Append one event in the session's transaction and return its sequence; not for ``deployment/`` streams.

    The stream is locked until the transaction ends: append last. Raises ``NotCanonicalJson``, ``ValueError``.
    """
    if stream.startswith(deployment_stream("")):
        raise ValueError(f"{stream} is written by its workflow alone, through the record")
    draft = Draft(
        type=type,
        actor=actor,
        role=role,
        at=at,
        correlation_id=correlation_id,
        payload=canonical_json(payload).decode(),
        ring=ring,
        plane=plane,
        error_class=error_class,
    )
    month, length, head_hash = (await session.execute(_OPEN_STREAM, {"stream": stream})).one()
    (event,) = chain(stream, [draft], after=length, previous=head_hash)
    await session.execute(
        _INSERT_EVENT,
        {
            "month": month,
            "stream": stream,
            "sequence": event.sequence,
            "type": type,
            "actor": actor,
            "role": role,
            "at": at,
            "correlation_id": correlation_id,
            "ring": ring,
            "plane": plane,
            "payload": draft.payload,
            "error_class": error_class,
            "previous_hash": event.previous_hash,
            "hash": event.hash,
            "tenant": tenant,
        },
    )
    return event.sequence


def _in_stream(stream: str) -> Any:
    # The month comes from the head, so that one partition is read.
    joined = and_(_event.c.stream_month == _head.c.stream_month, _event.c.stream == _head.c.stream)
    return select(*columns(EventTable, EventView)).join(_head, joined).where(_head.c.stream == stream)


def _matches(wanted: EventFilter) -> Any:
    table = _event.c
    conditions = [table.transaction > 0]
    if wanted.tenant is not None:
        conditions.append(table.tenant == wanted.tenant)
    if wanted.types:
        conditions.append(table.type.in_(wanted.types))
    for column, value in (
        (table.actor, wanted.actor),
        (table.correlation_id, wanted.correlation_id),
        (table.stream, wanted.stream),
    ):
        if value:
            conditions.append(column == value)
    if wanted.since is not None:
        conditions.append(table.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.at < wanted.until)
    return and_(*conditions)


async def _views(session: AsyncSession, query: Any) -> list[EventView]:
    return [EventView(**row) for row in (await session.execute(query)).mappings()]
