"""The port of an execution plane: what Intune, Jamf, SCCM, Landscape, Ansible and the virtual fleet promise alike.

Contract, held by ``tests/contracts/test_plane.py`` against every adapter:

- Every effect carries an :class:`EffectKey`. Calling an effect again with the same key returns the outcome of the
first call
  and applies nothing a second time, also when the first answer was lost: an adapter in front of a plane without
  idempotency keys looks for the key's marker before it acts (``connectors.md`` §1).
- An empty target is refused with ``PlaneInvalid(code="empty_target")``: it never means everyone.
- Errors are those of ``eucora.domain.errors.PlaneError``; no vendor type, no HTTP type, leaves an adapter.
- A device that did not report is in ``UNKNOWN``; an adapter never turns silence into success.
- ``roll_back`` is not believed: ``verify`` says, device by device, what stands on the plane afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from eucora.domain.devices import Device, DeviceState, DeviceStatus
from eucora.domain.vocabulary import Operation, RollbackStrategy

__all__ = [
    "ArtifactReader",
    "Assignment",
    "Capabilities",
    "Device",
    "DevicePage",
    "DeviceState",
    "DeviceStatus",
    "EffectKey",
    "Package",
    "Plane",
    "PlaneHealth",
    "PlaneObject",
    "RollbackReceipt",
    "StatusPage",
    "Verification",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectKey:
    """Identity of one effect, derived from business facts; two calls with equal keys are one effect."""

    deployment_id: str
    ring: str
    plane: str
    operation: Operation
    revision: int = 1

    def __str__(self) -> str:
        return f"{self.deployment_id}/{self.ring}/{self.plane}/{self.operation}/{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """One page of an inventory, ordered by device id; ``next_cursor`` is None on the last page."""

    devices: tuple[Device, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is to be installed. ``artifact_sha256`` (hex) is the stored artifact's; the rest is the pack's installation
    section.
    """

    application: str
    version: str
    vendor: str
    artifact_sha256: str
    artifact_name: str
    artifact_size: int
    install_command: str
    uninstall_command: str
    detection: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneObject:
    """The application's object on the plane after ``publish``."""

    object_id: str
    request_id: str
    adopted: bool = False
    """True when an object with our marker stood there already and was taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A ring's assignment on the plane. ``targeted`` is the number of devices that the plane accepted."""

    assignment_id: str
    targeted: int
    request_id: str
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """One page of device states, ordered by device id. ``as_of`` is the age bound of the plane's data (UTC)."""

    statuses: tuple[DeviceStatus, ...]
    as_of: datetime
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReceipt:
    """The plane accepted a rollback of ``targeted`` devices; whether it happened is for ``verify``."""

    targeted: int
    request_id: str
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What stands on the plane after a rollback: ``clean`` of ``targeted`` devices no longer carry the release."""

    targeted: int
    clean: int
    remaining: tuple[str, ...] = ()
    """Up to 20 ids of devices that still carry it, for people."""

    @property
    def complete(self) -> bool:
        """True when every targeted device is clean; of 0 devices, true."""
        return self.clean == self.targeted


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneHealth:
    """``healthy`` and a sentence; ``latency`` of the probe."""

    healthy: bool
    sentence: str
    latency: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the adapter's manifest declares."""

    plane: str
    rollback_strategies: tuple[RollbackStrategy, ...]
    idempotent_creates: bool
    max_attempts: int = 3
    """Attempts per device before a failure is final (data, ``domain.md`` §6)."""
    requests_per_second: float = 10.0
    concurrency: int = 4


class ArtifactReader(Protocol):
    """Streams the stored artifact; raises when the bytes do not hash to the name (verified while streaming)."""

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Yield the blob's bytes in order."""
        ...


@runtime_checkable
class Plane(Protocol):
    """An execution plane. All methods raise ``PlaneError`` subclasses only (and ``asyncio.CancelledError``)."""

    name: str

    def capabilities(self) -> Capabilities:
        """Return the manifest; does no I/O."""
        ...

    async def health(self) -> PlaneHealth:
        """Probe with a cheap authenticated read; never raises for an unhealthy plane."""
        ...

    async def inventory(self, group: str, *, cursor: str | None = None, limit: int = 1000) -> DevicePage:
        """List the members of a group, by device id. Raises ``PlaneNotFound(code="unknown_group")`` for no such
        group.
        """
        ...

    async def devices(self, device_ids: tuple[str, ...]) -> tuple[Device, ...]:
        """Look up devices by id. Raises ``PlaneNotFound(code="unknown_device")`` naming the first one that does not
        exist.
        """
        ...

    async def publish(self, key: EffectKey, package: Package, artifact: ArtifactReader) -> PlaneObject:
        """Create (or adopt by marker) the application's object; uploads the artifact where the plane keeps content."""
        ...

    async def assign(self, key: EffectKey, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Assignment:
        """Make the object required on exactly these devices; never touches another assignment."""
        ...

    async def retry(self, key: EffectKey, assignment_id: str, device_ids: tuple[str, ...]) -> Assignment:
        """Give devices whose attempts are used up another attempt."""
        ...

    async def status(self, assignment_id: str, *, cursor: str | None = None, limit: int = 1000) -> StatusPage:
        """Read the states of the assignment's devices, page by page."""
        ...

    async def unassign(self, key: EffectKey, assignment_id: str) -> None:
        """Remove the assignment; devices keep what they have."""
        ...

    async def roll_back(
        self, key: EffectKey, strategy: RollbackStrategy, object_id: str, package: Package, device_ids: tuple[str, ...]
    ) -> RollbackReceipt:
        """Take the release off exactly these devices by the strategy. Raises
        ``PlaneInvalid(code="strategy_unsupported")``.
        """
        ...

    async def verify(self, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Verification:
        """Look at what stands on the devices now; reads only."""
        ...

    async def aclose(self) -> None:
        """Release connections; idempotent."""
        ...
