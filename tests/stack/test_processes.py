"""No child outlives the stack: not one that ignores SIGTERM, not a grandchild, not when the parent is killed."""

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from eucora.stack.processes import Child, Command, Processes, sweep

WAIT_FOREVER = "import signal; print('up', flush=True); signal.pause()"
IGNORE_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT_FOREVER}"
LEAVE_A_GRANDCHILD = f"""
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WAIT_FOREVER!r}], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
signal.pause()
"""


def python(name: str, code: str, folder: Path) -> Command:
    return Command(
        name=name,
        arguments=[sys.executable, "-c", code],
        environment=dict(os.environ),
        folder=folder,
        log=folder / f"{name}.log",
    )


def first_line(child: Child) -> str:
    """Wait for the child's first line; the test's own timeout bounds it."""
    while child.alive:
        text = child.command.log.read_text()
        if "\n" in text:
            return text.splitlines()[0]
    pytest.fail(child.command.log.read_text())


def gone(*pids: int) -> bool:
    """Whether the processes end within a few seconds."""
    running = []
    for pid in pids:
        try:
            running.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    _ended, alive = psutil.wait_procs(running, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


def test_a_child_ends_when_asked(processes: Processes, tmp_path: Path) -> None:
    child = processes.start(python("service", WAIT_FOREVER, tmp_path))
    assert first_line(child) == "up"
    child.end(grace=10)
    assert child.process.returncode == -signal.SIGTERM


def test_a_child_that_ignores_the_request_is_killed(processes: Processes, tmp_path: Path) -> None:
    child = processes.start(python("service", IGNORE_SIGTERM, tmp_path))
    assert first_line(child) == "up"
    child.end(grace=0.1)
    assert child.process.returncode == -signal.SIGKILL


def test_what_a_child_leaves_behind_is_ended_too(processes: Processes, tmp_path: Path) -> None:
    child = processes.start(python("service", LEAVE_A_GRANDCHILD, tmp_path))
    grandchild = int(first_line(child))
    child.kill()
    assert psutil.pid_exists(grandchild)
    processes.stop([["service"]], grace=1)
    assert gone(grandchild)


def test_a_sweep_touches_nobody_elses_processes(processes: Processes, tmp_path: Path) -> None:
    child = processes.start(python("service", WAIT_FOREVER, tmp_path))
    first_line(child)
    assert sweep(secrets.token_hex(16)) == 0
    assert child.alive
    assert sweep(processes.marker) == 1
    assert gone(child.pid)


def test_a_child_that_ended_by_itself_is_named(processes: Processes, tmp_path: Path) -> None:
    child = processes.start(python("service", "raise SystemExit(3)", tmp_path))
    child.process.wait()
    assert [ended.command.name for ended in processes.ended()] == ["service"]
    assert processes.pids() == {}
    assert child.process.returncode == 3


def test_a_child_outlives_the_thread_that_asked_for_it(processes: Processes, tmp_path: Path) -> None:
    thread = threading.Thread(target=lambda: processes.start(python("service", WAIT_FOREVER, tmp_path)))
    thread.start()
    thread.join()
    child = processes.get("service")
    assert child is not None
    assert first_line(child) == "up"
    assert child.alive


def test_a_program_that_does_not_exist_says_so_in_its_log(processes: Processes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = processes.start(
        Command(name="x", arguments=["no-such-program-here"], environment={}, folder=tmp_path, log=log)
    )
    assert child.process.wait() != 0
    assert "no-such-program-here" in log.read_text() or "No such file" in log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_children_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from eucora.stack.processes import Command, Processes
        folder = Path({str(tmp_path)!r})
        children = Processes(marker="m")
        for name in ("one", "two"):
            command = Command(name=name, arguments=[sys.executable, "-c", {IGNORE_SIGTERM!r}], folder=folder,
                              environment=dict(os.environ), log=folder / (name + ".log"))
            child = children.start(command)
            print(child.pid, flush=True)
        signal.pause()
    """)
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    try:
        assert all(psutil.pid_exists(pid) for pid in pids)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert gone(*pids)


def test_how_a_child_ended_is_told_by_signal_or_status(processes: Processes, tmp_path: Path) -> None:
    killed = processes.start(python("killed", WAIT_FOREVER, tmp_path))
    first_line(killed)
    assert killed.ending == ""
    killed.kill()
    assert killed.ending == "killed by SIGKILL"
    failed = processes.start(python("failed", "raise SystemExit(3)", tmp_path))
    failed.process.wait()
    assert failed.ending == "ended with status 3"
