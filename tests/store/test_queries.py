"""Lists are complete page by page, filters and scopes hold, and what is not there is said so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from eucora.domain.errors import InvalidInput, NotFound
from eucora.domain.plan import Scope
from eucora.domain.rollout import fold
from eucora.domain.vocabulary import DeploymentState
from eucora.store import deployment_queries as deployments
from eucora.store import review_queries as reviews
from eucora.store.engine import Database
from eucora.store.paging import Page, decode_cursor, encode_cursor
from eucora.store.record import PostgresRecord
from tests.domain.builders import START
from tests.store.histories import batch, completed, rejected, rolled_back, small

EVERYWHERE = Scope()
Session = Any
Fetch = Callable[[str | None], Awaitable[Page[Any]]]


async def all_pages(fetch: Fetch, *, between: Callable[[], Awaitable[None]] | None = None) -> list[Any]:
    """Every item of a list, following its cursors; ``between`` runs after each page."""
    items: list[Any] = []
    cursor: str | None = None
    for _ in range(100):
        page = await fetch(cursor)
        items += page.items
        cursor = page.next_cursor
        if between is not None:
            await between()
        if cursor is None:
            return items
    raise AssertionError("the list has no end")


async def deployment_page(database: Database, cursor: str | None, limit: int = 2, **wanted: Any) -> Page[Any]:
    async with database.unit_of_work() as session:
        chosen = deployments.DeploymentFilter(**{"scope": EVERYWHERE, **wanted})
        return await deployments.list_deployments(session, chosen, limit=limit, cursor=cursor)


async def ids(database: Database, **wanted: Any) -> list[str]:
    page = await deployment_page(database, None, 100, **wanted)
    return sorted(row.id for row in page.items)


# -- deployments


async def test_every_deployment_comes_once_whatever_is_created_meanwhile(database: Database) -> None:
    record = PostgresRecord(database)
    for number in range(1, 8):
        await record.append(batch(small(number), 1, 3))
    numbers = iter(range(100, 120))

    async def create() -> None:
        await record.append(batch(small(next(numbers)), 1, 1))

    # All of them have the same created_at: the id decides.
    found = await all_pages(lambda cursor: deployment_page(database, cursor), between=create)
    seen = [row.id for row in found]
    assert len(seen) == len(set(seen))
    assert {f"d-{number}" for number in range(1, 8)} <= set(seen)


async def test_the_newest_deployment_comes_first(database: Database, owner: psycopg.Connection[Any]) -> None:
    for number in (1, 2, 3):
        await PostgresRecord(database).append(batch(small(number), 1, 1))
        owner.execute(
            "UPDATE deployment SET created_at = %s WHERE id = %s", [START + timedelta(hours=number), f"d-{number}"]
        )
    found = await all_pages(lambda cursor: deployment_page(database, cursor, 1))
    assert [row.id for row in found] == ["d-3", "d-2", "d-1"]
    assert await ids(database, created_from=START + timedelta(hours=2)) == ["d-2", "d-3"]
    assert await ids(database, created_to=START + timedelta(hours=2)) == ["d-1"]


@pytest.fixture
async def four(database: Database) -> Database:
    """Four deployments at their ends, and one under way."""
    record = PostgresRecord(database)
    for facts in (small(1), completed(2), rejected(3), rolled_back(4), small(5)[:12]):
        await record.append(batch(facts))
    return database


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["d-1", "d-2", "d-3", "d-4", "d-5"]),
        ({"states": (DeploymentState.COMPLETED,)}, ["d-1", "d-2"]),
        ({"states": (DeploymentState.REJECTED, DeploymentState.ROLLED_BACK)}, ["d-3", "d-4"]),
        ({"application_id": "editor-2"}, ["d-2"]),
        ({"requester": "pia-publisher"}, ["d-1", "d-2", "d-3", "d-4", "d-5"]),
        ({"requester": "nobody"}, []),
        ({"plane": "sim-mac"}, ["d-2"]),
        ({"plane": "sim", "ring": "LAB"}, ["d-3", "d-5"]),
        ({"ring": "GLOBAL"}, ["d-2"]),
        ({"scope": Scope(tenant="other")}, []),
        ({"scope": Scope(business_unit="sales")}, []),
        ({"scope": Scope(business_unit="finance")}, ["d-1", "d-2", "d-3", "d-4", "d-5"]),
        ({"scope": None}, ["d-1", "d-2", "d-3", "d-4", "d-5"]),
    ],
)
async def test_filters_hold_together(four: Database, wanted: dict[str, Any], found: list[str]) -> None:
    assert await ids(four, **wanted) == found


async def test_a_deployment_is_found_by_id(four: Database) -> None:
    async with four.unit_of_work() as session:
        one = await deployments.get_deployment(session, "d-2", scope=EVERYWHERE)
        assert (one.state, one.scope.business_unit, one.planes) == ("COMPLETED", "finance", ["sim-windows", "sim-mac"])
        assert await deployments.get_state(session, "d-2") == fold(completed(2))
        assert await deployments.find_deployment(session, "d-9", scope=None) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: deployments.get_deployment(s, "d-9", scope=EVERYWHERE),
        lambda s: deployments.get_deployment(s, "d-1", scope=Scope(tenant="other")),
        lambda s: deployments.get_state(s, "d-9"),
    ],
)
async def test_a_deployment_that_is_not_there_is_not_found(
    four: Database, ask: Callable[[Session], Awaitable[Any]]
) -> None:
    async with four.unit_of_work() as session:
        with pytest.raises(NotFound) as refused:
            await ask(session)
    assert refused.value.code == "deployment_not_found"


async def test_rings_planes_and_holds_of_a_deployment(four: Database) -> None:
    async with four.unit_of_work() as session:
        rings = await deployments.ring_runs_of(session, "d-5")
        planes = await deployments.plane_runs_of(session, "d-2")
        assert await deployments.holds_of(session, "d-2") == ()
    assert [(ring.ring, ring.status) for ring in rings] == [("LAB", "running"), ("CANARY", "planned")]
    assert len(planes) == 10
    assert {(plane.status, plane.failed) for plane in planes} == {("assigned", 0)}
    assert planes[-1].figures is not None
    assert [check["name"] for check in rings[0].gate_checks][:2] == ["success_rate", "time_to_compliance"]


# -- reviews


async def test_reviews_are_listed_by_due_date_and_scope(database: Database) -> None:
    record = PostgresRecord(database)
    for number in (1, 2, 3):
        facts = completed(number)
        opened = next(index for index, fact in enumerate(facts, 1) if fact.type == "REVIEW_OPENED")
        await record.append(batch(facts, 1, opened))

    async def pending(cursor: str | None) -> Page[reviews.ReviewView]:
        async with database.unit_of_work() as session:
            return await reviews.pending_reviews(session, scope=EVERYWHERE, limit=2, cursor=cursor)

    async def mine(cursor: str | None) -> Page[reviews.ReviewView]:
        async with database.unit_of_work() as session:
            return await reviews.reviews_requested_by(
                session, "pia-publisher", tenant="default", limit=1, cursor=cursor
            )

    assert [row.id for row in await all_pages(pending)] == ["d-1.1", "d-2.1", "d-3.1"]
    assert [row.id for row in await all_pages(mine)] == ["d-3.1", "d-2.1", "d-1.1"]
    async with database.unit_of_work() as session:
        assert (await reviews.pending_reviews(session, scope=Scope(business_unit="sales"))).items == ()
        one = await reviews.get_review(session, "d-1.1", scope=EVERYWHERE)
        assert (one.ring, one.checkpoint, one.quorum, one.status) == ("CANARY", 1, 1, "open")
        assert (one.application_name, one.author, one.deployment_state) == ("Editor", "paul-packager", "AWAITING_CAB")
        assert one.scope.business_unit == "finance"
        with pytest.raises(NotFound) as refused:
            await reviews.get_review(session, "d-1.1", scope=Scope(tenant="other"))
        assert refused.value.code == "cab_request_not_found"


async def test_a_vote_s_outcome_is_found_by_its_message(database: Database) -> None:
    facts = completed()
    await PostgresRecord(database).append(batch(facts))
    async with database.unit_of_work() as session:
        votes = await reviews.votes_of(session, "d-1.1")
        assert [(vote.voter, vote.accepted) for vote in votes] == [("pia-publisher", False), ("carl-cab", True)]
        assert votes[1].conditions is not None
        assert votes[1].conditions["min_success_rate"] == 97.5
        assert await reviews.vote_outcome(session, votes[1].message_id, deployment_id="d-1") == votes[1]
        assert await reviews.vote_outcome(session, "m-none", deployment_id="d-1") is None


# -- models


async def test_the_shipped_risk_models_are_kept_by_the_migration(owner: psycopg.Connection[Any]) -> None:
    kept = owner.execute("SELECT model_id, status FROM risk_model").fetchall()
    assert set(kept) == {("v1.0", "active"), ("deployment-8", "proposed"), ("quality-5", "proposed")}


# -- cursors


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "AAAA",
        "é",
        encode_cursor(1, 2),
        encode_cursor("x"),
        encode_cursor("not a time", "d-1"),
        encode_cursor("2026-01-05T00:00:00", "d-1"),
        encode_cursor(START, "a\x00b"),
        encode_cursor(START, "d-1", 3),
    ],
)
async def test_a_cursor_of_another_making_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await deployment_page(database, cursor)
    assert (refused.value.code, refused.value.field) == ("invalid_cursor", "cursor")


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_has_bounds(database: Database, limit: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await deployment_page(database, None, limit)
    assert refused.value.code == "invalid_limit"


def test_a_cursor_carries_its_key() -> None:
    key = (START, "d-1 ü", 7)
    assert decode_cursor(encode_cursor(*key), datetime, str, int) == key
