"""Child processes that never outlive the stack.

Three nets, one below the other: :meth:`Processes.stop` ends each child in order; the kernel signals every child when
its parent dies in whichever way (``launch.py``); and every child carries a marker in its environment, which its own
children inherit, so :func:`sweep` finds what a child left behind, in this run or after an earlier one was killed.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import psutil

__all__ = ["Child", "Command", "Processes", "sweep"]

MARKER = "EUCORA_STACK_MARKER"
LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a service is started.

    ``environment`` is the child's whole environment but for the marker. ``user`` is the account to drop to, when this
    process is root and the program will not run as root. ``stop_signal`` asks the program to end, at once and in order;
    ``death_signal`` is what the kernel sends when the parent is gone.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL


@dataclass(slots=True)
class Child:
    """A started service. It leads a session of its own, so a Ctrl-C at the terminal reaches the stack alone."""

    command: Command
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, for people; empty while it runs."""
        status = self.process.poll()
        if status is None:
            return ""
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def send(self, number: signal.Signals) -> None:
        """Signal the process; one that has ended is left alone."""
        if self.alive:
            self.process.send_signal(number)

    def end(self, *, grace: float) -> None:
        """Ask the child to stop, wait ``grace`` seconds, then kill it and its process group. Returns once reaped."""
        self.send(self.command.stop_signal)
        try:
            self.process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # the group is empty, or on macOS a zombie
            return

    def kill(self) -> None:
        """SIGKILL, as a crash would: the child gets no chance to say anything. Returns once reaped."""
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class _Spawner:
    """A thread that starts processes and lives as long as this process.

    The kernel sends a child its death signal when the *thread* that started it ends (prctl(2)), so children must not
    be started from threads that come and go.
    """

    jobs: "queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]]" = field(
        default_factory=queue.SimpleQueue
    )
    started: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self.lock:
            if not self.started:
                threading.Thread(target=self._work, name="stack-spawner", daemon=True).start()
                self.started = True
        future: Future[subprocess.Popen[bytes]] = Future()
        self.jobs.put((job, future))
        return future.result()

    def _work(self) -> None:
        while True:
            job, future = self.jobs.get()
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                future.set_exception(error)


_SPAWNER = _Spawner()


class Processes:
    """The children of one stack, by name."""

    def __init__(self, *, marker: str) -> None:
        self.marker = marker
        self._children: dict[str, Child] = {}

    def start(self, command: Command) -> Child:
        """Start ``command``; its output is appended to its log. Raises OSError when it cannot be started at all."""
        command.log.parent.mkdir(parents=True, exist_ok=True)
        user = command.user or "-"
        arguments = [
            *(sys.executable, "-I", "-S", str(LAUNCHER)),
            *(str(os.getpid()), str(int(command.death_signal)), user),
            *command.arguments,
        ]
        environment = {**command.environment, MARKER: self.marker}

        def spawn() -> subprocess.Popen[bytes]:
            with command.log.open("ab") as log:
                return subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=command.folder,
                    env=environment,
                    start_new_session=True,
                )

        child = Child(command, _SPAWNER.run(spawn))
        self._children[command.name] = child
        return child

    def get(self, name: str) -> Child | None:
        """The child of that name, running or ended; None if it was never started."""
        return self._children.get(name)

    def ended(self) -> tuple[Child, ...]:
        """Children that ended without being asked to."""
        return tuple(child for child in self._children.values() if not child.alive)

    def pids(self) -> dict[str, int]:
        """Process ids of the running children by name."""
        return {name: child.pid for name, child in self._children.items() if child.alive}

    def forget(self, name: str) -> None:
        """Stop watching a child that was ended on purpose."""
        self._children.pop(name, None)

    def stop(self, order: Sequence[Sequence[str]], *, grace: float) -> None:
        """End the children in waves, each wave at once, then whatever they left behind."""
        named = {name for wave in order for name in wave}
        rest = [name for name in self._children if name not in named]
        for wave in (rest, *order):
            children = [child for name in wave if (child := self._children.get(name)) is not None]
            for child in children:
                child.send(child.command.stop_signal)
            for child in children:
                child.end(grace=grace)
                self.forget(child.command.name)
        sweep(self.marker)


def sweep(marker: str) -> int:
    """Kill every process that carries ``marker`` in its environment, but for this one; return how many there were."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARKER) == marker:
                process.kill()
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    psutil.wait_procs(found, timeout=5)
    return len(found)
