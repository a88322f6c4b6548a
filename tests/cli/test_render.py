"""What people see: bars that do not hide failures, five checks, what is waited for and until when."""

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from rich.console import Console, RenderableType

from eucora.cli import render
from eucora.cli.watch import summary_line
from models.wire.cab import ReviewView
from models.wire.deployments import DeploymentSummary, DeploymentView, EventView, PlaneView

NOW = datetime(2025, 11, 3, 9, 0, tzinfo=UTC)


def drawn(thing: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(thing)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("counts", "cells"),
    [
        ({"targeted": 24, "succeeded": 24, "failed": 0, "in_progress": 0, "unknown": 0}, "█" * 24),
        ({"targeted": 24, "succeeded": 12, "failed": 0, "in_progress": 6, "unknown": 6}, "█" * 12 + "▒" * 6 + "░" * 6),
        ({"targeted": 1000, "succeeded": 999, "failed": 1, "in_progress": 0, "unknown": 0}, "█" * 24),
        ({"targeted": 0, "succeeded": 0, "failed": 0, "in_progress": 0, "unknown": 0}, "░" * 24),
    ],
)
def test_a_bar_is_as_long_as_the_devices_it_shows(answers: SimpleNamespace, counts: dict[str, int], cells: str) -> None:
    bar = render.bar(PlaneView.model_validate(answers.plane("sim-mac", **counts)))
    assert bar.plain == cells


def test_one_failure_among_a_thousand_still_has_a_red_cell(answers: SimpleNamespace) -> None:
    bar = render.bar(PlaneView.model_validate(answers.plane("p", targeted=1000, succeeded=999, failed=1, unknown=0)))
    assert [span.style for span in bar.spans if span.end > span.start][:2] == ["green", "red"]


def test_what_was_taken_back_says_so_instead_of_showing_successes(answers: SimpleNamespace) -> None:
    planes = [answers.plane("sim-mac", status="rolled_back", succeeded=24, failed=1)]
    view = DeploymentView.model_validate(
        answers.deployment(
            state="ROLLED_BACK", rings=[answers.ring("CANARY", 0, started_at=NOW.isoformat(), planes=planes)]
        )
    )
    text = drawn(render.deployment_progress(view, now=NOW))
    assert "rolled back  was 24 ok  1 failed  of 25" in text
    assert "█" not in text
    assert "sim-mac rolled back" in summary_line(view)


def test_the_progress_shows_planes_gate_and_deadline(answers: SimpleNamespace) -> None:
    text = drawn(render.deployment_progress(DeploymentView.model_validate(answers.deployment()), now=NOW))
    assert "Fieldnotes 3.2.0  DEPLOYING  dep-1" in text
    assert "20 ok  1 failed  2 at work  2 unknown  of 25" in text
    assert text.count("sim-windows") == 2
    for check in ("success rate", "time to compliance", "incidents", "approval", "rollback rehearsed"):
        assert check in text
    assert "the gate out of CANARY waits until 09:01:00 (in 60 s) at the latest" in text
    assert "rollback rehearsed" in text


def test_an_open_review_is_what_is_waited_for(answers: SimpleNamespace) -> None:
    view = DeploymentView.model_validate(answers.deployment(state="AWAITING_CAB"))
    review = ReviewView.model_validate(answers.review())
    text = drawn(render.deployment_progress(view, now=NOW, review=review))
    assert "waits for the change advisory board before PILOT: 0 of 1 votes, due 2025-11-05 09:00 (in 2 d)" in text


def test_a_soak_is_what_is_waited_for(answers: SimpleNamespace) -> None:
    ring = answers.ring("LAB", 0, started_at=NOW, soak_until=NOW + timedelta(minutes=5))
    view = DeploymentView.model_validate(answers.deployment(rings=[ring]))
    assert render.waits_for(view, None, now=NOW) == "LAB soaks until 09:05:00 (in 5 min)"
    assert render.waits_for(view, None, now=NOW + timedelta(hours=1)) == ""


def test_a_rollback_waits_for_nothing_of_the_gate(answers: SimpleNamespace) -> None:
    view = DeploymentView.model_validate(answers.deployment(rolling_back=True))
    assert render.waits_for(view, None, now=NOW) == ""


def test_holds_and_failures_are_in_the_picture(answers: SimpleNamespace) -> None:
    hold = {"kind": "operator", "who": "ops-olga", "why": "printer trouble", "since": NOW, "reference": ""}
    ring = answers.ring("LAB", 0, started_at=NOW, planes=[answers.plane("sim-mac", failure="the plane said no")])
    view = DeploymentView.model_validate(answers.deployment(holds=[hold], rings=[ring]))
    text = drawn(render.deployment_detail(view, now=NOW))
    assert "held: operator by ops-olga: printer trouble" in text
    assert "the plane said no" in text
    assert "62 of 100 (cab; model v1.0 v1.0)" in text


def test_the_summary_line_changes_only_with_the_rollout(answers: SimpleNamespace) -> None:
    first = DeploymentView.model_validate(answers.deployment())
    later = DeploymentView.model_validate(answers.deployment(updated_at="2025-11-03T10:00:00Z"))
    assert summary_line(first) == summary_line(later)
    assert summary_line(first) == (
        "DEPLOYING  CANARY: sim-windows 20 ok 1 failed 2 unknown of 25; sim-mac 20 ok 1 failed 2 unknown of 25"
        "  CANARY is under way"
    )


def test_tables_say_when_there_is_nothing() -> None:
    assert "no deployments" in drawn(render.deployments_table([]))
    assert "no open reviews" in drawn(render.reviews_table([], now=NOW))


def test_tables_have_a_line_for_each(answers: SimpleNamespace) -> None:
    items = [DeploymentSummary.model_validate(answers.deployment(id=f"dep-{n}")) for n in range(3)]
    assert [f"dep-{n}" in drawn(render.deployments_table(items)) for n in range(3)] == [True] * 3
    assert "62 (cab)" in drawn(render.reviews_table([ReviewView.model_validate(answers.review())], now=NOW))
    event = EventView.model_validate(
        {
            "stream": "deployment/dep-1",
            "sequence": 3,
            "type": "RING_STARTED",
            "actor": "eucora",
            "role": "system",
            "at": NOW,
            "correlation_id": "c-1",
            "ring": "LAB",
            "plane": None,
            "error_class": "NONE",
            "payload": {},
            "previous_hash": "0" * 64,
            "hash": "f" * 64,
        }
    )
    assert "RING_STARTED" in drawn(render.events_table([event]))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "09:00:30 (in 30 s)"), (-300, "08:55:00 (5 min ago)"), (86400 * 3, "2025-11-06 09:00 (in 3 d)")],
)
def test_a_moment_says_how_far_away_it_is(seconds: int, text: str) -> None:
    assert render.moment(NOW + timedelta(seconds=seconds), now=NOW) == text


def test_no_moment_is_a_dash() -> None:
    assert render.moment(None) == "-"


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_open_reviews_never_cut_the_id_that_a_vote_needs(answers: SimpleNamespace, columns: int) -> None:
    identifier = "0b7f3f4e-7f0e-5a52-9f3c-6a3a5d4be001.1"
    table = render.reviews_table([ReviewView.model_validate(answers.review(id=identifier))], now=NOW)
    console = Console(file=io.StringIO(), width=columns, color_system=None)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in captured.get()
    assert (identifier in captured.get()) == (columns >= 60)
    assert ("class" in lines[0], "quorum" in lines[0]) == (columns >= 200, columns >= 120)
