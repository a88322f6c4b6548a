"""``eucora up`` while it watches: a worker that ends is started again, anything else ends the stack."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eucora.cli.commands import machine


class ScriptedStack:
    """Which services ended, look after look; what was started again is kept."""

    def __init__(self, *looks: tuple[str, ...]) -> None:
        self.looks = list(looks)
        self.restarted: list[str] = []
        self.folder = SimpleNamespace(log=lambda name: Path("logs") / f"{name}.log")

    @property
    def info(self) -> SimpleNamespace:
        return SimpleNamespace(pids={"worker": 100 + len(self.restarted)})

    def ended(self) -> tuple[str, ...]:
        return self.looks.pop(0)

    def ending(self, _name: str) -> str:
        return "killed by SIGKILL"

    def restart(self, name: str) -> None:
        self.restarted.append(name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes by pauses alone."""
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(machine, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=pause))
    return now


def kept_up(stack: ScriptedStack) -> tuple[tuple[str, ...], list[str]]:
    said: list[str] = []
    typed: Any = stack
    return machine.keep_up(typed, said.append), said


def test_a_killed_worker_is_started_again_and_it_is_said(clock: list[float]) -> None:
    stack = ScriptedStack((), ("worker",), (), ("api",))
    ended, said = kept_up(stack)
    assert (ended, stack.restarted) == (("api",), ["worker"])
    assert said == [
        "the worker was not asked to end (killed by SIGKILL): starting it again",
        "the worker runs again as process 101; its log goes on in logs/worker.log",
    ]
    assert clock[0] == 2 * machine.LOOK_SECONDS


def test_a_worker_that_ends_over_and_over_is_left_down(clock: list[float]) -> None:
    stack = ScriptedStack(*[("worker",)] * 10)
    ended, _ = kept_up(stack)
    assert (ended, len(stack.restarted)) == (("worker",), machine.MOST_RESTARTS)
    assert clock[0] == 0.0


def test_a_worker_that_ends_now_and_then_is_always_started_again(clock: list[float]) -> None:
    quiet: list[tuple[str, ...]] = [()] * 100
    looks = [look for _ in range(8) for look in (("worker",), *quiet)]
    stack = ScriptedStack(*looks, ("postgres",))
    ended, _ = kept_up(stack)
    assert (ended, len(stack.restarted)) == (("postgres",), 8)
    assert clock[0] > machine.RESTART_WINDOW


def test_a_worker_that_ends_together_with_a_server_ends_the_stack(clock: list[float]) -> None:
    stack = ScriptedStack(("temporal", "worker"))
    assert kept_up(stack) == (("temporal", "worker"), [])
    assert (stack.restarted, clock) == ([], [0.0])
