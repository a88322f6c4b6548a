"""Claims, guard, sealed documents and history keep what their ports promise."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from eucora.domain.errors import Conflict, InvalidInput, NotFound
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import HoldKind, Operation
from eucora.evidence.canonical import digest
from eucora.evidence.errors import EvidenceTampered
from eucora.ports.claims import ChangeClaims
from eucora.ports.guard import Guard
from eucora.ports.history import History, PastRollouts
from eucora.ports.packs import Assessments, PackDocument, Packs
from eucora.ports.progress import Progress
from eucora.store.claims import PostgresClaims
from eucora.store.engine import Database
from eucora.store.guard import PostgresGuard
from eucora.store.history import PostgresHistory
from eucora.store.packs import PostgresAssessments, PostgresPacks
from eucora.store.progress import PostgresProgress
from eucora.store.record import PostgresRecord
from tests.store.histories import batch, completed, plan_of, rejected, rolled_back, small

SCOPE = Scope(business_unit="finance")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_every_adapter_has_the_shape_of_its_port(database: Database) -> None:
    assert isinstance(PostgresClaims(database), ChangeClaims)
    assert isinstance(PostgresGuard(database), Guard)
    assert isinstance(PostgresHistory(database), History)
    assert isinstance(PostgresPacks(database), Packs)
    assert isinstance(PostgresAssessments(database), Assessments)
    assert isinstance(PostgresProgress(database), Progress)


# -- claims


async def test_a_second_change_learns_who_holds_the_first(database: Database) -> None:
    claims = PostgresClaims(database)
    assert await claims.claim("d-1", scope=SCOPE, application_id="editor", rings=("LAB", "CANARY")) is None
    assert await claims.claim("d-1", scope=SCOPE, application_id="editor", rings=("LAB", "CANARY")) is None
    assert await claims.claim("d-2", scope=SCOPE, application_id="editor", rings=("CANARY", "PILOT")) == "d-1"


async def test_a_refused_claim_holds_nothing(database: Database, owner: psycopg.Connection[Any]) -> None:
    claims = PostgresClaims(database)
    await claims.claim("d-1", scope=SCOPE, application_id="editor", rings=("PILOT",))
    assert await claims.claim("d-2", scope=SCOPE, application_id="editor", rings=("LAB", "CANARY", "PILOT")) == "d-1"
    assert owner.execute("SELECT deployment_id, ring FROM change_claim").fetchall() == [("d-1", "PILOT")]


@pytest.mark.parametrize(
    ("scope", "application"),
    [
        (Scope(business_unit="sales"), "editor"),
        (Scope(tenant="other", business_unit="finance"), "editor"),
        (Scope(business_unit="finance", site="berlin"), "editor"),
        (SCOPE, "browser"),
    ],
)
async def test_another_scope_or_application_is_another_change(
    database: Database, scope: Scope, application: str
) -> None:
    claims = PostgresClaims(database)
    await claims.claim("d-1", scope=SCOPE, application_id="editor", rings=("LAB",))
    assert await claims.claim("d-2", scope=scope, application_id=application, rings=("LAB",)) is None


async def test_a_released_change_is_free(database: Database) -> None:
    claims = PostgresClaims(database)
    await claims.claim("d-1", scope=SCOPE, application_id="editor", rings=("LAB",))
    await claims.release("d-1")
    await claims.release("d-1")
    assert await claims.claim("d-2", scope=SCOPE, application_id="editor", rings=("LAB",)) is None


async def test_of_many_claims_at_once_exactly_one_holds(database: Database, owner: psycopg.Connection[Any]) -> None:
    claims = PostgresClaims(database)
    orders = [("LAB", "CANARY", "PILOT"), ("PILOT", "CANARY", "LAB"), ("CANARY", "LAB"), ("PILOT", "LAB")]
    for attempt in range(10):
        answers = await asyncio.gather(
            *(
                claims.claim(f"d-{number}", scope=SCOPE, application_id=f"app-{attempt}", rings=orders[number % 4])
                for number in range(8)
            )
        )
        (winner,) = (number for number, answer in enumerate(answers) if answer is None)
        assert {answer for answer in answers if answer is not None} == {f"d-{winner}"}
        held = owner.execute(
            "SELECT DISTINCT deployment_id, count(*) FROM change_claim WHERE application_id = %s GROUP BY 1",
            [f"app-{attempt}"],
        ).fetchall()
        assert held == [(f"d-{winner}", len(orders[winner % 4]))]


# -- guard


def put(owner: psycopg.Connection[Any], **changes: Any) -> None:
    """Write a stop of the line, which the guard reads."""
    row = {
        "id": "s-1",
        "tenant": "default",
        "plane": "",
        "application_id": "",
        "deployment_id": "",
        "stopped_by": "pia-publisher",
        "why": "bad batch",
        "stopped_at": NOON,
        "released_by": "",
        "release_why": "",
        "released_at": None,
        **changes,
    }
    owner.execute(
        "INSERT INTO line_stop (id, tenant, plane, application_id, deployment_id, stopped_by, why, stopped_at,"
        " released_by, release_why, released_at) VALUES (%(id)s, %(tenant)s, %(plane)s, %(application_id)s,"
        " %(deployment_id)s, %(stopped_by)s, %(why)s, %(stopped_at)s, %(released_by)s, %(release_why)s,"
        " %(released_at)s)",
        row,
    )


@pytest.mark.parametrize(
    ("filters", "stops"),
    [
        ({}, True),
        ({"plane": "sim"}, True),
        ({"plane": "jamf"}, False),
        ({"application_id": "editor-1"}, True),
        ({"application_id": "browser"}, False),
        ({"deployment_id": "d-1"}, True),
        ({"deployment_id": "d-2"}, False),
        ({"plane": "sim", "application_id": "browser"}, False),
        ({"tenant": "other"}, False),
        ({"released_at": NOON, "released_by": "olga-ops"}, False),
    ],
)
async def test_a_stop_of_the_line_stops_what_its_filter_matches(
    database: Database, owner: psycopg.Connection[Any], filters: dict[str, Any], stops: bool
) -> None:
    await PostgresRecord(database).append(batch(small(), 1, 3))
    put(owner, **filters)
    answer = await PostgresGuard(database).may_act("d-1", Operation.ASSIGN, "sim", "LAB")
    assert (answer is not None) is stops
    if answer is not None:
        assert (answer.kind, answer.who, answer.why) == (HoldKind.LINE_STOP, "pia-publisher", "bad batch")
        assert (answer.since, answer.reference) == (NOON, "s-1")


async def test_nothing_stops_a_deployment_on_a_running_line(database: Database) -> None:
    await PostgresRecord(database).append(batch(small(), 1, 3))
    assert await PostgresGuard(database).may_act("d-1", Operation.PUBLISH, "sim", "LAB") is None


async def test_nothing_may_act_for_a_deployment_without_a_record(database: Database) -> None:
    with pytest.raises(NotFound) as refused:
        await PostgresGuard(database).may_act("d-9", Operation.PUBLISH, "sim", "LAB")
    assert refused.value.code == "deployment_not_found"


async def test_under_a_stop_an_automatic_rollback_waits_and_an_operator_s_goes_on(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    facts, guard = rolled_back(), PostgresGuard(database)
    initiated = next(index for index, fact in enumerate(facts, 1) if fact.type == "ROLLBACK_INITIATED")
    await PostgresRecord(database).append(batch(facts, 1, initiated))
    put(owner)
    assert await guard.may_act("d-1", Operation.ROLL_BACK, "sim", "LAB") is not None
    owner.execute("UPDATE deployment SET rollback_automatic = false")
    assert await guard.may_act("d-1", Operation.ROLL_BACK, "sim", "LAB") is None
    assert await guard.may_act("d-1", Operation.ASSIGN, "sim", "LAB") is not None


# -- sealed documents


def pack(version: int = 1, **document: Any) -> PackDocument:
    content = {"application": {"name": "Editor"}, "version": version, "rate": 97.5, **document}
    return PackDocument(
        pack_id="pack-1",
        version=version,
        pack_digest=digest(content),
        release_digest="r" * 64,
        author="paul-packager",
        scope=SCOPE,
        document=content,
    )


async def test_a_pack_is_read_as_it_was_sealed(database: Database) -> None:
    packs = PostgresPacks(database)
    await packs.store(pack())
    await packs.store(pack())
    found = await packs.load(pack().pack_digest)
    assert found.created_at is not None
    assert replace(found, created_at=None) == pack()


async def test_a_pack_with_another_digest_is_not_stored(database: Database) -> None:
    with pytest.raises(InvalidInput) as refused:
        await PostgresPacks(database).store(replace(pack(), pack_digest="0" * 64))
    assert refused.value.code == "digest_mismatch"


async def test_a_version_is_one_document(database: Database) -> None:
    packs = PostgresPacks(database)
    await packs.store(pack())
    with pytest.raises(Conflict) as refused:
        await packs.store(pack(added=True))
    assert refused.value.code == "pack_version_taken"


async def test_a_pack_nobody_sealed_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound) as refused:
        await PostgresPacks(database).load("0" * 64)
    assert refused.value.code == "pack_not_found"


async def test_a_pack_that_was_tampered_with_is_not_read(database: Database, owner: psycopg.Connection[Any]) -> None:
    await PostgresPacks(database).store(pack())
    owner.execute("UPDATE evidence_pack SET document = '{\"application\": {}}'")
    with pytest.raises(EvidenceTampered):
        await PostgresPacks(database).load(pack().pack_digest)


async def test_assessments_are_sealed_alike(database: Database, owner: psycopg.Connection[Any]) -> None:
    assessments, document = PostgresAssessments(database), {"score": 14, "inputs": []}
    identity = digest(document)
    await assessments.store(identity, document)
    await assessments.store(identity, document)
    assert await assessments.load(identity) == document
    with pytest.raises(InvalidInput):
        await assessments.store("0" * 64, document)
    with pytest.raises(NotFound):
        await assessments.load("0" * 64)
    owner.execute("UPDATE risk_assessment SET document = '{\"score\": 1}'")
    with pytest.raises(EvidenceTampered):
        await assessments.load(identity)


# -- history


async def test_history_counts_ended_rollouts_that_touched_a_device(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    record = PostgresRecord(database)
    for facts in (small(1), completed(2), rejected(3), rolled_back(4)):
        await record.append(batch(facts))
    await record.append(batch(small(5), 1, 12))
    await record.append(batch(small(6), 1, 2))
    owner.execute("UPDATE deployment SET application_id = 'editor'")
    owner.execute("UPDATE deployment SET state = 'FAILED' WHERE id = 'd-6'")
    history = PostgresHistory(database)
    assert await history.of_application("editor", "default") == PastRollouts(completed=2, ended=3)
    assert await history.of_application("editor", "other") == PastRollouts(completed=0, ended=0)
    assert plan_of(1).application.id == "editor-1"
