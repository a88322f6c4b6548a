"""Which workers there are: a job's process goes on while one of them lives, and for a while after the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from eucora.connectors.ansible.processes import ProcessIdentity
from eucora.connectors.ansible.store import Store

__all__ = ["Watch", "alive", "register", "unregister"]

CHECK_SECONDS = 1.0


def register(connection: sqlite3.Connection, process: ProcessIdentity) -> None:
    connection.execute("INSERT OR IGNORE INTO worker VALUES (?, ?)", (process.pid, process.started))


def unregister(connection: sqlite3.Connection, process: ProcessIdentity) -> None:
    connection.execute("DELETE FROM worker WHERE pid = ? AND started = ?", (process.pid, process.started))


def alive(connection: sqlite3.Connection) -> tuple[ProcessIdentity, ...]:
    """Return the registered workers that live."""
    rows = connection.execute("SELECT pid, started FROM worker").fetchall()
    found = (ProcessIdentity(pid=row["pid"], started=row["started"]) for row in rows)
    return tuple(process for process in found if process.alive)


class Watch:
    """Tells a job's process whether it was abandoned. ``clock`` is monotonic, in seconds."""

    def __init__(self, store: Store, *, grace: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._grace = grace
        self._clock = clock
        self._seen = self._checked = clock()

    def abandoned(self) -> bool:
        """Whether no worker has lived for the time of grace; looks at most once a second."""
        now = self._clock()
        if now - self._checked >= CHECK_SECONDS:
            self._checked = now
            with self._store.read() as connection:
                if alive(connection):
                    self._seen = now
        return now - self._seen > self._grace
