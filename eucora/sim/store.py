"""What the fleet remembers, in one SQLite file: objects, assignments, commands, the ledger, keys, profiles.

An effect, its ledger entry and the answer stored for its idempotency key are one transaction, committed before the
answer leaves (WAL, ``synchronous=FULL``): a service killed at any moment has applied and recorded an effect, or
neither. Device states are not stored; they follow from what is stored here and the time (``behaviour.py``).
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["FleetStore", "WrongFleet", "decode_indexes", "encode_indexes"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profile (
  application TEXT NOT NULL, version TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (application, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content (
  plane TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (plane, sha256)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS app (
  number INTEGER PRIMARY KEY AUTOINCREMENT, plane TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  marker TEXT, created_at REAL NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS app_name ON app (plane, name, version);
CREATE INDEX IF NOT EXISTS app_marker ON app (plane, marker);
-- what was ordered for devices, in the order it was ordered: kind is assignment, retry or uninstall
CREATE TABLE IF NOT EXISTS command (
  number INTEGER PRIMARY KEY AUTOINCREMENT, plane TEXT NOT NULL, kind TEXT NOT NULL, app INTEGER NOT NULL,
  assignment INTEGER, marker TEXT, ordered_at REAL NOT NULL, ordinal INTEGER NOT NULL, strategy TEXT,
  devices INTEGER NOT NULL, target_sha256 TEXT NOT NULL, indexes BLOB NOT NULL, profile TEXT NOT NULL,
  removed_at REAL, removed_by TEXT
);
CREATE INDEX IF NOT EXISTS command_marker ON command (plane, kind, marker);
CREATE INDEX IF NOT EXISTS command_app ON command (app, number);
CREATE TABLE IF NOT EXISTS ledger (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, plane TEXT NOT NULL, mode TEXT NOT NULL,
  action TEXT NOT NULL, marker TEXT, deployment TEXT, ring TEXT, operation TEXT, revision INTEGER,
  object TEXT, devices INTEGER NOT NULL, applied INTEGER NOT NULL, outcome TEXT NOT NULL, correlation TEXT
);
CREATE INDEX IF NOT EXISTS ledger_deployment ON ledger (deployment, number);
CREATE INDEX IF NOT EXISTS ledger_effect ON ledger (marker, action) WHERE applied;
CREATE TABLE IF NOT EXISTS answer (
  plane TEXT NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL, request_sha256 TEXT NOT NULL,
  status INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (plane, action, key)
) WITHOUT ROWID;
"""


class WrongFleet(Exception):
    """The data file belongs to a fleet of another seed, size or set of planes; the message says what differs."""


def encode_indexes(indexes: Sequence[int]) -> bytes:
    """Pack ascending device indexes, four bytes each."""
    return array("I", indexes).tobytes()


def decode_indexes(blob: bytes) -> array[int]:
    """Unpack what :func:`encode_indexes` packed."""
    unpacked = array("I")
    unpacked.frombytes(blob)
    return unpacked


class FleetStore:
    """The SQLite file; used from one thread. Rows are ``sqlite3.Row``, addressed by column name."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is committed at the end, or nothing is."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def bind(self, identity: Mapping[str, str]) -> None:
        """Write the fleet's identity on first use; raise :class:`WrongFleet` when the file holds another one."""
        with self.transaction():
            for name, value in identity.items():
                self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            stored = {row["name"]: row["value"] for row in self._db.execute("SELECT * FROM meta")}
        differing = [
            f"{name} is {stored[name]}, not {value}" for name, value in identity.items() if stored[name] != value
        ]
        if differing:
            raise WrongFleet(f"the data file is of another fleet: {'; '.join(differing)}; use another --data file")

    # Objects

    def add_content(self, plane: str, sha256: str, size: int) -> bool:
        """Remember content; False when it was there already."""
        cursor = self._db.execute("INSERT OR IGNORE INTO content VALUES (?, ?, ?)", (plane, sha256, size))
        return cursor.rowcount == 1

    def content_size(self, plane: str, sha256: str) -> int | None:
        row = self._one("SELECT size FROM content WHERE plane = ? AND sha256 = ?", plane, sha256)
        return None if row is None else int(row["size"])

    def add_app(
        self, *, plane: str, name: str, version: str, marker: str | None, at: float, body: Mapping[str, Any]
    ) -> int:
        cursor = self._db.execute(
            "INSERT INTO app (plane, name, version, marker, created_at, body) VALUES (?, ?, ?, ?, ?, ?)",
            (plane, name, version, marker, at, json.dumps(body)),
        )
        return int(cursor.lastrowid or 0)

    def app(self, plane: str, number: int) -> sqlite3.Row | None:
        return self._one("SELECT * FROM app WHERE plane = ? AND number = ?", plane, number)

    def apps(self, plane: str, *, marker: str | None, name: str | None, version: str | None) -> list[sqlite3.Row]:
        """Objects that match every criterion given, oldest first."""
        wanted = {"plane": plane, "marker": marker, "name": name, "version": version}
        return self._where("app", wanted)

    # Commands

    def add_command(
        self,
        *,
        plane: str,
        kind: str,
        app: int,
        at: float,
        indexes: Sequence[int],
        target_sha256: str,
        profile: Mapping[str, Any],
        marker: str | None,
        assignment: int | None = None,
        strategy: str | None = None,
    ) -> int:
        """Store an order for devices; its ordinal counts the orders of its kind for the object, from 1."""
        counted = self._one("SELECT count(*) AS n FROM command WHERE app = ? AND kind = ?", app, kind)
        cursor = self._db.execute(
            "INSERT INTO command (plane, kind, app, assignment, marker, ordered_at, ordinal, strategy, devices,"
            " target_sha256, indexes, profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(plane, kind, app, assignment, marker, at, (counted["n"] if counted else 0) + 1, strategy),
                *(len(indexes), target_sha256, encode_indexes(indexes), json.dumps(profile)),
            ),
        )
        return int(cursor.lastrowid or 0)

    def remove_assignment(self, number: int, *, at: float, marker: str | None) -> None:
        """Mark an assignment removed; the first removal's time and marker stay."""
        self._db.execute(
            "UPDATE command SET removed_at = ?, removed_by = ? WHERE number = ? AND removed_at IS NULL",
            (at, marker, number),
        )

    def command(self, plane: str, kind: str, number: int) -> sqlite3.Row | None:
        return self._one("SELECT * FROM command WHERE plane = ? AND kind = ? AND number = ?", plane, kind, number)

    def command_with_app(self, number: int) -> sqlite3.Row:
        """An order with the ``name`` and ``version`` of its object. Raises KeyError for no such order."""
        row = self._one(
            "SELECT command.*, app.name, app.version FROM command JOIN app ON app.number = command.app"
            " WHERE command.number = ?",
            number,
        )
        if row is None:
            raise KeyError(number)
        return row

    def commands_by_marker(self, plane: str, kind: str, marker: str) -> list[sqlite3.Row]:
        """Orders of a kind that carry the marker, oldest first."""
        return self._where("command", {"plane": plane, "kind": kind, "marker": marker})

    def application_commands(self, plane: str, application: str) -> list[sqlite3.Row]:
        """Number and removal of every order that concerns an application on a plane, in the order they came."""
        return self._db.execute(
            "SELECT command.number, command.removed_at FROM command JOIN app ON app.number = command.app"
            " WHERE app.plane = ? AND app.name = ? ORDER BY command.number",
            (plane, application),
        ).fetchall()

    # Profiles

    def put_profile(self, application: str, version: str, body: Mapping[str, Any]) -> None:
        """Set the profile of a version, or with version ``""`` of every version that has none of its own."""
        self._db.execute("INSERT OR REPLACE INTO profile VALUES (?, ?, ?)", (application, version, json.dumps(body)))

    def profile(self, application: str, version: str) -> dict[str, Any] | None:
        """The profile body in force for a version; None when none was set."""
        row = self._one(
            "SELECT body FROM profile WHERE application = ? AND version IN (?, '') ORDER BY version DESC LIMIT 1",
            application,
            version,
        )
        return None if row is None else json.loads(row["body"])

    def profiles(self) -> list[sqlite3.Row]:
        return self._db.execute("SELECT * FROM profile ORDER BY application, version").fetchall()

    # Idempotency keys

    def answer(self, plane: str, action: str, key: str) -> sqlite3.Row | None:
        return self._one("SELECT * FROM answer WHERE plane = ? AND action = ? AND key = ?", plane, action, key)

    def put_answer(self, plane: str, action: str, key: str, *, request_sha256: str, status: int, body: str) -> None:
        self._db.execute(
            "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?)", (plane, action, key, request_sha256, status, body)
        )

    # Ledger

    def add_entry(self, entry: Mapping[str, Any]) -> None:
        """Append an entry; its keys are the ledger's columns but ``number``."""
        names = ", ".join(entry)
        marks = ", ".join("?" * len(entry))
        self._db.execute(f"INSERT INTO ledger ({names}) VALUES ({marks})", tuple(entry.values()))  # noqa: S608 - columns

    def ledger(self, *, after: int, limit: int, **wanted: str | int | None) -> list[sqlite3.Row]:
        """Entries with a number above ``after`` that match every criterion given, in order."""
        return self._where("ledger", wanted, after=after, limit=limit)

    def duplicates(self, deployment: str | None) -> list[sqlite3.Row]:
        """Effects that were applied more than once, with their count."""
        return self._db.execute(
            "SELECT deployment, ring, plane, operation, revision, action, count(*) AS applied FROM ledger"
            " WHERE applied AND deployment IS NOT NULL AND (? IS NULL OR deployment = ?)"
            " GROUP BY deployment, ring, plane, operation, revision, action HAVING count(*) > 1 ORDER BY min(number)",
            (deployment, deployment),
        ).fetchall()

    def _one(self, statement: str, *arguments: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(statement, arguments).fetchone()
        return row

    def _where(
        self, table: str, wanted: Mapping[str, str | int | None], *, after: int = 0, limit: int = 1_000
    ) -> list[sqlite3.Row]:
        given = {name: value for name, value in wanted.items() if value is not None}
        conditions = "".join(f" AND {name} = ?" for name in given)
        return self._db.execute(
            f"SELECT * FROM {table} WHERE number > ?{conditions} ORDER BY number LIMIT ?",  # noqa: S608 - names are ours
            (after, *given.values(), limit),
        ).fetchall()
