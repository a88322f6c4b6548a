"""The SQL of the record's hot path, made once from the tables: parameters are named as the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import SQLModel

from eucora.store.projection import LIVE, Row
from models.tables import CabRequestTable, CabVoteTable, DeploymentTable, HoldTable, PlaneRunTable, RingRunTable

__all__ = [
    "DELETE_HOLD",
    "INSERT_EVENTS",
    "INSERT_VOTE",
    "OBSERVE",
    "OPEN_STREAM",
    "READ_EVENTS",
    "READ_HASHES",
    "READ_STATE",
    "UPSERT_DEPLOYMENT",
    "UPSERT_HOLD",
    "UPSERT_PLANE",
    "UPSERT_REVIEW",
    "UPSERT_RING",
    "parameters",
]


def parameters(row: Row) -> Row:
    """A row as statement parameters. Postgres keeps no NUL in text: people's words lose it here, the record has it."""
    return {name: value.replace("\x00", "\ufffd") if isinstance(value, str) else value for name, value in row.items()}


def _columns(table: type[SQLModel], *, without: Sequence[str] = ()) -> list[str]:
    columns: Any = table.__table__.columns  # type: ignore[attr-defined]
    return [column.name for column in columns if column.name not in without]


def _upsert(table: type[SQLModel], *, without: Sequence[str] = ()) -> str:
    metadata: Any = table.__table__  # type: ignore[attr-defined]
    key = [column.name for column in metadata.primary_key.columns]
    columns = _columns(table, without=without)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"{_insert(metadata.name, columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def _insert(name: str, columns: Sequence[str]) -> str:
    values = ", ".join(f"%({column})s" for column in columns)
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - names of our own tables


OPEN_STREAM = "SELECT month, head_length, head_hash FROM open_stream(%(stream)s)"

READ_STATE = "SELECT sequence, state_json::text FROM deployment WHERE id = %(id)s"

# The month comes from the head, so that one partition is read.
_OF_STREAM = "FROM stream_head h JOIN event e ON e.stream_month = h.stream_month AND e.stream = h.stream"

READ_EVENTS = f"""
SELECT e.type, e.actor, e.role, e.at, e.error_class, e.ring, e.plane, e.payload
{_OF_STREAM} WHERE h.stream = %(stream)s AND e.sequence > %(after)s ORDER BY e.sequence
"""

READ_HASHES = f"""
SELECT e.previous_hash, e.hash
{_OF_STREAM} WHERE h.stream = %(stream)s AND e.sequence BETWEEN %(first)s AND %(last)s ORDER BY e.sequence
"""

INSERT_EVENTS = """
INSERT INTO event (stream_month, stream, sequence, type, actor, role, at, correlation_id, ring, plane, payload,
    error_class, previous_hash, hash, tenant)
SELECT %(month)s, %(stream)s, e.sequence, e.type, e.actor, e.role, e.at, %(correlation_id)s, e.ring, e.plane,
    e.payload::json, e.error_class, e.previous_hash, e.hash, %(tenant)s
FROM unnest(%(sequence)s::bigint[], %(type)s::text[], %(actor)s::text[], %(role)s::text[], %(at)s::timestamptz[],
    %(ring)s::text[], %(plane)s::text[], %(payload)s::text[], %(error_class)s::text[], %(previous_hash)s::text[],
    %(hash)s::text[])
    AS e(sequence, type, actor, role, at, ring, plane, payload, error_class, previous_hash, hash)
"""

UPSERT_DEPLOYMENT = _upsert(DeploymentTable)
UPSERT_RING = _upsert(RingRunTable)
UPSERT_PLANE = _upsert(PlaneRunTable, without=LIVE)
UPSERT_HOLD = _upsert(HoldTable)
UPSERT_REVIEW = _upsert(CabRequestTable)
INSERT_VOTE = _insert("cab_vote", _columns(CabVoteTable)) + " ON CONFLICT (deployment_id, message_id) DO NOTHING"
DELETE_HOLD = """
DELETE FROM hold WHERE deployment_id = %(deployment_id)s AND kind = %(kind)s AND reference = %(reference)s
"""

OBSERVE = """
UPDATE plane_run SET succeeded = %(succeeded)s, failed = %(failed)s, in_progress = %(in_progress)s,
    unknown = %(unknown)s, figures = %(figures)s, observed_at = %(observed_at)s
WHERE deployment_id = %(deployment_id)s AND ring = %(ring)s AND plane = %(plane)s
    AND (observed_at IS NULL OR observed_at <= %(observed_at)s)
"""
