"""The process of one job: ``python -m eucora.connectors.ansible.run JOB_FOLDER JOB_ID``.

It plays the job's due hosts, batch by batch, until none is due, and writes every host's result into the ledger as it
comes. It outlives the worker that started it, so that a killed worker cuts no installation off. It ends by itself when
no worker has been there for ``orphan_grace`` seconds, and when it is asked to (SIGTERM); one play may take
``run_timeout`` seconds.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic

from eucora.connectors.ansible import content, effects, jobs, player, translate, workers
from eucora.connectors.ansible.jobs import Job, JobKind
from eucora.connectors.ansible.processes import MARKER, ProcessIdentity, end_marked
from eucora.connectors.ansible.settings import SETTINGS_FILE, AnsibleSettings
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.translate import HostResult
from eucora.ports.plane import Package

__all__ = ["JobRun", "main"]

WAIT_SECONDS = 0.1
KEPT_PLAYS = 20
"""Play folders of a job that are kept for people who look for a cause."""

log = logging.getLogger("eucora.connectors.ansible.run")  # to the job's process.log


class JobRun:
    """Works on one job. ``stopping`` is set to end it."""

    def __init__(self, settings: AnsibleSettings, store: Store, job: Job, *, folder: Path, stopping: Event) -> None:
        self._settings = settings
        self._store = store
        self._job = job
        self._folder = folder
        self._stopping = stopping
        self._retry_after = timedelta(seconds=settings.unreachable_interval)
        self._watch = workers.Watch(store, grace=settings.orphan_grace, clock=monotonic)

    def work(self) -> None:
        """Play batches until no host is due, or until it is to stop."""
        with self._store.read() as connection:
            package = effects.object_of(connection, self._job.object_id)
        problem = self._problem(package)
        if problem is not None:
            log.error("job.impossible reason=%s", problem)
            with self._store.change() as connection:
                jobs.give_up(connection, self._job.job_id, problem, retry_after=self._retry_after, at=_now())
            return
        while not self._to_stop():
            with self._store.change() as connection:
                batch = jobs.begin_batch(connection, self._job, limit=self._settings.batch_size, at=_now())
            if batch.devices:
                self._play(package, batch.devices)
            elif batch.waiting:
                self._stopping.wait(WAIT_SECONDS)
            else:
                return

    def _problem(self, package: Package) -> str | None:
        if self._job.starts > jobs.MAX_STARTS:
            return f"The play broke off {jobs.MAX_STARTS} times without a result; see {self._folder / 'process.log'}."
        path = content.path_of(self._settings.state, package.artifact_sha256, package.artifact_name)
        if self._job.kind is JobKind.INSTALL and not content.holds(path, package.artifact_sha256):
            return "The artifact in the content cache is missing or was altered; publish it again."
        return None

    def _play(self, package: Package, devices: tuple[str, ...]) -> None:
        path = content.path_of(self._settings.state, package.artifact_sha256, package.artifact_name)
        folder = self._new_folder()
        log.info("play.started kind=%s hosts=%d folder=%s", self._job.kind.value, len(devices), folder.name)
        end = player.play(
            self._settings,
            self._job.kind.value,
            hosts=devices,
            variables=translate.play_variables(
                package,
                artifact=str(path),
                interpreter=str(self._settings.interpreter),
                host_timeout=self._settings.host_timeout,
                job_id=self._job.job_id,
                correlation_id=self._job.correlation_id or "",
            ),
            folder=folder,
            on_result=self._record,
            stop=self._to_stop,
        )
        log.info("play.ended status=%s", end.status)
        if self._stopping.is_set():
            return  # hosts without a result stay due: the next process takes them up
        for result in end.results:
            self._record(result)
        shutil.rmtree(folder / "tmp", ignore_errors=True)

    def _record(self, result: HostResult) -> None:
        with self._store.change() as connection:
            jobs.record(connection, self._job.job_id, result, retry_after=self._retry_after, at=_now())

    def _to_stop(self) -> bool:
        if not self._stopping.is_set() and self._watch.abandoned():
            log.warning("job.abandoned grace_seconds=%d", self._settings.orphan_grace)
            self._stopping.set()
        return self._stopping.is_set()

    def _new_folder(self) -> Path:
        plays = self._folder / "plays"
        plays.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = sorted(plays.iterdir())
        for old in before[: -(KEPT_PLAYS - 1)]:
            shutil.rmtree(old, ignore_errors=True)
        number = int(before[-1].name) + 1 if before else 1
        folder = plays / f"{number:06d}"
        folder.mkdir(mode=0o700)
        return folder


def _now() -> datetime:
    return datetime.now(UTC)


def main(arguments: list[str], *, process: ProcessIdentity | None = None) -> int:
    """Work on the job; 0 when there is nothing left to do now (or another process does it), 1 when it was stopped."""
    folder, job_id = Path(arguments[0]), arguments[1]
    os.environ.pop("PYTHONPATH", None)  # it names our packages; a host's environment must not see them
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = AnsibleSettings.model_validate_json((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    store = Store(settings.state)
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with store.change() as connection:
        job = jobs.take(connection, job_id, process or ProcessIdentity.current())
    if job is None:
        return 0
    if job.starts > 1:
        end_marked(os.environ[MARKER])  # what a killed predecessor left running
    try:
        JobRun(settings, store, job, folder=folder, stopping=stopping).work()
    finally:
        if stopping.is_set():
            end_marked(os.environ[MARKER])
        with store.change() as connection:
            jobs.release(connection, job_id)
    return 1 if stopping.is_set() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
