"""Start, watch and stop everything the quick start runs: Postgres, Temporal, the virtual fleet, the API, the worker."""

import atexit
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

import httpx

from eucora.stack import services
from eucora.stack.errors import ServiceFailed, StackError
from eucora.stack.keys import ensure_keys
from eucora.stack.ports import PREFERRED, choose
from eucora.stack.postgres import APP, OWNER, Postgres
from eucora.stack.processes import Child, Processes, sweep
from eucora.stack.services import FleetPlan, Service, Wiring
from eucora.stack.state import Folder, Lock, StackInfo
from eucora.stack.temporal import external_address

__all__ = ["SERVICES", "Progress", "Stack"]

Progress = Callable[[str], None]

POSTGRES: Final = "postgres"
# By name, in the order they are started. Postgres is not here: it has roles and a database to make as well.
PLANNED: Final[Mapping[str, Callable[[Wiring], Service]]] = {
    "temporal": services.temporal,
    "fleet": services.fleet,
    "api": services.api,
    "worker": services.worker,
}
SERVICES: Final = (POSTGRES, *PLANNED)
NEED_DATABASE: Final = frozenset({"api", "worker"})
STOP_ORDER: Final = (("worker", "api", "fleet"), ("temporal", POSTGRES))
GRACE_SECONDS: Final = 8.0
READY_SECONDS: Final = 60.0
ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


def _silent(_message: str) -> None:
    """Say nothing."""


class Stack:
    """The local stack of one project folder.

    ``with Stack(root) as stack: stack.start(print)`` leaves no process behind, whichever way the block ends. While the
    stack runs, SIGTERM and SIGHUP become SystemExit, so that holds for them too.

    ``services`` names what to start. ``DATABASE_URL`` and ``TEMPORAL_ADDRESS`` in the environment name servers that run
    already: none of ours is started in their place. ``environment`` is added to that of the fleet, API and worker.
    """

    def __init__(
        self,
        root: Path,
        *,
        services: Collection[str] = SERVICES,
        fleet: FleetPlan | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        unknown = set(services) - set(SERVICES)
        if unknown:
            raise ValueError(f"no such service: {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
        self.folder = Folder(root.resolve())
        self._names = [name for name in SERVICES if name in services]
        self._fleet = fleet or FleetPlan()
        self._extra = dict(environment or {})
        self._lock = Lock(self.folder)
        self._processes = Processes(marker=secrets.token_hex(16))
        self._postgres: Postgres | None = None
        self._planned: dict[str, Service] = {}
        self._wiring: Wiring | None = None
        self._handlers: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object] | int | None]
        self._handlers = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def info(self) -> StackInfo:
        """What runs and where. Raises :class:`StackError` while the stack does not run."""
        wiring = self._running()
        urls = {name: url for service in self._planned.values() for name, url in service.urls.items()}
        return StackInfo(
            pid=os.getpid(),
            marker=self._processes.marker,
            root=str(self.folder.root),
            urls={"temporal": wiring.temporal_address, **urls},
            ports=wiring.ports,
            pids=self._processes.pids(),
        )

    def database_url(self, role: str = APP) -> str:
        """The URL of the embedded database for ``eucora_app``, ``eucora_owner`` or ``eucora_admin``.

        Raises :class:`StackError` when this stack runs none.
        """
        if self._postgres is None:
            raise StackError("this stack runs no database of its own: see DATABASE_URL")
        return self._postgres.url(role)

    def start(self, progress: Progress = _silent) -> StackInfo:
        """Start every service, wait until each is ready and say where they are.

        ``progress`` is told each step in a sentence. What an earlier, killed run left behind is ended first. Raises
        :class:`StackError`; whatever was started until then is stopped.
        """
        self._lock.take()
        try:
            self._catch_signals()
            atexit.register(self.stop)
            self._clear_up(progress)
            self._plan(progress)
            self._launch(progress)
        except BaseException:
            self.stop()
            raise
        return self.info

    def stop(self) -> None:
        """Stop everything, last started first, and return when it is gone; stopping twice is harmless.

        A Ctrl-C while it stops cuts the services' grace short.
        """
        if not self._lock.held:
            return
        try:
            self._processes.stop(STOP_ORDER, grace=GRACE_SECONDS)
        except (KeyboardInterrupt, SystemExit):
            self._processes.stop(STOP_ORDER, grace=0)
        self._wiring = None
        self.folder.state.unlink(missing_ok=True)
        self._lock.release()
        self._restore_signals()
        atexit.unregister(self.stop)

    def kill(self, name: str) -> None:
        """SIGKILL a service, as a crash would; it stays down until :meth:`restart`.

        Raises :class:`StackError` when it does not run.
        """
        self._running()
        child = self._processes.get(name)
        if child is None or not child.alive:
            raise StackError(f"{name} does not run in this stack")
        child.kill()
        self._processes.forget(name)
        self.info.write(self.folder.state)

    def restart(self, name: str) -> None:
        """Start a service again, on the same port and data, and wait until it is ready; end it first if it runs.

        Raises :class:`StackError` for a service this stack does not have, :class:`ServiceFailed` if it fails.
        """
        self._running()
        if name not in self._planned and (name != POSTGRES or self._postgres is None):
            raise StackError(f"{name} is no service of this stack")
        child = self._processes.get(name)
        if child is not None:
            child.end(grace=GRACE_SECONDS)
            self._processes.forget(name)
        if name == POSTGRES and self._postgres is not None:
            self._postgres.wait(self._processes, self._postgres.start(self._processes))
        else:
            service = self._planned[name]
            _wait(self._processes.start(service.command), service.ready_url)
        self.info.write(self.folder.state)

    def ended(self) -> tuple[str, ...]:
        """Services that ended without being asked to: their logs say why, :meth:`restart` brings them back."""
        return tuple(child.command.name for child in self._processes.ended())

    def ending(self, name: str) -> str:
        """How a service of :meth:`ended` ended: its exit status, or the signal that killed it."""
        child = self._processes.get(name)
        return "" if child is None else child.ending

    def _running(self) -> Wiring:
        if self._wiring is None:
            raise StackError("the stack does not run: start it first")
        return self._wiring

    def _clear_up(self, progress: Progress) -> None:
        """End what an earlier run left behind, and keep its logs beside those of this one."""
        earlier = StackInfo.read(self.folder.state)
        if earlier is not None and (count := sweep(earlier.marker)):
            progress(f"ended {count} processes that an earlier run left behind")
        for name in SERVICES:
            log = self.folder.log(name)
            if log.exists():
                log.replace(log.with_suffix(".previous.log"))

    def _plan(self, progress: Progress) -> None:
        """Choose ports and addresses; nothing is started yet."""
        ports = choose(PREFERRED, say=progress)
        database_url = os.environ.get("DATABASE_URL", "")
        if database_url:
            progress("Postgres is the one that DATABASE_URL names")
        elif POSTGRES in self._names:
            folder = self.folder
            self._postgres = Postgres(
                folder=folder.postgres, secrets_folder=folder.keys, log=folder.log(POSTGRES), port=ports[POSTGRES]
            )
            database_url = self._postgres.url(APP)
        address = external_address()
        if address:
            progress(f"Temporal is the one that TEMPORAL_ADDRESS names, {address}")
        self._wiring = Wiring(
            folder=self.folder,
            ports=ports,
            keys=ensure_keys(self.folder.keys),
            database_url=database_url,
            temporal_address=address or f"127.0.0.1:{ports['temporal']}",
            fleet=self._fleet,
            extra=self._extra,
        )
        wanted = [name for name in self._names if name in PLANNED and not (name == "temporal" and address)]
        self._planned = {name: PLANNED[name](self._wiring) for name in wanted}

    def _launch(self, progress: Progress) -> None:
        """Start the servers side by side, migrate, then start what needs a database; wait for all of them."""
        self.info.write(self.folder.state)  # from here on a later run finds what this one leaves
        early = [name for name in self._planned if name not in NEED_DATABASE]
        progress(f"starting {', '.join(([POSTGRES] if self._postgres else []) + early)}")
        database = None if self._postgres is None else self._postgres.start(self._processes)
        children = {name: self._processes.start(self._planned[name].command) for name in early}
        if self._postgres is not None and database is not None:
            self._postgres.wait(self._processes, database)
            self._postgres.ensure_roles()
            self._postgres.ensure_database()
        late = [name for name in self._planned if name in NEED_DATABASE]
        if late:
            progress("bringing the database up to date")
            self._migrate()
            progress(f"starting {', '.join(late)}")
            children |= {name: self._processes.start(self._planned[name].command) for name in late}
        for name, child in children.items():
            _wait(child, self._planned[name].ready_url)
            for label, url in self._planned[name].urls.items():
                progress(f"{label} is ready at {url}")
        self.info.write(self.folder.state)

    def _migrate(self) -> None:
        """Apply the migrations as the owner of the tables. Raises :class:`StackError` when there is no database."""
        from eucora.store.migrate import upgrade

        if self._postgres is not None:
            upgrade(self._postgres.url(OWNER))
            return
        url = os.environ.get("EUCORA_DATABASE_OWNER_URL") or self._running().database_url
        if not url:
            raise StackError("the API and the worker need a database: start `postgres` too, or set DATABASE_URL")
        upgrade(url)

    def _catch_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, _exit) for number in ENDING_SIGNALS}

    def _restore_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def _exit(number: int, _frame: FrameType | None) -> None:
    """End as the shell expects of a process that ended on this signal, by way of every ``finally``."""
    raise SystemExit(128 + number)


def _wait(child: Child, url: str) -> None:
    """Wait until ``url`` answers 200. Raises :class:`ServiceFailed` when the child ends, or takes too long."""
    name, log = child.command.name, child.command.log
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            if not child.alive:
                raise ServiceFailed(name, f"ended with status {child.process.returncode}", log)
            try:
                if client.get(url).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise ServiceFailed(name, f"was not ready within {READY_SECONDS:.0f} s ({url})", log)
