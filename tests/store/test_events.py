"""The events of all streams can be followed without missing one, and other streams are chained alike."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text

from eucora.store import migrate
from eucora.store.chain import GENESIS
from eucora.store.engine import Database, driver_url
from eucora.store.event_queries import (
    EventFilter,
    EventView,
    append_event,
    events_of,
    list_events,
)
from eucora.store.record import PostgresRecord
from tests.store.histories import batch, plan_of, small
from tests.store.test_queries import all_pages

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ALL = EventFilter(tenant=None)


async def note(database: Database, stream: str = "security", number: int = 1, **changes: Any) -> int:
    values: dict[str, Any] = {
        "type": "ACCESS_DENIED",
        "actor": "zoe",
        "role": "none",
        "at": NOON,
        "payload": {"number": number},
        **changes,
    }
    async with database.unit_of_work() as session:
        return await append_event(session, stream, **values)


async def follow(database: Database, cursor: str | None, limit: int = 3) -> tuple[list[EventView], str]:
    """What can be read behind a cursor, to its end."""
    found: list[EventView] = []
    while True:
        async with database.unit_of_work() as session:
            page = await list_events(session, ALL, limit=limit, cursor=cursor)
        found += page.items
        assert page.next_cursor is not None
        if not page.items:
            return found, page.next_cursor
        cursor = page.next_cursor


async def test_other_streams_are_chained_like_deployments(database: Database) -> None:
    assert [await note(database, number=number) for number in (1, 2, 3)] == [1, 2, 3]
    async with database.unit_of_work() as session:
        events = (await events_of(session, "security")).items
        assert (await events_of(session, "nothing")).items == ()
    assert [event.previous_hash for event in events] == [GENESIS, events[0].hash, events[1].hash]
    assert [event.payload for event in events] == [{"number": 1}, {"number": 2}, {"number": 3}]


async def test_an_event_is_undone_with_its_transaction(database: Database) -> None:
    async def append_and_fail() -> None:
        async with database.unit_of_work() as session:
            await append_event(session, "security", type="T", actor="a", role="r", at=NOON, payload={"half": "done"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await append_and_fail()
    async with database.unit_of_work() as session:
        assert (await events_of(session, "security")).items == ()


async def test_nobody_but_the_record_writes_a_deployment_s_stream(database: Database) -> None:
    with pytest.raises(ValueError, match="workflow alone"):
        await note(database, "deployment/d-1")


async def test_many_writers_of_one_stream_take_their_turns(database: Database) -> None:
    sequences = await asyncio.gather(*(note(database, number=number) for number in range(12)))
    assert sorted(sequences) == list(range(1, 13))


async def test_the_events_of_a_stream_are_paged_by_sequence(database: Database) -> None:
    facts = small()
    await PostgresRecord(database).append(batch(facts))

    async def page(cursor: str | None) -> Any:
        async with database.unit_of_work() as session:
            return await events_of(session, "deployment/d-1", limit=7, cursor=cursor)

    assert [event.sequence for event in await all_pages(page)] == list(range(1, len(facts) + 1))
    async with database.unit_of_work() as session:
        rest = await events_of(session, "deployment/d-1", after=len(facts) - 2)
        assert [event.type for event in rest.items] == [facts[-2].type, facts[-1].type]


async def test_filters_of_events_hold_together(database: Database) -> None:
    await PostgresRecord(database).append(batch(small(), 1, 6))
    await note(database)
    await note(database, number=2, tenant="other", at=NOON + timedelta(days=1))

    async def found(**wanted: Any) -> list[str]:
        async with database.unit_of_work() as session:
            page = await list_events(session, EventFilter(**{"tenant": "default", **wanted}))
        return [f"{event.stream}:{event.sequence}" for event in page.items]

    assert await found(types=("ACCESS_DENIED",)) == ["security:1"]
    assert await found(types=("ACCESS_DENIED", "DEPLOYMENT_CREATED")) == ["deployment/d-1:1", "security:1"]
    assert await found(stream="deployment/d-1", types=("RISK_ASSESSED",)) == ["deployment/d-1:3"]
    assert await found(actor="zoe") == ["security:1"]
    assert await found(tenant="other") == ["security:2"]
    assert await found(tenant=None, since=NOON + timedelta(hours=1)) == ["security:2"]
    assert await found(until=NOON) == [f"deployment/d-1:{number}" for number in range(1, 7)]
    assert await found(correlation_id=plan_of(1).correlation_id, types=("CAB_APPROVED",)) == ["deployment/d-1:4"]


async def test_a_follower_misses_no_event_that_is_committed_late(
    database: Database, application: psycopg.Connection[Any]
) -> None:
    await note(database, "a/1")
    application.autocommit = False
    # A slow writer: it began before the others and commits after them.
    application.execute("SELECT * FROM open_stream('slow/1')")
    await note(database, "b/1")
    before, cursor = await follow(database, None)
    assert [event.stream for event in before] == ["a/1"]
    await note(database, "c/1")
    application.execute(
        "INSERT INTO event (stream_month, stream, sequence, type, actor, role, at, correlation_id, payload,"
        " error_class, previous_hash, hash, tenant) SELECT stream_month, stream, 1, 'T', 'a', 'r', now(), '', '{}',"
        " 'NONE', hash, repeat('a', 64), 'default' FROM stream_head WHERE stream = 'slow/1'"
    )
    application.commit()
    after, _ = await follow(database, cursor)
    assert sorted(event.stream for event in before + after) == ["a/1", "b/1", "c/1", "slow/1"]


async def test_a_follower_sees_every_event_of_many_writers_once(database: Database) -> None:
    done = asyncio.Event()
    seen: list[tuple[str, int]] = []

    async def read() -> None:
        cursor: str | None = None
        while True:
            last = done.is_set()
            found, cursor = await follow(database, cursor, limit=5)
            seen.extend((event.stream, event.sequence) for event in found)
            if last:
                return

    async def write(stream: str) -> None:
        for number in range(12):
            await note(database, stream, number)

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(f"noun/{number}") for number in range(4)))
    done.set()
    await reader
    assert len(seen) == len(set(seen)) == 48


async def test_the_order_goes_on_after_a_restore_into_a_younger_cluster(
    database: Database, owner_database_url: str, postgres: Any, database_name: str
) -> None:
    await note(database, number=1)
    before, cursor = await follow(database, None)
    # As if the record came from a cluster that had counted much further.
    with postgres.connect(database_name) as administrator:
        administrator.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
        administrator.execute("UPDATE event SET transaction = transaction + 1000000000")
        administrator.execute("ALTER TABLE event ENABLE ALWAYS TRIGGER event_is_append_only")
    assert await asyncio.to_thread(migrate.upgrade, owner_database_url) == migrate.head()
    await note(database, number=2)
    after, _ = await follow(database, None)
    assert [event.payload["number"] for event in after] == [1, 2]
    assert len(before) == 1
    assert cursor


def test_the_event_view_shows_columns_that_exist(owner_database_url: str) -> None:
    engine = create_engine(driver_url(owner_database_url))
    with engine.connect() as connection:
        names = set(connection.execute(text("SELECT * FROM event LIMIT 0")).keys())
    engine.dispose()
    assert set(EventView.__dataclass_fields__) | {"stream_month", "transaction"} == names
