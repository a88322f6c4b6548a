"""Same key and body, same answer; same key, other body, a conflict; at any speed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eucora.domain.errors import Conflict
from eucora.store.engine import Database
from eucora.store.idempotency_queries import Existing, New, begin, complete, find
from eucora.store.record import PostgresRecord
from tests.store.histories import batch, plan_of, small


async def ask(database: Database, **changes: Any) -> New | Existing:
    values: dict[str, Any] = {
        "caller": "pia",
        "key": "k-1",
        "body_digest": "b" * 64,
        "resource_id": "d-1",
        "correlation_id": "c-1",
        **changes,
    }
    async with database.unit_of_work() as session:
        return await begin(session, **values)


async def test_the_first_request_is_new_and_the_second_finds_it(database: Database) -> None:
    assert await ask(database) == New(resource_id="d-1", correlation_id="c-1")
    again = await ask(database, resource_id="d-other", correlation_id="c-other")
    assert isinstance(again, Existing)
    assert (again.resource_id, again.correlation_id, again.response_status) == ("d-1", "c-1", None)


async def test_the_final_answer_is_kept_and_the_first_one_stays(database: Database) -> None:
    await ask(database)
    for status, response in ((201, {"id": "d-1"}), (500, None)):
        async with database.unit_of_work() as session:
            await complete(session, caller="pia", key="k-1", status=status, response=response)
    again = await ask(database)
    assert isinstance(again, Existing)
    assert (again.response_status, again.response) == (201, {"id": "d-1"})
    async with database.unit_of_work() as session:
        assert await find(session, caller="pia", key="k-1") == again
        assert await find(session, caller="paul", key="k-1") is None


async def test_another_body_under_the_same_key_is_a_conflict(database: Database) -> None:
    await ask(database)
    with pytest.raises(Conflict) as refused:
        await ask(database, body_digest="0" * 64)
    assert (refused.value.code, refused.value.field) == ("idempotency_key_reused", "Idempotency-Key")


async def test_keys_belong_to_their_callers(database: Database) -> None:
    await ask(database)
    assert isinstance(await ask(database, caller="paul", correlation_id="c-2"), New)


async def test_a_correlation_id_belongs_to_one_request(database: Database) -> None:
    await ask(database)
    with pytest.raises(Conflict) as refused:
        await ask(database, key="k-2", resource_id="d-2")
    assert (refused.value.code, refused.value.field) == ("correlation_id_taken", "X-Correlation-ID")
    assert isinstance(await ask(database, key="k-2", resource_id="d-2", correlation_id=None), New)
    assert isinstance(await ask(database, key="k-3", resource_id="d-3", correlation_id=None), New)


async def test_a_correlation_id_of_a_recorded_deployment_is_taken(database: Database) -> None:
    await PostgresRecord(database).append(batch(small(1), 1, 1))
    taken = plan_of(1).correlation_id
    with pytest.raises(Conflict) as refused:
        await ask(database, resource_id="d-2", correlation_id=taken)
    assert refused.value.code == "correlation_id_taken"
    assert isinstance(await ask(database, resource_id="d-1", correlation_id=taken), New)


async def test_a_request_that_was_undone_leaves_the_key_free(database: Database) -> None:
    async def begin_and_fail() -> None:
        async with database.unit_of_work() as session:
            await begin(session, caller="pia", key="k-1", body_digest="b", resource_id="d-1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await begin_and_fail()
    assert isinstance(await ask(database), New)


async def test_of_many_equal_requests_at_once_one_is_new(database: Database) -> None:
    for attempt in range(10):
        answers = await asyncio.gather(
            *(ask(database, key=f"k-{attempt}", correlation_id=f"c-{attempt}") for _ in range(5))
        )
        assert sum(isinstance(answer, New) for answer in answers) == 1


async def test_of_many_different_requests_at_once_under_one_key_one_wins(database: Database) -> None:
    answers = await asyncio.gather(
        *(ask(database, body_digest=f"{number}" * 64, correlation_id=None) for number in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, New) for answer in answers) == 1
    assert {answer.code for answer in answers if isinstance(answer, Conflict)} == {"idempotency_key_reused"}


async def test_of_requests_at_once_with_one_correlation_id_one_wins(database: Database) -> None:
    answers = await asyncio.gather(
        *(ask(database, key=f"k-{number}", resource_id=f"d-{number}") for number in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, New) for answer in answers) == 1
    assert {answer.code for answer in answers if isinstance(answer, Conflict)} == {"correlation_id_taken"}
