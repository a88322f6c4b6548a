"""The record in one snapshot and in storage order, for the audit's export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.store.chain import Draft, Event

__all__ = ["Counted", "Head", "StoredRow", "begin_snapshot", "count_record", "stored_documents", "stored_events"]

_PORTION = 2000

# Outer join: a head without events is a finding, and must not look like a stream that never was.
_EVENTS = """
SELECT h.stream, h.length, h.hash AS head_hash, e.sequence, e.type, e.actor, e.role, e.at, e.correlation_id, e.ring,
    e.plane, e.payload::text AS payload, e.error_class, e.previous_hash, e.hash
FROM stream_head h LEFT JOIN event e ON e.stream_month = h.stream_month AND e.stream = h.stream
{where}
ORDER BY h.stream_month, h.stream, e.sequence
"""
_COUNTS = """
SELECT (SELECT count(*) FROM stream_head h {heads}), (SELECT count(*) FROM event e {events})
"""
_DOCUMENTS = {
    "risk_assessment": (
        "SELECT assessment_digest, document FROM risk_assessment WHERE assessment_digest = ANY(:digests)"
    ),
    "evidence_pack": "SELECT pack_digest, document FROM evidence_pack WHERE pack_digest = ANY(:digests)",
    "risk_model": "SELECT DISTINCT ON (digest) digest, document FROM risk_model WHERE digest = ANY(:digests)",
}


class Head(NamedTuple):
    """Where a stream stands."""

    stream: str
    length: int
    hash: str


class Counted(NamedTuple):
    """How much the record holds."""

    streams: int
    events: int


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An event with its stream's head; ``event`` is None for a head without events."""

    head: Head
    event: Event | None


async def begin_snapshot(session: AsyncSession) -> None:
    """Make the session's transaction, which must not have begun, one consistent snapshot that cannot write."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await session.execute(text("SELECT pg_current_snapshot()"))  # the first query takes the snapshot


async def stored_events(session: AsyncSession, *, streams: Sequence[str], tenant: str) -> AsyncIterator[StoredRow]:
    """Every event, stream by stream, by sequence; a portion of them in memory at a time."""
    conditions, values = _conditions(streams, tenant, stream="h.stream", of="e.tenant")
    query = text(_EVENTS.format(where=conditions)).execution_options(yield_per=_PORTION)
    result = await session.stream(query, values)
    async for row in result:
        head = Head(row.stream, row.length, row.head_hash)
        yield StoredRow(head, None if row.sequence is None else _event(row))


async def count_record(session: AsyncSession, *, streams: Sequence[str], tenant: str) -> Counted:
    """Counted apart from :func:`stored_events`, so that events without a head are missed by nobody."""
    events, values = _conditions(streams, tenant, stream="e.stream", of="e.tenant")
    heads, _ = _conditions(streams, "", stream="h.stream", of="")
    if tenant:
        heads = "WHERE EXISTS (SELECT FROM event e {} AND e.stream_month = h.stream_month AND e.stream = h.stream)"
        heads = heads.format(events)
    row = (await session.execute(text(_COUNTS.format(heads=heads, events=events)), values)).one()
    return Counted(*row)


async def stored_documents(session: AsyncSession, kind: str, digests: Sequence[str]) -> AsyncIterator[tuple[str, Any]]:
    """The documents of a kind (``risk_assessment``, ``evidence_pack``, ``risk_model``) with these digests."""
    if not digests:
        return
    for digest, document in await session.execute(text(_DOCUMENTS[kind]), {"digests": list(digests)}):
        yield digest, document


def _conditions(streams: Sequence[str], tenant: str, *, stream: str, of: str) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if streams:
        conditions.append(f"{stream} = ANY(:streams)")
        values["streams"] = list(streams)
    if tenant:
        conditions.append(f"{of} = :tenant")
        values["tenant"] = tenant
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _event(row: Any) -> Event:
    draft = Draft(
        type=row.type,
        actor=row.actor,
        role=row.role,
        at=row.at,
        correlation_id=row.correlation_id,
        payload=row.payload,
        ring=row.ring,
        plane=row.plane,
        error_class=row.error_class,
    )
    return Event(sequence=row.sequence, draft=draft, previous_hash=row.previous_hash, hash=row.hash)
