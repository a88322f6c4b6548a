"""One transaction per unit of work; a database that does not answer is an error that says when to try again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from eucora.domain.errors import InvalidInput, Unavailable
from eucora.store import migrate
from eucora.store.engine import Database, driver_url
from eucora.store.idempotency_queries import find
from eucora.store.record import PostgresRecord
from tests.store.histories import batch, small

NOBODY = "postgresql://eucora_app:secret@127.0.0.1:1/eucora"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:secret@127.0.0.1:5432/eucora",
        "postgres://app:secret@127.0.0.1:5432/eucora",
        "postgresql+psycopg://app:secret@127.0.0.1:5432/eucora",
    ],
)
def test_any_postgres_url_gets_our_driver(url: str) -> None:
    found = driver_url(url)
    assert found.drivername == "postgresql+psycopg"
    assert (found.username, found.host, found.port, found.database) == ("app", "127.0.0.1", 5432, "eucora")


def test_the_folder_of_a_socket_is_a_host() -> None:
    found = driver_url("postgresql://postgres:@/eucora?host=/run/eucora")
    assert found.query["host"] == "/run/eucora"


def test_another_database_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        driver_url("mysql://root@127.0.0.1/eucora")
    assert refused.value.code == "database_url_invalid"


async def test_a_server_that_is_not_there_is_unavailable_everywhere() -> None:
    database = Database.at(NOBODY)
    record = PostgresRecord(database)
    for attempt in (database.ping(), record.append(batch(small(), 1, 1)), record.read("d-1"), _read(database)):
        with pytest.raises(Unavailable) as refused:
            await attempt
        assert refused.value.code == "database_unavailable"
        assert refused.value.retry_after.total_seconds() > 0
    await database.close()


def test_migrations_say_so_too() -> None:
    for ask in (migrate.upgrade, migrate.current):
        with pytest.raises(Unavailable):
            ask(NOBODY)


async def test_connections_that_the_server_ended_are_replaced(database: Database, postgres: Any) -> None:
    await database.ping()
    await _read(database)
    with postgres.connect() as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eucora'"
        )
    with pytest.raises(Unavailable):
        await _read(database)
    await _read(database)
    await database.ping()


async def test_an_append_whose_connection_was_ended_can_be_repeated(database: Database, postgres: Any) -> None:
    record, facts = PostgresRecord(database), small()
    await record.append(batch(facts, 1, 3))
    with postgres.connect() as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eucora'"
        )
    with pytest.raises(Unavailable):
        await record.append(batch(facts, 4, 6))
    assert (await record.append(batch(facts, 4, 6))).appended == 3
    assert await record.read("d-1") == facts[:6]


async def test_a_unit_of_work_is_undone_when_it_fails(database: Database, owner: psycopg.Connection[Any]) -> None:
    async def claim_and_fail() -> None:
        async with database.unit_of_work() as session:
            await session.execute(
                text(
                    "INSERT INTO change_claim (tenant, scope, application_id, ring, deployment_id)"
                    " VALUES ('t', 's', 'a', 'r', 'd')"
                )
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await claim_and_fail()
    assert owner.execute("SELECT count(*) FROM change_claim").fetchone() == (0,)


@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
async def test_text_that_cannot_be_stored_is_the_caller_s_mistake(database: Database, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work() as session:
            await find(session, caller=value, key="k")
    assert refused.value.code == "value_not_storable"


async def test_an_error_of_ours_is_not_hidden(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table"):
        async with database.unit_of_work() as session:
            await session.execute(text("SELECT * FROM no_such_table"))


async def _read(database: Database) -> None:
    async with database.unit_of_work() as session:
        await find(session, caller="pia", key="k")
