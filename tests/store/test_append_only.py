"""The database itself refuses to change the record, whoever asks, and lets a stream only be continued."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, IntegrityConstraintViolation

from eucora.store.engine import Database
from eucora.store.record import PostgresRecord
from tests.store.histories import batch, small
from tests.store.rows import stored

Connection = psycopg.Connection[Any]

CHANGES = [
    "UPDATE event SET actor = 'mallory'",
    "UPDATE event SET stored_at = now()",
    "DELETE FROM event",
    "TRUNCATE event",
    "UPDATE {partition} SET actor = 'mallory'",
    "DELETE FROM {partition}",
    "TRUNCATE {partition}",
    "TRUNCATE event, stream_head CASCADE",
    "DELETE FROM stream_head",
    "TRUNCATE stream_head",
    "UPDATE stream_head SET length = 1",
    "UPDATE stream_head SET hash = repeat('f', 64)",
    "UPDATE stream_head SET stream = 'deployment/d-9', length = length + 1",
]


@pytest.fixture
async def partition(database: Database, owner: Connection) -> str:
    """The name of the partition that holds a deployment's first facts."""
    await PostgresRecord(database).append(batch(small(), 1, 3))
    found = owner.execute("SELECT DISTINCT tableoid::regclass::text FROM event").fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize("change", CHANGES)
def test_the_owner_s_change_is_refused(owner: Connection, partition: str, change: str) -> None:
    before = stored(owner, "deployment/d-1")
    with pytest.raises(InsufficientPrivilege, match="is refused"):
        owner.execute(change.format(partition=partition))
    assert stored(owner, "deployment/d-1") == before


@pytest.mark.parametrize("change", CHANGES)
def test_the_application_s_change_is_refused(
    application: Connection, owner: Connection, partition: str, change: str
) -> None:
    with pytest.raises(InsufficientPrivilege):
        application.execute(change.format(partition=partition))
    assert len(stored(owner, "deployment/d-1")) == 3


@pytest.mark.parametrize("change", CHANGES)
def test_a_superuser_who_switches_triggers_to_replica_is_refused(
    postgres: Any, database_name: str, partition: str, change: str
) -> None:
    with postgres.connect(database_name) as administrator:
        administrator.execute("SET session_replication_role = replica")
        with pytest.raises(InsufficientPrivilege, match="is refused"):
            administrator.execute(change.format(partition=partition))


def test_a_partition_made_later_refuses_changes_too(owner: Connection) -> None:
    owner.execute("SELECT ensure_partition('2031-05-17')")
    owner.execute("SELECT ensure_partition('2031-05-02')")
    for change in ("TRUNCATE event_2031_05", "TRUNCATE event"):
        with pytest.raises(InsufficientPrivilege, match="is refused"):
            owner.execute(change)
    states = owner.execute(
        "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'event_2031_05'::regclass AND tgname LIKE 'event_%'"
    ).fetchall()
    assert sorted(states) == [
        ("event_advances_its_stream", "A"),
        ("event_is_append_only", "A"),
        ("event_is_not_truncated", "A"),
    ]


COPY = """
INSERT INTO {table} (stream_month, stream, sequence, type, actor, role, at, correlation_id, payload, error_class,
    previous_hash, hash, tenant)
SELECT stream_month, {stream}, {sequence}, type, actor, role, at, correlation_id, payload, error_class, {previous},
    {hash}, tenant
FROM event WHERE stream = 'deployment/d-1' AND sequence = 3
"""
FITS: dict[str, str] = {
    "table": "event",
    "stream": "stream",
    "sequence": "4",
    "previous": "hash",
    "hash": "repeat('a', 64)",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequence": "5"},
        {"sequence": "4", "previous": "previous_hash"},
        {"stream": "'deployment/nobody'"},
        {"table": "{partition}", "sequence": "9"},
    ],
    ids=["gap", "other chain", "no head", "directly into the partition"],
)
@pytest.mark.parametrize("role", ["owner", "application"])
def test_an_event_that_does_not_continue_its_stream_is_refused(
    request: pytest.FixtureRequest, partition: str, wrong: dict[str, str], role: str
) -> None:
    connection: Connection = request.getfixturevalue(role)
    statement = COPY.format(**{**FITS, **wrong}).format(partition=partition)
    with pytest.raises((IntegrityConstraintViolation, InsufficientPrivilege)):
        connection.execute(statement)


def test_an_event_that_continues_its_stream_advances_the_head(application: Connection, partition: str) -> None:
    application.execute(COPY.format(**FITS))
    head = application.execute("SELECT length, hash FROM stream_head WHERE stream = 'deployment/d-1'").fetchone()
    assert head == (4, "a" * 64)


def test_the_application_owns_nothing_and_reaches_no_owner_s_function(application: Connection) -> None:
    owned = application.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = current_user"
    ).fetchone()
    assert owned == (0,)
    for statement in (
        "SELECT ensure_partition('2031-06-01')",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE event DISABLE TRIGGER event_is_append_only",
        "DROP TABLE event",
        "UPDATE evidence_pack SET author = 'mallory'",
        "DELETE FROM risk_assessment",
        "UPDATE cab_vote SET outcome = 'accepted'",
        "DELETE FROM deployment",
    ):
        with pytest.raises((InsufficientPrivilege, psycopg.errors.UndefinedFunction)):
            application.execute(statement)
