"""The whole demo, as `make demo` runs it: real servers, a real wheel, a killed worker, and the verdict."""

import os
import signal
import subprocess
import sys
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


def left_behind(folder: Path) -> list[str]:
    """Processes of the stack that was started in ``folder``: by its marker, its recorded ids, or its state folder."""
    recorded = [StackInfo.read(path) for path in folder.rglob("stack.json")]
    stacks = [stack for stack in recorded if stack is not None]
    assert stacks, "no stack was started here, so nothing can be said of what it left"
    markers = {stack.marker for stack in stacks}
    pids = {pid for stack in stacks for pid in stack.pids.values()}
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            ours = environment.get(MARKER) in markers or str(folder) in environment.get("EUCORA_ANSIBLE_STATE", "")
        except psutil.Error:
            ours = False  # another account's: its id alone can tell
        if ours or process.pid in pids:
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
        running = left_behind(tmp_path)
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    if "could not be fetched" in lines[-1]:
        without_the_wheel()
    names = " ".join(running)
    assert "postgres" in names, "what could be left behind was not seen"
    assert "temporal" in names, "what could be left behind was not seen"
    assert (process.returncode, lines[-1]) == (130, "DEMO FAILED interrupted\n")
    assert left_behind(tmp_path) == []


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
