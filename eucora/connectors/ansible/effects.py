"""Effects by key: received any number of times, carried out once; objects; and the ledger that proves it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from eucora.connectors.ansible import errors
from eucora.domain.errors import PlaneConflict
from eucora.ports.plane import EffectKey, Package

__all__ = ["Carried", "LedgerEntry", "Request", "answered", "carry_out_once", "keep_object", "ledger", "object_of"]


Request = Mapping[str, str | Sequence[str]]
"""What a call asks for; calls with one key must ask for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How an effect was carried out: the answer for the caller and the job that does the work, if there is one."""

    outcome: Mapping[str, Any]
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One effect. ``received`` counts calls, ``applied`` how often it took place; more than 1 is a duplicate.

    An effect takes place in the transaction that records it, so ``applied`` is at least 1. For one that is played it is
    also the largest number of times that its plays *changed one and the same host*, as the hosts reported it: a play
    started again after a kill finds the hosts it had reached as they should be, and does not change them again.
    """

    key: str
    deployment_id: str
    ring: str
    plane: str
    operation: str
    revision: int
    received: int
    applied: int
    plays: int
    correlation_id: str | None
    first_at: str
    last_at: str


def answered(connection: sqlite3.Connection, key: EffectKey, request: Request, *, at: datetime) -> Carried | None:
    """Count the call and return the first answer, if the effect was carried out already; otherwise None.

    Raises ``PlaneConflict(code="key_reused")`` when the first call asked for something else.
    """
    row = connection.execute("SELECT outcome, job_id, request FROM effect WHERE key = ?", (str(key),)).fetchone()
    if row is None:
        return None
    if row["request"] != _digest(request):
        raise PlaneConflict(f"Effect {key} was asked for with another target or package before.", code="key_reused")
    connection.execute(
        "UPDATE effect SET received = received + 1, last_at = ? WHERE key = ?", (at.isoformat(), str(key))
    )
    return Carried(outcome=json.loads(row["outcome"]), job_id=row["job_id"])


def carry_out_once(
    connection: sqlite3.Connection,
    key: EffectKey,
    request: Request,
    carry_out: Callable[[], Carried],
    *,
    correlation_id: str | None,
    at: datetime,
) -> Carried:
    """Carry out an effect and record it, in the caller's transaction; if the key is known, only answer as before."""
    before = answered(connection, key, request, at=at)
    if before is not None:
        return before
    carried = carry_out()
    connection.execute(
        "INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
        (
            str(key),
            key.deployment_id,
            key.ring,
            key.plane,
            key.operation.value,
            key.revision,
            _digest(request),
            carried.job_id,
            json.dumps(carried.outcome),
            correlation_id,
            at.isoformat(),
            at.isoformat(),
        ),
    )
    return carried


def _digest(request: Request) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def keep_object(connection: sqlite3.Connection, object_id: str, package: Package, *, at: datetime) -> bool:
    """Store the object; returns whether it stood there already (then it is adopted as it is)."""
    done = connection.execute(
        "INSERT OR IGNORE INTO object VALUES (?, ?, ?)",
        (object_id, json.dumps(asdict(package), sort_keys=True), at.isoformat()),
    )
    return done.rowcount == 0


def object_of(connection: sqlite3.Connection, object_id: str) -> Package:
    """Raises ``PlaneNotFound(code="unknown_object")``."""
    row = connection.execute("SELECT package FROM object WHERE object_id = ?", (object_id,)).fetchone()
    if row is None:
        raise errors.unknown_object(object_id)
    return Package(**json.loads(row["package"]))


def ledger(connection: sqlite3.Connection) -> tuple[LedgerEntry, ...]:
    """Every effect ever received, in the order of its first call."""
    rows = connection.execute(
        """
        SELECT e.*, coalesce(j.plays, 0) AS plays,
            max(1, coalesce((SELECT max(d.changes) FROM job_device d WHERE d.job_id = e.job_id), 0)) AS applied
        FROM effect e LEFT JOIN job j ON j.job_id = e.job_id
        ORDER BY e.first_at, e.key
        """
    ).fetchall()
    names = LedgerEntry.__dataclass_fields__
    return tuple(LedgerEntry(**{name: row[name] for name in names}) for row in rows)
