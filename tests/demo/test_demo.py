"""The whole demo, as `make demo` runs it: real servers, a real wheel, a killed worker, and the verdict."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from eucora.stack import StackInfo
from eucora.stack.processes import MARKER

ROOT = Path(__file__).parents[2]
SECONDS = 300


def demo(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "eucora.cli.main", "demo", "--examples", str(ROOT / "examples"), *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def stacks_of(folder: Path) -> list[StackInfo]:
    """The stacks that run in ``folder`` now; one that was stopped has removed its record."""
    return [stack for path in folder.rglob("stack.json") if (stack := StackInfo.read(path)) is not None]


def left_behind(folder: Path, stacks: Sequence[StackInfo] = ()) -> list[str]:
    """Processes of the stack of ``folder``: by the markers and ids of ``stacks``, or by where and on what they work.

    Postgres and Temporal have their data in ``folder``: it is in their command lines, Postgres' children work there.
    """
    markers = {stack.marker for stack in stacks}
    pids = {pid for stack in stacks for pid in stack.pids.values()}
    found = []
    for process in psutil.process_iter():
        ours = process.pid in pids
        with suppress(psutil.Error):  # what is another account's can be told by its id and command line alone
            ours = ours or str(folder) in " ".join(process.cmdline())
            ours = ours or process.environ().get(MARKER) in markers or Path(process.cwd()).is_relative_to(folder)
        if ours:
            with suppress(psutil.Error):
                found.append(f"{process.pid} {process.name()}")
    return found


def without_the_wheel() -> NoReturn:
    """The demo installs a real application or nothing: on a machine of our own that may be; CI must fetch it."""
    sentence = "the wheel of codespell cannot be fetched here"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.mark.stack
@pytest.mark.timeout(SECONDS + 30)
def test_the_demo_proves_what_it_claims(tmp_path: Path) -> None:
    done = demo(tmp_path)
    last = done.stdout.splitlines()[-1]
    if "could not be fetched" in last:
        without_the_wheel()
    assert last == ("DEMO OK A=COMPLETED B=COMPLETED C=ROLLED_BACK D=REJECTED effects_duplicated=0 audit=verified"), (
        done.stdout[-4000:]
    )
    assert done.returncode == 0
    assert left_behind(tmp_path) == []


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_without_the_wheel_the_demo_fails_and_says_so(tmp_path: Path) -> None:
    done = demo(tmp_path, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("DEMO FAILED the wheel of codespell could not be fetched")
    assert done.returncode == 1
    assert left_behind(tmp_path) == []


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_ctrl_c_in_the_middle_leaves_no_process_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "eucora.cli.main", "demo", "--examples", str(ROOT / "examples")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "LAB is running" in line or line.startswith("DEMO FAILED"):
                break
        stacks = stacks_of(tmp_path)
        running = left_behind(tmp_path, stacks)
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    if "could not be fetched" in lines[-1]:
        without_the_wheel()
    names = " ".join(running)
    assert "postgres" in names, "what could be left behind was not seen"
    assert "temporal" in names, "what could be left behind was not seen"
    assert (process.returncode, lines[-1]) == (130, "DEMO FAILED interrupted\n")
    assert stacks
    assert left_behind(tmp_path, stacks) == []


def test_without_examples_the_demo_says_where_to_run_it(tmp_path: Path) -> None:
    from eucora.demo.prepare import PreparationFailed, Programs, prepare

    with pytest.raises(PreparationFailed, match="run this in a clone"):
        prepare(tmp_path / "absent", tmp_path / "work", tmp_path / "key.pem", Programs(), say=lambda _sentence: None)


def test_a_program_that_fails_is_named_with_its_last_words() -> None:
    from eucora.demo.prepare import PreparationFailed, Programs

    with pytest.raises(PreparationFailed, match=r"ended with 3: no such thing"):
        Programs().run([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])


def test_nothing_is_started_after_the_end() -> None:
    from eucora.demo.prepare import PreparationFailed, Programs

    programs = Programs()
    programs.end()
    with pytest.raises(PreparationFailed, match="interrupted"):
        programs.run([sys.executable, "-c", "pass"])
