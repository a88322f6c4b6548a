"""Processes are known by id and start time; a job's are known by what their environment carries."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from eucora.connectors.ansible import workers
from eucora.connectors.ansible.processes import MARKER, ProcessIdentity, end_marked
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.workers import Watch

ME = ProcessIdentity.current()
DEAD = ProcessIdentity(pid=2**22 + 7, started=1.0)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        env={**os.environ, MARKER: "folder:job-1"},
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def test_this_process_lives_and_another_of_its_id_does_not() -> None:
    assert ME.alive
    assert not ProcessIdentity(pid=ME.pid, started=ME.started - 60).alive
    assert not DEAD.alive


def test_a_zombie_does_not_live(sleeper: subprocess.Popen[bytes]) -> None:
    process = psutil.Process(sleeper.pid)
    identity = ProcessIdentity(pid=sleeper.pid, started=process.create_time())
    assert identity.alive
    os.kill(sleeper.pid, 9)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken its status
    assert not identity.alive


def test_only_the_marked_processes_are_ended(sleeper: subprocess.Popen[bytes]) -> None:
    assert end_marked("folder:job-2") == 0
    assert end_marked("folder:job") == 0
    assert sleeper.poll() is None
    assert end_marked("folder:job-1") == 1
    assert not psutil.pid_exists(sleeper.pid)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prepare()
    return store


def test_workers_that_died_do_not_count(store: Store) -> None:
    with store.change() as connection:
        workers.register(connection, ME)
        workers.register(connection, ME)
        workers.register(connection, DEAD)
        assert workers.alive(connection) == (ME,)
        workers.unregister(connection, ME)
        assert workers.alive(connection) == ()


def test_a_run_is_abandoned_when_no_worker_has_lived_for_the_time_of_grace(store: Store) -> None:
    now = [100.0]
    watch = Watch(store, grace=30, clock=lambda: now[0])

    def at(seconds: float) -> bool:
        now[0] = 100.0 + seconds
        return watch.abandoned()

    with store.change() as connection:
        workers.register(connection, ME)
    assert not at(50)
    with store.change() as connection:
        workers.unregister(connection, ME)
    assert not at(60)
    assert not at(80)
    assert at(80.5)
    with store.change() as connection:
        workers.register(connection, ME)
    assert not at(82)
