"""The connector's SQLite file: every effect received, the objects, the jobs and what became of each host.

Workers and job processes write to it at the same time (WAL); every change is one immediate transaction on a
connection of its own, so that a process killed at any moment leaves either all of a change or none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eucora.connectors.ansible import errors

__all__ = ["FILE_NAME", "Store"]

FILE_NAME = "ledger.sqlite3"
BUSY_TIMEOUT = 15.0
"""Seconds to wait for another writer."""

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    object_id TEXT PRIMARY KEY,
    package TEXT NOT NULL,                      -- JSON
    created_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS effect (
    key TEXT PRIMARY KEY,
    deployment_id TEXT NOT NULL, ring TEXT NOT NULL, plane TEXT NOT NULL,
    operation TEXT NOT NULL, revision INTEGER NOT NULL,
    request TEXT NOT NULL,                      -- SHA-256 of what the first call asked for
    received INTEGER NOT NULL,                  -- calls that came with this key
    job_id TEXT REFERENCES job (job_id),                 -- NULL: the effect was complete when it was recorded
    outcome TEXT NOT NULL,                      -- JSON: the answer to the first call, and to every other
    correlation_id TEXT,                        -- of the first call
    first_at TEXT NOT NULL, last_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,   -- orders jobs
    job_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,                         -- install, uninstall, detect
    application TEXT NOT NULL,
    object_id TEXT NOT NULL REFERENCES object,
    removed_at TEXT,
    pid INTEGER, process_started REAL,          -- the process that works on it
    starts INTEGER NOT NULL DEFAULT 0,          -- processes started since the last result
    plays INTEGER NOT NULL DEFAULT 0,
    correlation_id TEXT,
    created_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS job_device (
    job_id TEXT NOT NULL REFERENCES job (job_id) ON DELETE CASCADE,
    device_id TEXT NOT NULL,
    state TEXT NOT NULL,                        -- the values of DeviceState
    attempts INTEGER NOT NULL DEFAULT 0,        -- finished ones
    allowed INTEGER NOT NULL,                   -- attempts before a failure is final
    changes INTEGER NOT NULL DEFAULT 0,         -- plays of this job that changed the host and ended well
    playing INTEGER NOT NULL DEFAULT 0,         -- 1: in the play under way
    withdrawn INTEGER NOT NULL DEFAULT 0,       -- 1: a later job took the host over, or the assignment was removed
    carries INTEGER,                            -- detect: whether the host carries the version
    not_before TEXT,                            -- silent hosts: when they are tried again
    error TEXT,
    at TEXT,
    PRIMARY KEY (job_id, device_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS job_device_by_device ON job_device (device_id);
CREATE TABLE IF NOT EXISTS worker (
    pid INTEGER NOT NULL, started REAL NOT NULL, PRIMARY KEY (pid, started)
) WITHOUT ROWID;
"""


class Store:
    """Opens the file of a state folder; safe to use from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def prepare(self) -> None:
        """Make the folder and the tables; idempotent. Raises ``PlanePermanent(code="ledger_version")``."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._connection() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in {0, SCHEMA_VERSION}:
                raise errors.ledger_version(str(self.path), version)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: it commits at the end, or rolls back when the body raises."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: one consistent picture."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
        finally:
            connection.close()
