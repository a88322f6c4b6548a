"""Whatever is changed in the record is found, and the first event that does not hold is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from eucora.audit.lines import ASSESSMENT, PACK, RISK_MODEL, event_line
from eucora.audit.verify import verify
from eucora.evidence.canonical import canonical_json
from eucora.store.chain import MEMBERS
from eucora.store.engine import Database
from tests.audit.tampering import Edit, changed_leaves, events_in, forged, refooted, replaced, with_document
from tests.audit.trails import export_of, fill, reviewed, rolled_back, simple

STREAM = "deployment/d-2"


@pytest.fixture(scope="module")
def sound(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of an export that verifies."""

    async def make() -> list[bytes]:
        database = Database.at(module_database_url, pool_size=3)
        await fill(database, simple(1), reviewed(2), rolled_back(3))
        lines = await export_of(database, tmp_path_factory.mktemp("export") / "trail.jsonl")
        await database.close()
        return lines

    lines = asyncio.run(make())
    assert verify(lines).ok
    return lines


def event_at(lines: list[bytes], stream: str, kind: str) -> tuple[int, dict[str, Any]]:
    """Index of the first line of that type in a stream, and its event."""
    for index in events_in(lines, stream):
        event = json.loads(lines[index])["event"]
        if event["type"] == kind:
            return index, event
    raise AssertionError(f"no {kind} in {stream}")


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("stream", [STREAM, "security"])
def test_a_change_of_any_member_of_any_event_is_found(sound: list[bytes], member: str, stream: str) -> None:
    lines = [sound[0], *(sound[index] for index in events_in(sound, stream)), sound[-1]]
    for index in events_in(lines, stream):
        event = json.loads(lines[index])["event"]
        for changed in changed_leaves({member: event[member]}):
            report = verify(replaced(lines, index, event | changed))
            assert not report.ok, changed
            assert report.first_problem is not None
            if member not in ("stream", "sequence", "type"):
                found = (report.first_problem.stream, report.first_problem.sequence)
                assert found == (stream, event["sequence"]), changed


def drop(kind: str) -> Edit:
    def edit(events: list[dict[str, Any]]) -> None:
        index = next(i for i, event in enumerate(events) if event["type"] == kind)
        del events[index]

    return edit


def change(kind: str, **changes: Any) -> Edit:
    """Change members of the first event of a type; those that are not the event's own are the payload's."""

    def edit(events: list[dict[str, Any]]) -> None:
        event = next(event for event in events if event["type"] == kind)
        for name, value in changes.items():
            target = event if name in event else event["payload"]
            assert name in target
            assert target[name] != value
            target[name] = value

    return edit


def everywhere(member: str, value: Any) -> Edit:
    """Give every member of that name in every payload the value: what a forger does who knows what cites what."""

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for name, item in part.items():
                if name == member:
                    part[name] = value
                else:
                    walk(item)
        elif isinstance(part, list):
            for item in part:
                walk(item)

    def edit(events: list[dict[str, Any]]) -> None:
        for event in events:
            walk(event["payload"])

    return edit


def swap(one: str, other: str) -> Edit:
    def edit(events: list[dict[str, Any]]) -> None:
        kinds = [event["type"] for event in events]
        first, second = kinds.index(one), kinds.index(other)
        events[first], events[second] = events[second], events[first]

    return edit


FORGERIES: dict[str, tuple[Edit, str]] = {
    "a gate that was never evaluated": (drop("GATE_EVALUATED"), STREAM),
    "a vote that was never cast": (drop("CAB_VOTED"), STREAM),
    "a review that was never opened": (drop("REVIEW_OPENED"), STREAM),
    "a rehearsal that never was": (drop("ROLLBACK_REHEARSED"), STREAM),
    "a vote by the requester": (change("CAB_VOTED", actor="pia-publisher"), STREAM),
    "a vote by somebody else": (change("CAB_VOTED", actor="cora-cab"), STREAM),
    "a vote without the role": (change("CAB_VOTED", role="auditor"), STREAM),
    "another decision": (change("CAB_VOTED", decision="REJECTED"), STREAM),
    "a vote on another pack": (change("CAB_VOTED", pack_digest="0" * 64), STREAM),
    "a gate that says otherwise": (change("GATE_EVALUATED", result="PASS"), STREAM),
    "figures that say otherwise": (change("PLANE_OBSERVED", figures={"classes": []}), STREAM),
    "a score of another tier": (change("RISK_ASSESSED", tier="automated"), STREAM),
    "a later approval": (change("CAB_CONDITIONAL", expires_at="2027-01-05T09:00:00.000000Z"), STREAM),
    "another time": (change("CAB_VOTED", at="2026-01-05T09:00:00.000000Z"), STREAM),
    "another order": (swap("RING_STARTED", "RING_PROMOTED"), STREAM),
    "another correlation id": (change("RING_STARTED", correlation_id="00000000-0000-4000-8000-000000000009"), STREAM),
    "a ring that is not in the plan": (change("RING_STARTED", ring="MARS"), STREAM),
    "a rollback that was never begun": (drop("ROLLBACK_INITIATED"), "deployment/d-3"),
    "a rollback without a breach": (change("PLANE_ROLLED_BACK", ring="PILOT"), "deployment/d-3"),
    "a beginning that is missing": (drop("DEPLOYMENT_CREATED"), STREAM),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_rewritten_trail_is_found_because_it_does_not_follow(sound: list[bytes], name: str) -> None:
    edit, stream = FORGERIES[name]
    report = verify(forged(sound, stream, edit))
    assert not report.ok
    assert report.first_problem is not None
    assert report.first_problem.stream == stream
    assert report.first_problem.sequence > 0


def test_facts_that_break_the_decider_are_named(sound: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(facts: Sequence[Any]) -> None:
        if len(facts) >= 7:
            raise AttributeError("no such thing")

    monkeypatch.setattr("eucora.audit.verify.first_unfounded", broken)
    report = verify(sound)
    assert report.first_problem is not None
    assert (report.first_problem.stream, report.first_problem.sequence) == ("deployment/d-1", 7)
    assert report.first_problem.why == "the decider cannot take it: AttributeError: no such thing"


@pytest.mark.parametrize("member", ["type", "payload"])
def test_an_event_that_is_no_fact_is_named(sound: list[bytes], member: str) -> None:
    def edit(events: list[dict[str, Any]]) -> None:
        events[4][member] = "NONSENSE"

    report = verify(forged(sound, STREAM, edit))
    assert report.first_problem is not None
    assert (report.first_problem.stream, report.first_problem.sequence) == (STREAM, 5)
    assert report.first_problem.why.startswith("it is no fact of a deployment")


def test_heads_that_are_missing_or_stand_twice_are_found(sound: list[bytes]) -> None:
    heads = [index for index, line in enumerate(sound) if line.startswith(b'{"head":')]
    without = verify(refooted([line for index, line in enumerate(sound) if index != heads[0]]))
    assert str(without.first_problem).endswith("the head of deployment/d-1 is missing before it")
    swapped = list(sound)
    swapped[heads[0]], swapped[heads[1]] = swapped[heads[1]], swapped[heads[0]]
    assert "its head is missing before that of" in str(verify(refooted(swapped)).first_problem)
    twice = verify(refooted([*sound[:-1], sound[heads[0]]]))
    assert str(twice.first_problem) == "deployment/d-1: its head stands twice"
    last = verify(refooted(sound[: heads[0]]))
    assert str(last.first_problem) == "deployment/d-1: its head is missing"


def test_nothing_stands_behind_the_footer(sound: list[bytes]) -> None:
    report = verify([*sound, sound[-1]])
    assert str(report.first_problem) == f"line {len(sound) + 1} stands behind the footer"


def test_rewriting_without_a_change_gives_the_file_again(sound: list[bytes]) -> None:
    assert forged(sound, STREAM, lambda _events: None) == sound


def test_the_first_event_that_does_not_hold_is_named(sound: list[bytes]) -> None:
    index, event = event_at(sound, STREAM, "CAB_VOTED")
    report = verify(replaced(sound, index, event | {"actor": "mallory"}))
    assert report.first_problem is not None
    assert str(report.first_problem) == (
        f"deployment/d-2 event {event['sequence']} (CAB_VOTED): its content does not have its hash"
    )


def test_a_deployment_cannot_take_the_place_of_another(sound: list[bytes]) -> None:
    def rename(events: list[dict[str, Any]]) -> None:
        for event in events:
            event["stream"] = "deployment/d-9"

    lines = forged(sound, STREAM, rename)
    lines = [line.replace(b'"stream":"deployment/d-2"', b'"stream":"deployment/d-9"') for line in lines]
    report = verify(refooted(lines))
    assert report.first_problem is not None
    assert report.first_problem.why == "the plan is of deployment d-2"


def test_a_tail_that_was_cut_is_found(sound: list[bytes]) -> None:
    last = events_in(sound, STREAM)[-1]
    report = verify(refooted([*sound[:last], *sound[last + 1 :]]))
    assert report.first_problem is not None
    assert "its events end at" in report.first_problem.why


def test_a_missing_event_is_found(sound: list[bytes]) -> None:
    middle = events_in(sound, STREAM)[5]
    report = verify(refooted([*sound[:middle], *sound[middle + 1 :]]))
    assert report.first_problem is not None
    assert (report.first_problem.sequence, report.first_problem.why) == (7, "event 6 is missing before it")


def test_a_stream_that_stands_twice_is_found(sound: list[bytes]) -> None:
    lines = [sound[index] for index in events_in(sound, "security")]
    report = verify(refooted([*sound[:-1], *lines]))
    assert report.first_problem is not None
    assert report.first_problem.why == "its stream was complete before"


def test_a_line_that_was_added_or_removed_is_found_by_the_footer(sound: list[bytes]) -> None:
    documents = [line for line in sound if b'"kind":"evidence_pack"' in line]
    for lines in ([*sound[:-1], documents[0], sound[-1]], [line for line in sound if line != documents[0]]):
        report = verify(lines)
        assert report.first_problem is not None
        assert "SHA-256 in the footer" in report.first_problem.why


@pytest.mark.parametrize("end", [1, 40, -1])
def test_a_file_that_was_cut_short_is_found(sound: list[bytes], end: int) -> None:
    report = verify(sound[:end])
    assert report.first_problem is not None
    assert report.first_problem.why == "the file ends without a footer: it was cut short"


def test_a_stream_that_is_missing_is_found_by_the_record_s_count(sound: list[bytes]) -> None:
    footer = json.loads(sound[-1])["footer"]
    security = set(events_in(sound, "security"))
    head = max(security) + 1
    lines = refooted([line for index, line in enumerate(sound) if index not in security and index != head])
    fitted = json.loads(lines[-1])["footer"] | {"streams": footer["streams"], "events": footer["events"]}
    report = verify([*lines[:-1], canonical_json({"footer": fitted}) + b"\n"])
    assert report.first_problem is not None
    assert report.first_problem.why.startswith("the record holds 4 streams")


@pytest.mark.parametrize(
    "lines",
    [[], [b""], [b"{}\n"], [b"not json\n"], [b'{"format":"eucora-audit/9"}\n'], [b"[1]\n"]],
    ids=["nothing", "empty", "no header", "text", "other format", "list"],
)
def test_what_is_no_export_is_refused_with_a_sentence(lines: list[bytes]) -> None:
    report = verify(lines)
    assert not report.ok
    assert report.first_problem is not None
    assert report.first_problem.stream == ""


@pytest.mark.parametrize("text", [b'{"event":{},"hash":"x"}\n', b'{"event":1}\n', b'{"head":{}}\n', b'{"other":1}\n'])
def test_a_line_of_another_shape_is_refused(sound: list[bytes], text: bytes) -> None:
    assert not verify([sound[0], text, *sound[1:]]).ok


def test_an_event_in_another_spelling_of_the_same_content_holds(sound: list[bytes]) -> None:
    index = events_in(sound, STREAM)[3]
    value = json.loads(sound[index])
    spelled = json.dumps({"hash": value["hash"], "event": value["event"]}, indent=None).encode() + b"\n"
    assert verify(refooted_exactly(sound, index, spelled)).ok
    inner = json.dumps(value["event"]).encode()
    assert verify(refooted_exactly(sound, index, event_line(inner, value["hash"]))).ok


def refooted_exactly(lines: list[bytes], index: int, line: bytes) -> list[bytes]:
    """One line exchanged, the counts of the footer kept."""
    counts = json.loads(lines[-1])["footer"]
    changed = refooted([*lines[:index], line, *lines[index + 1 :]])
    footer = json.loads(changed[-1])["footer"] | {"events": counts["events"]}
    return [*changed[:-1], canonical_json({"footer": footer}) + b"\n"]


@pytest.mark.parametrize("kind", [ASSESSMENT, PACK, RISK_MODEL])
def test_a_changed_document_is_found(sound: list[bytes], kind: str) -> None:
    def edit(document: Any) -> None:
        document["added"] = 1

    report = verify(with_document(sound, kind, edit, keep_digest=True))
    assert report.first_problem is not None
    assert "has the digest" in report.first_problem.why


@pytest.mark.parametrize("kind", [ASSESSMENT, PACK, RISK_MODEL])
def test_a_missing_document_is_found(sound: list[bytes], kind: str) -> None:
    lines = [line for line in sound if f'"kind":"{kind}"'.encode() not in line]
    report = verify(refooted(lines))
    assert report.first_problem is not None
    assert report.first_problem.type in ("RISK_ASSESSED", "EVIDENCE_SEALED")
    assert "is missing" in report.first_problem.why


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("score", 12, "the score is 12, the assessment has"),
        ("raw_score", "12", "the raw score is 12"),
        ("model_version", "v9", "the model version is v9"),
        ("inputs_digest", "0" * 64, "the inputs' digest is"),
        ("model_digest", "0" * 64, "the risk model 000"),
        ("assessment_digest", "0" * 64, "the risk_assessment 000"),
    ],
)
def test_a_score_that_does_not_follow_from_its_inputs_is_found(
    sound: list[bytes], member: str, value: Any, why: str
) -> None:
    report = verify(forged(sound, "deployment/d-1", everywhere(member, value)))
    assert report.first_problem is not None
    assert (report.first_problem.stream, report.first_problem.type) == ("deployment/d-1", "RISK_ASSESSED")
    assert report.first_problem.why.startswith(why)


def test_an_assessment_that_does_not_derive_again_is_found(sound: list[bytes]) -> None:
    lines = sound
    stored = next(json.loads(line) for line in lines if b'"kind":"risk_assessment"' in line)

    def cheaper(document: Any) -> None:
        document["factors"][0]["value"] = "0"

    lines = with_document(lines, ASSESSMENT, cheaper, keep_digest=False)
    forged_digest = next(json.loads(line) for line in lines if b'"kind":"risk_assessment"' in line)["digest"]
    for number in (1, 2, 3):
        _, event = event_at(lines, f"deployment/d-{number}", "RISK_ASSESSED")
        if event["payload"]["assessment_digest"] == stored["digest"]:
            lines = forged(lines, f"deployment/d-{number}", change("RISK_ASSESSED", assessment_digest=forged_digest))
    report = verify(lines)
    assert report.first_problem is not None
    assert report.first_problem.why == "the assessment does not derive again from its inputs"


def test_a_pack_of_another_release_is_found(sound: list[bytes]) -> None:
    report = verify(forged(sound, "deployment/d-1", everywhere("release_digest", "0" * 64)))
    assert report.first_problem is not None
    assert "the pack has the release digest" in report.first_problem.why


async def test_a_row_changed_in_the_database_by_its_administrator_is_found(
    database: Database, postgres: Any, database_name: str, tmp_path: Path
) -> None:
    await fill(database, simple(1))
    with psycopg.connect(postgres.url("eucora_owner", database_name), autocommit=True) as connection:
        connection.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
        connection.execute("UPDATE event SET actor = 'mallory' WHERE stream = 'deployment/d-1' AND sequence = 4")
    report = verify(await export_of(database, tmp_path / "trail.jsonl"))
    assert report.first_problem is not None
    assert (report.first_problem.stream, report.first_problem.sequence) == ("deployment/d-1", 4)
