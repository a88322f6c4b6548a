"""The demo's verdict: one false claim, one duplicate or one other state, and it has failed."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from rich.console import Console

from eucora.cli.context import Output
from eucora.demo.board import Board
from eucora.demo.ledgers import Effect, duplicated, missing_effects
from eucora.demo.run import verdict
from eucora.demo.scenarios import EXPECTED
from eucora.domain.vocabulary import DeploymentState


@dataclass
class View:
    """As much of a deployment as the verdict looks at."""

    state: DeploymentState


@pytest.fixture
def board() -> Board:
    made = Board(output=Output(as_json=False, console=Console(file=io.StringIO())), live=True)
    for letter, state in EXPECTED.items():
        track = made.track(letter, letter)
        track.view = View(state)  # type: ignore[assignment]
        made.claim(letter, f"{letter} went well", true=True)
    return made


def test_all_true_is_ok(board: Board) -> None:
    assert verdict(board, duplicates=0, audit="verified") == (
        True,
        "DEMO OK A=COMPLETED B=COMPLETED C=ROLLED_BACK D=REJECTED effects_duplicated=0 audit=verified",
    )


def _false_claim(board: Board) -> None:
    board.claim("B", "the worker was killed in PILOT", true=False)


def _other_state(board: Board) -> None:
    board.tracks["C"].view = View(DeploymentState.COMPLETED)  # type: ignore[assignment]


def _no_claims(board: Board) -> None:
    board.claims = [claim for claim in board.claims if claim.scenario != "D"]


def _never_seen(board: Board) -> None:
    board.tracks["A"].view = None


@pytest.mark.parametrize("harm", [_false_claim, _other_state, _no_claims, _never_seen])
def test_anything_false_fails(board: Board, harm: Callable[[Board], None]) -> None:
    harm(board)
    good, line = verdict(board, duplicates=0, audit="verified")
    assert not good
    assert line.startswith("DEMO FAILED ")


@pytest.mark.parametrize(("duplicates", "audit"), [(1, "verified"), (0, "broken")])
def test_a_duplicate_or_a_broken_trail_fails(board: Board, duplicates: int, audit: str) -> None:
    good, line = verdict(board, duplicates=duplicates, audit=audit)
    assert not good
    assert line.startswith("DEMO FAILED ")


def test_the_failed_line_says_what_is_not_so(board: Board) -> None:
    _false_claim(board)
    _, line = verdict(board, duplicates=0, audit="verified")
    assert line.endswith("| B: not so: the worker was killed in PILOT")
    assert "\n" not in line


def effect(ring: str, plane: str, operation: str, *, applied: int = 1, action: str = "") -> Effect:
    return Effect(
        deployment="d",
        ring=ring,
        plane=plane,
        operation=operation,
        revision=1,
        action=action or operation,
        applied=applied,
    )


COMPLETE = [
    effect("LAB", "a", "publish", action="upload"),
    effect("LAB", "a", "publish", action="create_app"),
    effect("LAB", "a", "assign"),
    effect("CANARY", "a", "assign"),
]
RINGS = {"LAB": ("a",), "CANARY": ("a",)}


def test_a_complete_rollout_misses_nothing() -> None:
    assert missing_effects(COMPLETE, rings=RINGS) == []
    assert duplicated(COMPLETE) == []


@pytest.mark.parametrize("index", [1, 2, 3])
def test_an_effect_that_is_not_in_the_ledger_is_missed(index: int) -> None:
    assert len(missing_effects(COMPLETE[:index] + COMPLETE[index + 1 :], rings=RINGS)) == 1


def test_an_effect_applied_twice_is_a_duplicate_and_not_once() -> None:
    twice = [*COMPLETE[:3], effect("CANARY", "a", "assign", applied=2)]
    assert [one.ring for one in duplicated(twice)] == ["CANARY"]
    assert missing_effects(twice, rings=RINGS) == ["assign in CANARY on a: [2]"]


def test_an_empty_ledger_proves_nothing() -> None:
    assert len(missing_effects([], rings=RINGS)) == 3


def test_the_board_draws_a_scenario_before_and_after_its_deployment_is_seen() -> None:
    output = Output(as_json=False, console=Console(file=io.StringIO(), width=120))
    board = Board(output=output, live=True)
    track = board.track("A", "codespell on ansible")
    board.note(track, "evidence sealed")
    output.console.print(board.draw())
    file = output.console.file
    assert isinstance(file, io.StringIO)
    assert "evidence sealed" in file.getvalue()
