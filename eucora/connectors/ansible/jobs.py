"""Jobs: one command over many hosts (install, uninstall, detect), and which of them are due now.

A job has no state of its own: it is finished when none of its hosts is due. So a process killed at any moment leaves a
job that the next process takes up where it stood.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from eucora.connectors.ansible import errors
from eucora.connectors.ansible.processes import ProcessIdentity
from eucora.connectors.ansible.translate import HostResult, Outcome
from eucora.domain.devices import DeviceState, DeviceStatus

__all__ = ["Batch", "Job", "JobKind"]

MAX_STARTS = 5
"""Processes in a row that may end without one result before the hosts count as silent."""

DUE = """(d.withdrawn = 0 AND (d.state = 'in_progress' OR (d.state = 'failed' AND d.attempts < d.allowed)
          OR (d.state = 'unknown' AND d.not_before IS NOT NULL AND d.not_before <= :now)))"""


class JobKind(StrEnum):
    """What a job does; each kind is the playbook of that name."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    DETECT = "detect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job's row. ``process`` is who works on it, dead or alive."""

    number: int
    job_id: str
    kind: JobKind
    application: str
    object_id: str
    process: ProcessIdentity | None
    removed: bool
    starts: int
    correlation_id: str | None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The hosts to play now, and the number of due hosts that another job works on at this moment."""

    devices: tuple[str, ...]
    waiting: int


def create(
    connection: sqlite3.Connection,
    kind: JobKind,
    *,
    object_id: str,
    application: str,
    devices: Sequence[str],
    allowed: int,
    correlation_id: str | None = None,
    at: datetime,
) -> str:
    """Insert a job. An install or uninstall takes its hosts over from earlier jobs of the application."""
    job_id = uuid4().hex
    if kind is not JobKind.DETECT:
        _withdraw(connection, application, devices, error=f"taken over by a later {kind.value}", at=at)
    connection.execute(
        "INSERT INTO job (job_id, kind, application, object_id, correlation_id, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (job_id, kind.value, application, object_id, correlation_id, at.isoformat()),
    )
    connection.executemany(
        "INSERT INTO job_device (job_id, device_id, state, allowed) VALUES (?, ?, 'in_progress', ?)",
        [(job_id, device, allowed) for device in devices],
    )
    return job_id


def _withdraw(
    connection: sqlite3.Connection, application: str, devices: Sequence[str], *, error: str, at: datetime
) -> None:
    connection.executemany(
        """
        UPDATE job_device SET withdrawn = 1, at = :at,
            error = CASE WHEN state = 'in_progress' THEN :error ELSE error END,
            state = CASE WHEN state = 'in_progress' THEN 'unknown' ELSE state END
        WHERE device_id = :device AND withdrawn = 0 AND state != 'succeeded'
            AND job_id IN (SELECT job_id FROM job WHERE application = :application AND kind != 'detect')
        """,
        [{"device": device, "application": application, "error": error, "at": at.isoformat()} for device in devices],
    )


def get(connection: sqlite3.Connection, job_id: str, *, kind: JobKind | None = None) -> Job:
    """Raises ``PlaneNotFound(code="unknown_assignment")``, also for a job of another kind."""
    row = connection.execute("SELECT * FROM job WHERE job_id = ?", (job_id,)).fetchone()
    if row is None or (kind is not None and row["kind"] != kind):
        raise errors.unknown_assignment(job_id)
    process = None if row["pid"] is None else ProcessIdentity(pid=row["pid"], started=row["process_started"])
    return Job(
        number=row["number"],
        job_id=row["job_id"],
        kind=JobKind(row["kind"]),
        application=row["application"],
        object_id=row["object_id"],
        process=process,
        removed=row["removed_at"] is not None,
        starts=row["starts"],
        correlation_id=row["correlation_id"],
    )


def unfinished(connection: sqlite3.Connection, *, at: datetime) -> tuple[Job, ...]:
    """Jobs with a due host, oldest first."""
    rows = connection.execute(
        f"SELECT DISTINCT j.job_id, j.number FROM job j JOIN job_device d USING (job_id) WHERE {DUE} ORDER BY j.number",  # noqa: S608 - a constant
        {"now": at.isoformat()},
    ).fetchall()
    return tuple(get(connection, row["job_id"]) for row in rows)


def due(connection: sqlite3.Connection, job_id: str, *, at: datetime) -> tuple[str, ...]:
    """The job's hosts that are to be played now: fewest attempts first, then by id."""
    rows = connection.execute(
        f"SELECT d.device_id FROM job_device d WHERE d.job_id = :job AND {DUE} ORDER BY d.attempts, d.device_id",  # noqa: S608 - a constant
        {"job": job_id, "now": at.isoformat()},
    ).fetchall()
    return tuple(row["device_id"] for row in rows)


def take(connection: sqlite3.Connection, job_id: str, process: ProcessIdentity) -> Job | None:
    """Make the process the job's only one; None when another living process has it."""
    job = get(connection, job_id)
    if job.running and job.process != process:
        return None
    connection.execute(
        "UPDATE job SET pid = ?, process_started = ?, starts = starts + 1 WHERE job_id = ?",
        (process.pid, process.started, job_id),
    )
    connection.execute("UPDATE job_device SET playing = 0 WHERE job_id = ?", (job_id,))
    return get(connection, job_id)


def release(connection: sqlite3.Connection, job_id: str) -> None:
    """The process is about to end, in good order."""
    connection.execute("UPDATE job SET pid = NULL, process_started = NULL WHERE job_id = ?", (job_id,))
    connection.execute("UPDATE job_device SET playing = 0 WHERE job_id = ?", (job_id,))


def begin_batch(connection: sqlite3.Connection, job: Job, *, limit: int, at: datetime) -> Batch:
    """Choose up to ``limit`` due hosts and mark them as being played.

    Two plays never work on one host and application at the same time: a host waits while a living process of another
    job plays it, and while an earlier job still has to (a detection looks at what earlier commands have left).
    """
    candidates = due(connection, job.job_id, at=at)
    busy = {
        row["device_id"]
        for row in connection.execute(
            f"""
            SELECT d.device_id, d.playing, j.job_id FROM job_device d JOIN job j USING (job_id)
            WHERE j.application = :application AND j.job_id != :job
                AND (d.playing = 1 OR (j.number < :number AND {DUE}))
            """,  # noqa: S608 - a constant
            {"application": job.application, "job": job.job_id, "number": job.number, "now": at.isoformat()},
        ).fetchall()
        if not row["playing"] or get(connection, row["job_id"]).running
    }
    free = [device for device in candidates if device not in busy]
    chosen = tuple(sorted(free[:limit]))
    connection.executemany(
        "UPDATE job_device SET playing = 1 WHERE job_id = ? AND device_id = ?", [(job.job_id, d) for d in chosen]
    )
    if chosen:
        connection.execute("UPDATE job SET plays = plays + 1 WHERE job_id = ?", (job.job_id,))
    return Batch(devices=chosen, waiting=len(candidates) - len(free))


def record(
    connection: sqlite3.Connection, job_id: str, result: HostResult, *, retry_after: timedelta, at: datetime
) -> None:
    """Record one host's outcome of the play under way; a second word on the same play is ignored."""
    match result.outcome:
        case Outcome.OK | Outcome.CHANGED:
            state, attempt, not_before = DeviceState.SUCCEEDED, 1, None
        case Outcome.FAILED:
            state, attempt, not_before = DeviceState.FAILED, 1, None
        case Outcome.UNREACHABLE | Outcome.NO_RESULT:
            state, attempt, not_before = DeviceState.UNKNOWN, 0, (at + retry_after).isoformat()
    connection.execute(
        """
        UPDATE job_device SET state = :state, attempts = attempts + :attempt, changes = changes + :change, playing = 0,
            carries = :carries, not_before = :not_before, error = :error, at = :at
        WHERE job_id = :job AND device_id = :device AND playing = 1
        """,
        {
            "state": state.value,
            "attempt": attempt,
            "change": result.outcome is Outcome.CHANGED,
            "carries": result.carries,
            "not_before": not_before,
            "error": result.error,
            "at": at.isoformat(),
            "job": job_id,
            "device": result.host,
        },
    )
    connection.execute("UPDATE job SET starts = 0 WHERE job_id = ?", (job_id,))


def give_up(connection: sqlite3.Connection, job_id: str, reason: str, *, retry_after: timedelta, at: datetime) -> None:
    """The play cannot be run at all: its due hosts are silent until it is tried again."""
    connection.execute(
        f"""
        UPDATE job_device AS d SET state = 'unknown', playing = 0, error = :reason, not_before = :not_before, at = :now
        WHERE job_id = :job AND {DUE}
        """,  # noqa: S608 - a constant
        {
            "job": job_id,
            "reason": reason,
            "not_before": (at + retry_after).isoformat(),
            "now": at.isoformat(),
        },
    )
    connection.execute("UPDATE job SET starts = 0 WHERE job_id = ?", (job_id,))


def allow_another(connection: sqlite3.Connection, job_id: str, devices: Sequence[str]) -> int:
    """Give the hosts that did not succeed one more attempt; returns how many of them belong to the job.

    Raises ``PlaneNotFound(code="unknown_device")`` for a device that the job never targeted.
    """
    for device in devices:
        found = connection.execute(
            "UPDATE job_device SET state = CASE state WHEN 'succeeded' THEN state ELSE 'in_progress' END, "
            "allowed = CASE state WHEN 'succeeded' THEN allowed ELSE max(allowed, attempts + 1) END, "
            "withdrawn = 0, not_before = NULL WHERE job_id = ? AND device_id = ?",
            (job_id, device),
        )
        if found.rowcount == 0:
            raise errors.unknown_device(device)
    return len(devices)


def remove(connection: sqlite3.Connection, job_id: str, *, at: datetime) -> None:
    """Remove an assignment: no host of it is played again; what they have, they keep."""
    connection.execute("UPDATE job SET removed_at = coalesce(removed_at, ?) WHERE job_id = ?", (at.isoformat(), job_id))
    connection.execute(
        "UPDATE job_device SET withdrawn = 1, state = CASE state WHEN 'in_progress' THEN 'unknown' ELSE state END, "
        "error = CASE state WHEN 'in_progress' THEN 'the assignment was removed' ELSE error END WHERE job_id = ?",
        (job_id,),
    )


def statuses(connection: sqlite3.Connection, job_id: str, *, after: str | None, limit: int) -> tuple[DeviceStatus, ...]:
    """The states of up to ``limit`` hosts whose id is greater than ``after``, by id."""
    rows = connection.execute(
        "SELECT * FROM job_device WHERE job_id = ? AND device_id > ? ORDER BY device_id LIMIT ?",
        (job_id, after or "", limit),
    ).fetchall()
    return tuple(
        DeviceStatus(
            device_id=row["device_id"],
            state=DeviceState(row["state"]),
            attempts=row["attempts"],
            at=None if row["at"] is None else datetime.fromisoformat(row["at"]),
            error=row["error"],
        )
        for row in rows
    )


def not_clean(connection: sqlite3.Connection, job_id: str) -> tuple[str, ...]:
    """Of a detection: the hosts that carry the version, or did not say that they do not."""
    rows = connection.execute(
        "SELECT device_id FROM job_device WHERE job_id = ? AND carries IS NOT 0 ORDER BY device_id", (job_id,)
    ).fetchall()
    return tuple(row["device_id"] for row in rows)


def forget(connection: sqlite3.Connection, job_id: str) -> None:
    """Delete a detection: it has no effect to account for."""
    connection.execute("DELETE FROM job WHERE job_id = ? AND kind = 'detect'", (job_id,))
