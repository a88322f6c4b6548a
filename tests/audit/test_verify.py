"""An export of a sound record verifies with no server."""

from __future__ import annotations

from pathlib import Path

from eucora.audit import ExportFilter, verify, verify_file
from eucora.store.engine import Database
from tests.audit.trails import export_of, fill, reviewed, rolled_back, simple


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
