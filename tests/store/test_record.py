"""The record: one trail per deployment, appended to exactly once, chained, with a projection that is its fold."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from eucora.domain import facts as f
from eucora.domain.errors import Conflict
from eucora.domain.rollout import fold
from eucora.ports.record import FactBatch, Record, StreamConflict
from eucora.store.chain import GENESIS, chain, deployment_stream, draft
from eucora.store.engine import Database
from eucora.store.record import PostgresRecord
from tests.store.histories import batch, batches, completed, plan_of, small
from tests.store.rows import projected, stored


@pytest.fixture
def record(database: Database) -> PostgresRecord:
    return PostgresRecord(database)


def test_it_is_a_record(record: PostgresRecord) -> None:
    assert isinstance(record, Record)


async def test_what_was_appended_is_read_back_in_order(record: PostgresRecord) -> None:
    facts = completed()
    for part in batches(facts, 4):
        await record.append(part)
    assert await record.read("d-1") == facts
    assert await record.read("d-1", after=len(facts) - 2) == facts[-2:]
    assert await record.read("d-2") == ()


async def test_every_event_carries_the_hash_of_the_one_before(
    record: PostgresRecord, owner: psycopg.Connection
) -> None:
    facts = small()
    for part in batches(facts, 5):
        await record.append(part)
    drafts = [draft(fact, correlation_id=plan_of().correlation_id) for fact in facts]
    expected = chain("deployment/d-1", drafts)
    events = stored(owner, "deployment/d-1")
    assert [(one["sequence"], one["previous_hash"], one["hash"]) for one in events] == [
        (one.sequence, one.previous_hash, one.hash) for one in expected
    ]
    assert events[0]["previous_hash"] == GENESIS
    head = owner.execute("SELECT length, hash FROM stream_head WHERE stream = 'deployment/d-1'").fetchone()
    assert head == (len(facts), expected[-1].hash)


async def test_a_batch_that_is_stored_counts_as_success_and_changes_nothing(
    record: PostgresRecord, owner: psycopg.Connection
) -> None:
    facts = small()
    first = await record.append(batch(facts, 1, 4))
    before = (stored(owner, "deployment/d-1"), projected(owner))
    again = await record.append(batch(facts, 1, 4))
    assert (again.sequence, again.hash, again.appended) == (first.sequence, first.hash, 0)
    assert (stored(owner, "deployment/d-1"), projected(owner)) == before
    inside = await record.append(batch(facts, 2, 3))
    assert (inside.sequence, inside.appended) == (4, 0)


async def test_of_a_batch_whose_beginning_is_stored_only_the_rest_is_appended(record: PostgresRecord) -> None:
    facts = small()
    await record.append(batch(facts, 1, 4))
    result = await record.append(batch(facts, 3, 9))
    assert (result.sequence, result.appended) == (9, 5)
    assert await record.read("d-1") == facts[:9]


async def test_other_facts_at_stored_sequences_are_refused_whole(record: PostgresRecord) -> None:
    facts = small()
    await record.append(batch(facts, 1, 4))
    other = replace(facts[3], at=facts[3].at + timedelta(microseconds=1))
    forged = FactBatch(deployment_id="d-1", first_sequence=3, facts=(facts[2], other, facts[4]))
    with pytest.raises(StreamConflict) as refused:
        await record.append(forged)
    assert (refused.value.code, refused.value.sequence, refused.value.head) == ("stream_conflict", 4, 4)
    assert await record.read("d-1") == facts[:4]


@pytest.mark.parametrize("first", [2, 6])
async def test_a_gap_is_refused(record: PostgresRecord, first: int, owner: psycopg.Connection) -> None:
    facts = small()
    if first > 2:
        await record.append(batch(facts, 1, 4))
    with pytest.raises(StreamConflict):
        await record.append(batch(facts, first))
    stands = owner.execute("SELECT length FROM stream_head WHERE stream = 'deployment/d-1'").fetchone()
    assert stands == (None if first == 2 else (4,))


async def test_a_plan_of_another_deployment_does_not_begin_the_stream(record: PostgresRecord) -> None:
    with pytest.raises(StreamConflict):
        await record.append(FactBatch(deployment_id="d-9", first_sequence=1, facts=small()[:1]))


async def test_facts_that_do_not_fold_leave_no_trace(record: PostgresRecord, owner: psycopg.Connection) -> None:
    facts = small()
    await record.append(batch(facts, 1, 2))
    with pytest.raises(ValueError, match="created already"):
        await record.append(FactBatch(deployment_id="d-1", first_sequence=3, facts=(facts[2], facts[0])))
    assert await record.read("d-1") == facts[:2]
    assert await record.append(batch(facts, 3)) is not None


async def test_a_taken_correlation_id_is_a_conflict(record: PostgresRecord, owner: psycopg.Connection) -> None:
    await record.append(batch(small(1), 1, 2))
    created = small(2)[0]
    assert isinstance(created, f.DeploymentCreated)
    taken = replace(created, plan=replace(created.plan, correlation_id=plan_of(1).correlation_id))
    with pytest.raises(Conflict) as refused:
        await record.append(batch((taken,)))
    assert (refused.value.code, refused.value.field) == ("correlation_id_taken", "correlation_id")
    assert owner.execute("SELECT count(*) FROM event WHERE stream = 'deployment/d-2'").fetchone() == (0,)


async def test_the_same_batch_from_many_writers_at_once_is_stored_once(
    database: Database, owner: psycopg.Connection
) -> None:
    facts = small()
    writers = [PostgresRecord(database) for _ in range(5)]
    for part in batches(facts, 4):
        results = await asyncio.gather(*(writer.append(part) for writer in writers))
        assert sorted(one.appended for one in results) == [0, 0, 0, 0, len(part.facts)]
        assert {one.sequence for one in results} == {part.last_sequence}
    assert len(stored(owner, "deployment/d-1")) == len(facts)


async def test_of_different_batches_at_once_one_is_stored_and_the_others_are_refused(database: Database) -> None:
    facts = small()
    await PostgresRecord(database).append(batch(facts, 1, 2))
    rivals = [
        FactBatch(
            deployment_id="d-1", first_sequence=3, facts=(replace(facts[2], at=facts[2].at + timedelta(seconds=n)),)
        )
        for n in range(5)
    ]
    results = await asyncio.gather(
        *(PostgresRecord(database).append(rival) for rival in rivals), return_exceptions=True
    )
    assert sum(isinstance(one, StreamConflict) for one in results) == 4
    assert len(await PostgresRecord(database).read("d-1")) == 3


async def test_many_streams_are_written_side_by_side(record: PostgresRecord) -> None:
    histories = {number: small(number) for number in range(1, 9)}

    async def write(facts: tuple[f.Fact, ...]) -> None:
        for part in batches(facts, 3):
            await record.append(part)

    await asyncio.gather(*(write(facts) for facts in histories.values()))
    for number, facts in histories.items():
        assert await record.read(f"d-{number}") == facts


async def test_a_writer_that_remembers_an_old_state_takes_the_stored_one(
    database: Database, owner: psycopg.Connection
) -> None:
    facts = completed()
    one, other = PostgresRecord(database), PostgresRecord(database)
    for index, part in enumerate(batches(facts, 3)):
        await (one if index % 2 else other).append(part)
    assert projected(owner)["deployment"][0]["sequence"] == len(facts)
    assert await one.read("d-1") == facts


async def test_a_lost_projection_is_rebuilt_from_the_record(database: Database, owner: psycopg.Connection) -> None:
    facts = small()
    await PostgresRecord(database).append(batch(facts, 1, 8))
    owner.execute("DELETE FROM hold; DELETE FROM plane_run; DELETE FROM ring_run; DELETE FROM deployment")
    await PostgresRecord(database).append(batch(facts, 9))
    row = projected(owner)["deployment"][0]
    assert (row["state"], row["sequence"]) == (fold(facts).state.value, len(facts))


@pytest.mark.parametrize("state", ["{}", '{"plan": 1}', "[]"])
async def test_a_projected_state_of_another_release_is_folded_again(
    database: Database, owner: psycopg.Connection[Any], state: str
) -> None:
    facts = small()
    await PostgresRecord(database).append(batch(facts, 1, 8))
    owner.execute("UPDATE deployment SET state_json = %s", [state])
    await PostgresRecord(database).append(batch(facts, 9))
    assert projected(owner)["deployment"][0]["state"] == fold(facts).state.value


async def test_a_stream_begins_with_its_creation(record: PostgresRecord) -> None:
    with pytest.raises(StreamConflict, match="does not begin it"):
        await record.append(FactBatch(deployment_id="d-1", first_sequence=1, facts=small()[1:3]))


@pytest.mark.parametrize("first", [0, -1])
def test_a_batch_has_facts_and_a_place(first: int) -> None:
    with pytest.raises(ValueError, match="begins at 1"):
        FactBatch(deployment_id="d-1", first_sequence=first, facts=small()[:1])
    with pytest.raises(ValueError, match="holds facts"):
        FactBatch(deployment_id="d-1", first_sequence=1, facts=())


def test_the_stream_is_named_after_the_deployment() -> None:
    assert deployment_stream("d-1") == "deployment/d-1"
