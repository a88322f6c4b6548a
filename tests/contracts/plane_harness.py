"""What the plane contract suite needs of an adapter and of the world behind it.

To put an adapter under the suite, add one file ``tests/contracts/planes/<name>.py`` that defines::

    HARNESSES: dict[str, Start] = {"intune": start}

where ``start(folder)`` is an async context manager that yields a :class:`PlaneHarness` over a fresh world; ``folder``
is empty and may be written to. The suite finds the file by itself. What the world cannot do goes into ``exempt`` with
a reason; the facts that need it are then skipped and show it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum, StrEnum
from pathlib import Path
from typing import Literal

from eucora.domain.vocabulary import Operation, RollbackStrategy
from eucora.ports.plane import EffectKey, Package, Plane

ARTIFACT = b"the bytes of an installer\n" * 4_000

Call = Literal[
    "health", "inventory", "devices", "publish", "assign", "retry", "status", "unassign", "roll_back", "verify"
]


class Ability(Enum):
    """What a world may be unable to do."""

    SILENCE = "make a device never report"
    FOREIGN_OBJECTS = "hold an object that is not ours"
    LOST_ANSWERS = "lose the answer to a call, before or after applying it"
    HELD_ANSWERS = "apply an effect and hold its answer back"
    TROUBLE = "refuse calls: credential, permission, throttling, outage, timeout"


class Trouble(StrEnum):
    """How a service refuses a call."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class Bytes:
    """An ``ArtifactReader`` over one artifact in memory, in chunks; ``damaged`` ends with other bytes."""

    def __init__(self, content: bytes = ARTIFACT, *, damaged: bool = False) -> None:
        self._content = content[:-1] + b"?" if damaged else content

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 16_384):
            yield self._content[start : start + 16_384]


class PlaneHarness(ABC):
    """An adapter (``plane``) and the switches of its world, in which time passes only in :meth:`settle`."""

    plane: Plane
    group: str
    """A group of at least six devices; all of them succeed unless told otherwise."""
    members: tuple[str, ...]
    """The ids of the group's devices, ascending."""
    package: Package
    content: bytes = ARTIFACT
    """The package's artifact."""
    exempt: Mapping[Ability, str] = {}

    @property
    def artifact(self) -> Bytes:
        return Bytes(self.content)

    @property
    def strategy(self) -> RollbackStrategy:
        return self.plane.capabilities().rollback_strategies[0]

    def key(self, operation: Operation, *, ring: str = "LAB", revision: int = 1) -> EffectKey:
        return EffectKey(
            deployment_id="dep-1", ring=ring, plane=self.plane.name, operation=operation, revision=revision
        )

    @abstractmethod
    async def restart(self) -> None:
        """Replace ``plane`` by a new adapter that knows nothing the old one knew; the world stays as it is."""

    @abstractmethod
    async def settle(self) -> None:
        """Let time pass until every device that is going to report has reported, and every order is carried out."""

    @abstractmethod
    async def effects(self, key: EffectKey) -> int:
        """How many effects the world has applied with this key; uploading content does not count."""

    @abstractmethod
    async def fail(self, *device_ids: str) -> None:
        """Make every attempt on these devices fail from now on; no argument: mend all."""

    async def silence(self, *device_ids: str) -> None:
        """Make these devices never report."""
        raise NotImplementedError

    async def plant_foreign_object(self) -> None:
        """Put an object on the plane that has our package's name and version and not our marker."""
        raise NotImplementedError

    async def lose_answer(self, call: Call, *, applied: bool) -> None:
        """Lose the answer to the next such call, after or before it is applied."""
        raise NotImplementedError

    async def hold_answer(self, call: Call) -> None:
        """Apply the next such call and hold its answer back."""
        raise NotImplementedError

    async def answer_is_held(self) -> None:
        """Return once the held call is applied."""
        raise NotImplementedError

    async def trouble(self, call: Call, trouble: Trouble | None) -> None:
        """Refuse every such call from now on, before it is applied; None: no more."""
        raise NotImplementedError


Start = Callable[[Path], AbstractAsyncContextManager[PlaneHarness]]


def example_package(content: bytes = ARTIFACT) -> Package:
    """The package most harnesses publish; an adapter of a special format brings its own."""
    return Package(
        application="example-viewer",
        version="2.4.1",
        vendor="Example Works",
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        artifact_name="example-viewer-2.4.1.msi",
        artifact_size=len(content),
        install_command="msiexec /i example-viewer-2.4.1.msi /qn",
        uninstall_command="msiexec /x example-viewer-2.4.1.msi /qn",
        detection={"file": "C:/Program Files/Example Viewer/viewer.exe"},
    )
