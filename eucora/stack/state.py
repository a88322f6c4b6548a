"""What a running stack tells other processes: addresses, ports and process ids, in ``.eucora/stack.json``."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from eucora.stack.errors import AlreadyRunning

__all__ = ["Folder", "Lock", "StackInfo"]


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a stack keeps everything it makes: ``.eucora`` under the project's root."""

    root: Path

    @property
    def path(self) -> Path:
        return self.root / ".eucora"

    @property
    def state(self) -> Path:
        return self.path / "stack.json"

    @property
    def lock(self) -> Path:
        return self.path / "stack.lock"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def temporal(self) -> Path:
        return self.path / "temporal.db"

    @property
    def fleet(self) -> Path:
        return self.path / "fleet.db"

    def log(self, service: str) -> Path:
        """The log of that service in this run; the run before it is in ``<service>.previous.log``."""
        return self.logs / f"{service}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """A running stack.

    ``urls`` has ``api``, ``docs``, ``temporal`` (host:port), ``temporal-ui``, ``fleet`` and the health and metrics
    endpoints; ``ports`` and ``pids`` are by service. Holds no secret. ``pid`` is the process that runs the stack and
    ``marker`` what its children carry in their environment.
    """

    pid: int
    marker: str
    root: str
    urls: Mapping[str, str]
    ports: Mapping[str, int]
    pids: Mapping[str, int]

    def write(self, path: Path) -> None:
        """Replace the state file at once, so a reader never sees half of it."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What the state file says, be the stack running or long gone; None if there is none or it is not ours."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    @classmethod
    def of_running(cls, root: Path) -> Self | None:
        """The stack that runs in ``root`` now, whichever process runs it; None if none does."""
        folder = Folder(root)
        if not folder.lock.exists():
            return None
        lock = Lock(folder)
        try:
            lock.take()
        except AlreadyRunning:
            return cls.read(folder.state)
        lock.release()
        return None


class Lock:
    """Held while a stack runs; the kernel lets go of it when its process ends, however it ends."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def take(self) -> None:
        """Raises :class:`AlreadyRunning` when another stack holds it."""
        self._folder.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            running = StackInfo.read(self._folder.state)
            where = f" (process {running.pid}, API at {running.urls.get('api')})" if running else ""
            raise AlreadyRunning(f"a stack already runs in {self._folder.root}{where}") from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next stack start; releasing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
