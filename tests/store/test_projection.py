"""The projection is the fold of the facts, after every batch, and the live counts are the newest observation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain import facts as f
from eucora.domain.gates import ClassFigures, Figures
from eucora.domain.rollout import fold
from eucora.domain.vocabulary import HoldKind, SiteClass
from eucora.store import projection
from eucora.store.engine import Database
from eucora.store.progress import PostgresProgress
from eucora.store.record import PostgresRecord
from models.messages.codec import state_from_text, state_to_text
from tests.domain.builders import START
from tests.store.histories import batch, batches, completed, rejected, rolled_back, small
from tests.store.rows import projected

Facts = tuple[f.Fact, ...]


def expected(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """What the rows must say, from the fold alone."""
    state = fold(facts)
    votes = projection.vote_rows(state, dict(enumerate(facts, 1)))
    return {
        "deployment": [projection.deployment_row(state, last=facts[-1], state_json=state_to_text(state))],
        "ring_run": list(projection.ring_rows(state).values()),
        "plane_run": list(projection.plane_rows(state).values()),
        "hold": list(projection.hold_rows(state).values()),
        "cab_request": list(projection.review_rows(state).values()),
        "cab_vote": list(votes),
    }


def check(connection: psycopg.Connection[Any], facts: Facts) -> None:
    found, wanted = projected(connection), expected(facts)
    for table, rows in wanted.items():
        stored = {_key(row): row for row in found[table]}
        assert len(stored) == len(rows), table
        for row in rows:
            mine = stored[_key(row)]
            for name, value in row.items():
                if isinstance(mine[name], dict | list) and isinstance(value, str):
                    continue  # JSON, read back parsed: compared below
                assert mine[name] == value, (table, name)
    state = connection.execute("SELECT state_json::text FROM deployment").fetchone()
    assert state is not None
    assert state_from_text(state[0]) == fold(facts)


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        str(row.get(name)) for name in ("id", "deployment_id", "ring", "plane", "kind", "reference", "message_id")
    )


@pytest.mark.parametrize("history", [small, completed, rejected, rolled_back])
async def test_the_projection_equals_the_fold_after_every_batch(
    database: Database, owner: psycopg.Connection[Any], history: Callable[[], Facts]
) -> None:
    facts, record = history(), PostgresRecord(database)
    for part in batches(facts, 2):
        await record.append(part)
        check(owner, facts[: part.last_sequence])


async def test_the_projection_does_not_depend_on_how_the_facts_were_batched(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    record, facts = PostgresRecord(database), completed()
    for part in batches(facts, 1):
        await record.append(part)
    one_by_one = projected(owner)
    owner.execute(
        "DELETE FROM cab_vote; DELETE FROM cab_request; DELETE FROM hold; DELETE FROM plane_run; DELETE FROM ring_run;"
        " DELETE FROM deployment"
    )
    other = completed(2)
    await PostgresRecord(database).append(batch(other))
    at_once = projected(owner)
    for table, rows in at_once.items():
        assert len(rows) == len(one_by_one[table]), table
    kept = ("state", "reason_sentence", "ring", "sequence", "tier", "risk_score", "updated_at")
    assert [[row[name] for name in kept] for row in at_once["deployment"]] == [
        [row[name] for name in kept] for row in one_by_one["deployment"]
    ]
    counts = ("ring", "plane", "status", "targeted", "succeeded", "failed", "figures", "observed_at")
    assert [[row[name] for name in counts] for row in at_once["plane_run"]] == [
        [row[name] for name in counts] for row in one_by_one["plane_run"]
    ]


# Not the profile's number: four histories with at most 90 prefixes each are all there is to draw.
@settings(max_examples=200)
@given(
    which=st.sampled_from([small, completed, rejected, rolled_back]),
    cut=st.integers(min_value=1, max_value=90),
)
def test_every_prefix_of_a_history_has_rows(which: Callable[[], Facts], cut: int) -> None:
    facts = which()[:cut]
    rows = expected(facts)
    state = fold(facts)
    assert rows["deployment"][0]["sequence"] == len(facts)
    assert [row["ring"] for row in rows["ring_run"]] == [ring.name for ring in state.plan.rings]
    assert sum(row["status"] != "planned" for row in rows["ring_run"]) == len(state.rings)


async def test_a_vote_is_kept_with_its_outcome(database: Database, owner: psycopg.Connection[Any]) -> None:
    await PostgresRecord(database).append(batch(completed()))
    votes = [(row["voter"], row["outcome"], row["code"] != "") for row in projected(owner)["cab_vote"]]
    assert votes == [
        ("pia-publisher", "refused", True),
        ("carl-cab", "accepted", False),
        ("cora-cab", "accepted", False),
    ]


async def test_people_s_words_may_hold_a_nul(database: Database, owner: psycopg.Connection[Any]) -> None:
    facts = small()
    held = f.DeploymentHeld(at=facts[1].at, actor="olga-ops", kind=HoldKind.OPERATOR, why="a\x00b", message_id="m-9")
    with_hold = (facts[0], facts[1], held)
    await PostgresRecord(database).append(batch(with_hold))
    assert projected(owner)["hold"][0]["why"] == "a\ufffdb"
    assert await PostgresRecord(database).read("d-1") == with_hold


def figures(succeeded: int, *, of: int = 10) -> Figures:
    return Figures(
        classes=(ClassFigures(site_class=SiteClass.ONLINE, targeted=of, succeeded=succeeded, unknown=of - succeeded),)
    )


async def test_the_newest_observation_is_shown_whether_fact_or_progress(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    record, progress, facts = PostgresRecord(database), PostgresProgress(database), small()
    observed = next(index for index, fact in enumerate(facts) if isinstance(fact, f.PlaneObserved))
    await record.append(batch(facts, 1, observed))

    async def shown(at: timedelta, succeeded: int) -> int:
        await progress.observed("d-1", "LAB", "sim", figures(succeeded), START + at)
        return int(projected(owner)["plane_run"][0]["succeeded"])

    before = facts[observed].at - START - timedelta(minutes=5)
    assert await shown(before, 3) == 3
    assert await shown(before - timedelta(minutes=1), 2) == 3
    await record.append(batch(facts, observed + 1, observed + 1))
    fact = facts[observed]
    assert isinstance(fact, f.PlaneObserved)
    assert projected(owner)["plane_run"][0]["succeeded"] == fact.figures.succeeded == 10
    assert await shown(before, 4) == 10
    assert await shown(fact.at - START + timedelta(minutes=1), 9) == 9


async def test_progress_writes_no_fact_and_makes_no_row(database: Database, owner: psycopg.Connection[Any]) -> None:
    await PostgresRecord(database).append(batch(small(), 1, 2))
    events = owner.execute("SELECT count(*) FROM event").fetchone()
    await PostgresProgress(database).observed("d-1", "MARS", "sim", figures(1), START)
    await PostgresProgress(database).observed("d-9", "LAB", "sim", figures(1), START)
    assert owner.execute("SELECT count(*) FROM event").fetchone() == events
    assert len(projected(owner)["plane_run"]) == 2
