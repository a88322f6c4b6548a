"""An export of a sound record verifies with no server."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from eucora.audit.export import ExportFilter, export, export_to
from eucora.audit.lines import event_line
from eucora.audit.verify import verify, verify_file
from eucora.evidence.canonical import canonical_json, sha256_hex
from eucora.store.engine import Database
from tests.audit.trails import Trail, export_of, fill, reviewed, rolled_back, sealed_plan, simple


async def test_a_sound_record_verifies(database: Database, tmp_path: Path) -> None:
    trails = (simple(1), reviewed(2), rolled_back(3))
    await fill(database, *trails)
    await export_of(database, tmp_path / "trail.jsonl")
    report = verify_file(tmp_path / "trail.jsonl")
    facts = sum(len(trail.facts) for trail in trails)
    assert report.first_problem is None
    assert (report.ok, report.whole, report.streams) == (True, True, 4)
    assert (report.events, report.decided) == (facts + 2, facts)
    assert (report.assessments, report.packs) == (3, sum(len(trail.packs) for trail in trails))


async def test_an_empty_record_verifies(database: Database, tmp_path: Path) -> None:
    lines = await export_of(database, tmp_path / "trail.jsonl")
    assert len(lines) == 2
    assert verify(lines).ok


async def test_the_trail_of_one_deployment_verifies_alone(database: Database, tmp_path: Path) -> None:
    await fill(database, simple(1), simple(2))
    await export_of(database, tmp_path / "trail.jsonl", ExportFilter.of_deployment("d-2"))
    report = verify_file(tmp_path / "trail.jsonl")
    assert (report.ok, report.whole, report.streams, report.assessments) == (True, False, 1, 1)


async def test_documents_may_come_in_portions(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eucora.audit.export._STREAMS_BETWEEN_DOCUMENTS", 1)
    await fill(database, simple(1), simple(2), reviewed(3))
    lines = await export_of(database, tmp_path / "trail.jsonl")
    report = verify(lines)
    assert (report.ok, report.assessments) == (True, 3)
    kinds = [json.loads(line).get("kind") for line in lines]
    first_document = kinds.index("risk_model")
    assert any(line.startswith(b'{"event":') for line in lines[first_document:])
    assert kinds.count("risk_model") == 1


async def test_a_tenant_s_record_verifies_alone(database: Database, tmp_path: Path) -> None:
    other = Trail(plan=sealed_plan(9, tenant="other"))
    other.run()
    await fill(database, simple(1), other)
    await export_of(database, tmp_path / "trail.jsonl", ExportFilter(tenant="other"))
    report = verify_file(tmp_path / "trail.jsonl")
    assert (report.ok, report.whole, report.streams, report.events) == (True, False, 1, len(other.facts))


async def test_a_risk_model_that_the_record_lacks_is_taken_from_the_release(
    database: Database, owner_database_url: str, tmp_path: Path
) -> None:
    await fill(database, simple(1))
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM risk_model")
    assert verify(await export_of(database, tmp_path / "trail.jsonl")).ok


async def test_a_head_without_its_events_is_found(database: Database, owner_database_url: str, tmp_path: Path) -> None:
    await fill(database, simple(1))
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
        connection.execute("DELETE FROM event WHERE stream = 'security'")
    report = verify(await export_of(database, tmp_path / "trail.jsonl"))
    assert str(report.first_problem) == (
        "security: its head is at event 2, its events end at 0: the tail was cut or replaced"
    )


async def test_events_without_a_head_are_found(database: Database, owner_database_url: str, tmp_path: Path) -> None:
    await fill(database, simple(1))
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE stream_head DISABLE TRIGGER stream_head_moves_forward")
        connection.execute("DELETE FROM stream_head WHERE stream = 'security'")
    report = verify(await export_of(database, tmp_path / "trail.jsonl"))
    assert report.first_problem is not None
    assert report.first_problem.why.startswith("the record holds 1 streams and 28 events")


async def test_an_export_that_fails_leaves_no_file(database: Database, tmp_path: Path) -> None:
    async def write_then_export() -> None:
        async with database.unit_of_work() as session:
            await session.execute(text("SELECT 1"))  # the transaction has begun: it can be no snapshot any more
            await export_to(tmp_path / "trail.jsonl", session)

    with pytest.raises(DBAPIError):
        await write_then_export()
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_an_export_is_one_snapshot_and_says_what_it_wrote(database: Database, tmp_path: Path) -> None:
    await fill(database, simple(1))
    path = tmp_path / "trail.jsonl"
    async with database.unit_of_work() as session:
        lines = export(session)
        first = await anext(lines)
        await fill(database, simple(2))  # committed while the export runs
        rest = [line async for line in lines]
    assert verify([first, *rest]).streams == 2
    async with database.unit_of_work() as session:
        summary = await export_to(path, session)
    content = await asyncio.to_thread(path.read_bytes)
    assert (summary.streams, summary.size, summary.sha256) == (3, len(content), sha256_hex(content))


def test_a_public_tool_gets_the_hash_from_a_line() -> None:
    event = {"stream": "s", "sequence": 1, "payload": {"b": 1.5, "a": "ü\n"}}
    line = event_line(canonical_json(event), sha256_hex(canonical_json(event)))
    value = json.loads(line)
    compact = json.dumps(value["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # jq -cS .event
    assert hashlib.sha256(compact.encode()).hexdigest() == value["hash"]
