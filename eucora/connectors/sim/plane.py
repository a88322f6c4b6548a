"""The port ``Plane`` in front of one plane of the virtual fleet.

On a *keyed* plane every effect is sent with its idempotency key and the fleet applies it once. On a *naive* plane, as
on Intune, AWX and Landscape, nothing but our marker tells that an effect was applied: each effect begins by looking
for it, adopts what carries it, and acts only when nothing does. A lost answer raises ``UnknownOutcome``; the attempt
that follows looks first, so the effect is applied once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

from eucora.connectors.sim import translate
from eucora.connectors.sim.client import FleetClient
from eucora.connectors.sim.settings import SimSettings
from eucora.connectors.sim.translate import Application, Order
from eucora.domain.devices import Device
from eucora.domain.errors import (
    EucoraError,
    PlaneConflict,
    PlaneError,
    PlaneInvalid,
    PlanePermanent,
    PlaneTransient,
    Unavailable,
)
from eucora.domain.vocabulary import RollbackStrategy
from eucora.ports.plane import (
    ArtifactReader,
    Assignment,
    Capabilities,
    DevicePage,
    EffectKey,
    Package,
    PlaneHealth,
    PlaneObject,
    RollbackReceipt,
    StatusPage,
    Verification,
)

__all__ = ["SimPlane"]

MAX_ATTEMPTS: Final = 3
REMAINING_SHOWN: Final = 20


class SimPlane:
    """One plane of the virtual fleet. ``monotonic`` gives seconds, for the latency of a probe."""

    def __init__(
        self,
        settings: SimSettings,
        *,
        client: FleetClient | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = settings.plane
        self._settings = settings
        self._client = client or FleetClient(settings)
        self._monotonic = monotonic
        self._agreed = False

    def capabilities(self) -> Capabilities:
        return Capabilities(
            plane=self.name,
            rollback_strategies=self._settings.strategies,
            idempotent_creates=self._settings.keyed,
            max_attempts=MAX_ATTEMPTS,
            requests_per_second=50.0,
            concurrency=4,
        )

    async def health(self) -> PlaneHealth:
        began = self._monotonic()
        try:
            self._agreed = False
            await self._agree()
        except PlaneError as error:
            return PlaneHealth(healthy=False, sentence=error.sentence)
        latency = timedelta(seconds=self._monotonic() - began)
        return PlaneHealth(healthy=True, sentence=f"{self.name} answers", latency=latency)

    async def inventory(self, group: str, *, cursor: str | None = None, limit: int = 1000) -> DevicePage:
        return translate.device_page(await self._client.members(group, cursor, limit))

    async def devices(self, device_ids: tuple[str, ...]) -> tuple[Device, ...]:
        return translate.devices(await self._client.lookup(device_ids)) if device_ids else ()

    async def publish(self, key: EffectKey, package: Package, artifact: ArtifactReader) -> PlaneObject:
        await self._agree()
        marker = translate.marker(key)
        if not self._settings.keyed and (found := await self._standing(marker, package)):
            return found
        if not await self._client.has_content(package.artifact_sha256):
            await self._client.upload(package.artifact_sha256, lambda: _stream(artifact, package), marker)
        body = {
            "name": package.application,
            "version": package.version,
            "vendor": package.vendor,
            "content_sha256": package.artifact_sha256,
            "content_name": package.artifact_name,
            "install_command": package.install_command,
            "uninstall_command": package.uninstall_command,
            "detection": package.detection,
            "settings": package.settings,
        }
        try:
            object_id, request_id = await self._client.create_app(body, marker)
        except PlaneConflict as taken:
            if taken.code == "name_taken" and (found := await self._standing(marker, package)):
                return found
            raise
        return PlaneObject(object_id=object_id, request_id=request_id)

    async def assign(self, key: EffectKey, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Assignment:
        targets = _targets(device_ids)
        await self._agree()
        marker = translate.marker(key)
        if found := await self._ordered("assignment", marker, targets):
            return Assignment(assignment_id=found.id, targeted=found.devices, request_id=found.request_id, adopted=True)
        assignment_id, request_id = await self._client.assign(object_id, targets, marker)
        return Assignment(assignment_id=assignment_id, targeted=len(targets), request_id=request_id)

    async def retry(self, key: EffectKey, assignment_id: str, device_ids: tuple[str, ...]) -> Assignment:
        targets = _targets(device_ids)
        await self._agree()
        marker = translate.marker(key)
        if found := await self._ordered("retry", marker, targets):
            return Assignment(
                assignment_id=assignment_id, targeted=found.devices, request_id=found.request_id, adopted=True
            )
        _, request_id = await self._client.retry(assignment_id, targets, marker)
        return Assignment(assignment_id=assignment_id, targeted=len(targets), request_id=request_id)

    async def status(self, assignment_id: str, *, cursor: str | None = None, limit: int = 1000) -> StatusPage:
        return translate.status_page(await self._client.statuses(assignment_id, cursor, limit))

    async def unassign(self, key: EffectKey, assignment_id: str) -> None:
        await self._agree()
        if not self._settings.keyed and (await self._client.assignment(assignment_id)).removed:
            return
        await self._client.unassign(assignment_id, translate.marker(key))

    async def roll_back(
        self, key: EffectKey, strategy: RollbackStrategy, object_id: str, package: Package, device_ids: tuple[str, ...]
    ) -> RollbackReceipt:
        if strategy not in self._settings.strategies:
            offered = ", ".join(self._settings.strategies)
            raise PlaneInvalid(
                f"plane {self.name} does not roll back by {strategy}; it offers {offered}", code="strategy_unsupported"
            )
        targets = _targets(device_ids)
        await self._agree()
        marker = translate.marker(key)
        if found := await self._ordered("uninstall", marker, targets):
            return RollbackReceipt(targeted=found.devices, request_id=found.request_id, adopted=True)
        _, request_id = await self._client.uninstall(object_id, targets, strategy, marker)
        return RollbackReceipt(targeted=len(targets), request_id=request_id)

    async def verify(self, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Verification:
        if not device_ids:
            return Verification(targeted=0, clean=0)
        inspected, carrying = translate.inspection(await self._client.inspect(object_id, device_ids))
        return Verification(targeted=inspected, clean=inspected - len(carrying), remaining=carrying[:REMAINING_SHOWN])

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _agree(self) -> None:
        """Make sure, once, that the plane is what it is configured to be: a naive plane taken for a keyed one would
        apply repeated effects twice.
        """
        if self._agreed:
            return
        manifest = await self._client.manifest()
        if manifest.keyed != self._settings.keyed or not manifest.strategies.issuperset(self._settings.strategies):
            raise PlaneInvalid(
                f"the virtual fleet's plane {self.name} is not as configured; start the fleet and set "
                "EUCORA_FLEET_PLANES with the same NAME=keyed|naive",
                code="manifest_mismatch",
            )
        self._agreed = True

    async def _standing(self, marker: str, package: Package) -> PlaneObject | None:
        """The object of this very effect, or else the one of this release that an earlier effect of ours made.

        Raises ``PlaneConflict`` when an object of that name and version is not ours or holds other content.
        """
        mine = await self._client.apps(marker=marker)
        named = mine or await self._client.apps(name=package.application, version=package.version)
        if not named:
            return None
        found = named[0]
        if not translate.is_ours(found):
            raise _foreign(found, package, "foreign_object", "is not ours")
        if found.content_sha256 != package.artifact_sha256:
            raise _foreign(found, package, "other_content", "holds another artifact")
        return PlaneObject(object_id=found.id, request_id=found.request_id, adopted=True)

    async def _ordered(self, kind: str, marker: str, targets: tuple[str, ...]) -> Order | None:
        """What an earlier attempt of this effect ordered on a naive plane, if it did.

        Raises ``PlaneConflict`` when it was ordered for other devices: an effect key stands for one target.
        """
        if self._settings.keyed:
            return None
        orders = await self._client.orders(kind, marker)
        if not orders:
            return None
        if orders[0].target_sha256 != translate.target_sha256(targets):
            raise PlaneConflict(f"{kind} {orders[0].id} of this effect targets other devices", code="key_reused")
        return orders[0]


def _targets(device_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The devices, each once, ascending. Raises ``PlaneInvalid(code="empty_target")`` for none."""
    if not device_ids:
        raise PlaneInvalid("no device is named; an empty target never means everyone", code="empty_target")
    return tuple(sorted(set(device_ids)))


def _foreign(found: Application, package: Package, code: str, why: str) -> PlaneConflict:
    where = f"{package.application} {package.version} stands on the plane as {found.id}"
    return PlaneConflict(f"{where} and {why}; remove or rename it there", code=code)


async def _stream(artifact: ArtifactReader, package: Package) -> AsyncIterator[bytes]:
    """The artifact's bytes; what goes wrong while reading them leaves as a ``PlaneError``."""
    what = f"the artifact {package.artifact_sha256} cannot be read"
    try:
        async for chunk in artifact.open(package.artifact_sha256):
            yield chunk
    except (Unavailable, OSError) as error:
        raise PlaneTransient(what) from error
    except EucoraError as error:
        raise PlanePermanent(f"{what}: {error.sentence}", code="artifact_unreadable") from error
    except Exception as error:
        raise PlanePermanent(f"{what}: {type(error).__name__}", code="artifact_unreadable") from error
