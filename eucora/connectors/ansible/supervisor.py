"""Starts, watches and ends the processes of jobs, on the worker's side."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import structlog

import eucora
from eucora.connectors.ansible import jobs, player, workers
from eucora.connectors.ansible.processes import MARKER, ProcessIdentity, end_marked
from eucora.connectors.ansible.settings import SETTINGS_FILE, AnsibleSettings
from eucora.connectors.ansible.store import Store

__all__ = ["Supervisor", "end_jobs", "marker"]

STOP_SECONDS = 10.0
"""How long a job's process may take to end its play before it is killed."""

log = structlog.get_logger("eucora.connectors.ansible")


def marker(state: Path, job_id: str) -> str:
    """The value that the environment of every process of the job carries."""
    return f"{state}:{job_id}"


class Supervisor:
    """The job processes that this worker started. Blocking; every method may be called from any thread."""

    def __init__(self, settings: AnsibleSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._registered = False

    def ensure_running(self, job_id: str) -> None:
        """Start a process for the job if it has a due host and no living process: also after a kill has cut it off."""
        with self._lock:
            self._reap()
            if self._closed or job_id in self._own:
                return
            self._register()
            with self._store.read() as connection:
                job = jobs.get(connection, job_id)
                if job.running or not jobs.due(connection, job_id, at=datetime.now(UTC)):
                    return
            self._own[job_id] = self._start(job_id)
            log.info(
                "job.started", plane=self._settings.plane, job_id=job_id, kind=job.kind.value, again=job.starts > 0
            )

    def stop(self, job_id: str) -> None:
        """End the job's process and all it started; what it had not done stays due."""
        with self._lock:
            self._reap()
            process = self._own.pop(job_id, None)
        if process is not None:
            end_marked(marker(self._settings.state, job_id))
            _end(process)

    def close(self) -> None:
        """End every process that this worker started, unless another worker of this state folder lives; idempotent."""
        with self._lock:
            self._reap()
            self._closed = True
            own, self._own = self._own, {}
            others: tuple[ProcessIdentity, ...] = ()
            if self._registered:
                self._registered = False
                with self._store.change() as connection:
                    workers.unregister(connection, ProcessIdentity.current())
                    others = workers.alive(connection)
        if others:
            log.info("jobs.left", plane=self._settings.plane, jobs=len(own), workers=len(others))
            for process in own.values():
                process.returncode = 0  # not ours to wait for any more
            return
        for process in own.values():
            process.terminate()  # all at once; what follows waits for each
        for job_id, process in own.items():
            end_marked(marker(self._settings.state, job_id))
            _end(process)

    def _register(self) -> None:
        if not self._registered:
            with self._store.change() as connection:
                workers.register(connection, ProcessIdentity.current())
            self._registered = True

    def _reap(self) -> None:
        self._own = {job_id: process for job_id, process in self._own.items() if process.poll() is None}

    def _start(self, job_id: str) -> subprocess.Popen[bytes]:
        folder = self._settings.state / "jobs" / job_id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / SETTINGS_FILE).write_text(self._settings.model_dump_json(), encoding="utf-8")
        environment = player.environment(self._settings, folder=folder)
        environment[MARKER] = marker(self._settings.state, job_id)
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).parent) for path in eucora.__path__)
        with (folder / "process.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "eucora.connectors.ansible.run", str(folder), job_id],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment,
                start_new_session=True,  # a Ctrl-C at the worker's terminal is the worker's to handle: see `close`
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_jobs(state: Path) -> int:
    """End every process of every job of a plane's state folder; returns how many there were."""
    store = Store(state)
    if not store.path.exists():
        return 0
    with store.read() as connection:
        rows = connection.execute("SELECT job_id FROM job WHERE pid IS NOT NULL").fetchall()
    return sum(end_marked(marker(state, row["job_id"])) for row in rows)
