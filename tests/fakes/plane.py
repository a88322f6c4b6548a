"""A plane in memory, for tests of what stands above the port. IT IS A FAKE: nothing is installed anywhere.

It passes the same contract suite as the adapters. A :class:`FakeWorld` holds what the plane knows and outlives its
:class:`FakePlane` adapters, of which a test may make several (a worker that crashed and came back)::

    world = FakeWorld(devices=fake_devices(20))
    plane = FakePlane("fake", world)
    world.failing.add("fake-003")           # every attempt fails there
    world.silent.add("fake-004")            # never reports
    world.refuse("assign", PlaneTransient)  # until world.accept("assign")
    world.lose_answer("assign", applied=True)
    assert world.effects_of(key) == 1

Devices report ``latency`` after they were assigned, by ``clock``; by default at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from eucora.domain.devices import Device, DeviceState, DeviceStatus
from eucora.domain.errors import (
    EucoraError,
    PlaneConflict,
    PlaneError,
    PlaneInvalid,
    PlaneNotFound,
    PlanePermanent,
    PlaneThrottled,
    PlaneTransient,
    UnknownOutcome,
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

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
STRATEGIES = (RollbackStrategy.ASSIGNMENT_REMOVE, RollbackStrategy.PLAYBOOK)
MAX_ATTEMPTS = 3

R = TypeVar("R")


def fake_devices(count: int, *, plane: str = "fake", group: str = "lab") -> tuple[Device, ...]:
    """``count`` devices ``fake-000`` ... at one site, all in ``group``."""
    return tuple(
        Device(id=f"{plane}-{number:03d}", name=f"HOST-{number:03d}", site="berlin", groups=(group,))
        for number in range(count)
    )


@dataclass(slots=True)
class FakeAssignment:
    """An assignment of the fake world; ``results`` are fixed when a device's time has come."""

    object_id: str
    at: datetime
    device_ids: tuple[str, ...]
    removed: bool = False
    ended: set[str] = field(default_factory=set)
    """Devices on which a rollback ended it."""
    results: dict[str, DeviceStatus] = field(default_factory=dict)


class FakeWorld:
    """What a fake plane knows, and the switches of a test. ``effects`` are (call, key) in the order applied."""

    def __init__(
        self,
        devices: tuple[Device, ...],
        *,
        clock: Callable[[], datetime] = lambda: START,
        latency: timedelta = timedelta(),
    ) -> None:
        self.devices = {device.id: device for device in sorted(devices, key=lambda device: device.id)}
        self.clock = clock
        self.latency = latency
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.effects: list[tuple[str, EffectKey]] = []
        self.objects: dict[tuple[str, str], tuple[str, str | None]] = {}
        """(application, version) -> (object id, digest; None when it is not ours)."""
        self.assignments: dict[str, FakeAssignment] = {}
        self.carrying: dict[str, set[str]] = {}
        """Object id -> devices that carry it."""
        self.answers: dict[tuple[str, EffectKey], object] = {}
        self.held = asyncio.Event()
        self._refusals: dict[str, type[PlaneError]] = {}
        self._lost: dict[str, bool] = {}
        self._holding: set[str] = set()

    # Switches

    def refuse(self, call: str, error: type[PlaneError]) -> None:
        """Refuse every such call before it is applied."""
        self._refusals[call] = error

    def accept(self, call: str) -> None:
        self._refusals.pop(call, None)

    def lose_answer(self, call: str, *, applied: bool) -> None:
        """Lose the answer to the next such call."""
        self._lost[call] = applied

    def hold_answer(self, call: str) -> None:
        """Apply the next such call and never answer it."""
        self._holding.add(call)

    def effects_of(self, key: EffectKey) -> int:
        return sum(1 for _, done in self.effects if done == key)

    # What adapters do

    async def call(self, call: str) -> None:
        """Meet the refusals of a call."""
        refusal = self._refusals.get(call)
        if refusal is PlaneThrottled:
            raise PlaneThrottled(f"the fake plane throttles {call}", retry_after=timedelta(seconds=7))
        if refusal is not None:
            raise refusal(f"the fake plane refuses {call}")

    async def effect(self, call: str, key: EffectKey, apply: Callable[[], R]) -> tuple[R, bool]:
        """Apply an effect once per key; returns the first call's result and whether this was a later one."""
        await self.call(call)
        if self._lost.get(call) is False:
            del self._lost[call]
            raise UnknownOutcome(f"the answer to {call} is lost")
        known = (call, key) in self.answers
        if not known:
            self.answers[call, key] = apply()
            self.effects.append((call, key))
        if self._lost.pop(call, False):
            raise UnknownOutcome(f"the answer to {call} is lost")
        if call in self._holding:
            self._holding.discard(call)
            self.held.set()
            await asyncio.Event().wait()
        return self.answers[call, key], known  # type: ignore[return-value]  # stored two lines above

    def known_devices(self, device_ids: tuple[str, ...]) -> tuple[str, ...]:
        """The ids, each once, ascending. Raises for none and for one that does not exist."""
        if not device_ids:
            raise PlaneInvalid("no device is named; an empty target never means everyone", code="empty_target")
        for device_id in device_ids:
            if device_id not in self.devices:
                raise PlaneNotFound(f"the fake plane has no device {device_id!r}", code="unknown_device")
        return tuple(sorted(set(device_ids)))

    def known_object(self, object_id: str) -> str:
        if object_id not in {found for found, _ in self.objects.values()}:
            raise PlaneNotFound(f"the fake plane has no object {object_id!r}", code="unknown_object")
        return object_id

    def known_assignment(self, assignment_id: str) -> FakeAssignment:
        if assignment_id not in self.assignments:
            raise PlaneNotFound(f"the fake plane has no assignment {assignment_id!r}", code="unknown_assignment")
        return self.assignments[assignment_id]

    def play(self, assignment: FakeAssignment) -> None:
        """Fix the results of the devices whose time has come."""
        now = self.clock()
        if assignment.removed or now < assignment.at + self.latency:
            return
        for device_id in assignment.device_ids:
            if device_id in assignment.results or device_id in self.silent or device_id in assignment.ended:
                continue
            self.attempt(assignment, device_id, MAX_ATTEMPTS if device_id in self.failing else 1)

    def attempt(self, assignment: FakeAssignment, device_id: str, attempts: int) -> None:
        failed = device_id in self.failing
        if not failed:
            self.carrying.setdefault(assignment.object_id, set()).add(device_id)
        assignment.results[device_id] = DeviceStatus(
            device_id=device_id,
            state=DeviceState.FAILED if failed else DeviceState.SUCCEEDED,
            attempts=attempts,
            at=max(assignment.at + self.latency, assignment.at),
            error="1603: the installer ended with a fatal error" if failed else None,
        )


class FakePlane:
    """An adapter over a :class:`FakeWorld`; holds nothing itself."""

    def __init__(self, name: str, world: FakeWorld) -> None:
        self.name = name
        self.world = world

    def capabilities(self) -> Capabilities:
        return Capabilities(
            plane=self.name, rollback_strategies=STRATEGIES, idempotent_creates=True, max_attempts=MAX_ATTEMPTS
        )

    async def health(self) -> PlaneHealth:
        try:
            await self.world.call("health")
        except PlaneError as error:
            return PlaneHealth(healthy=False, sentence=error.sentence)
        return PlaneHealth(healthy=True, sentence="the fake plane answers", latency=timedelta())

    async def inventory(self, group: str, *, cursor: str | None = None, limit: int = 1000) -> DevicePage:
        await self.world.call("inventory")
        members = [device for device in self.world.devices.values() if group in device.groups]
        if not members:
            raise PlaneNotFound(f"the fake plane has no group {group!r}", code="unknown_group")
        rest = [device for device in members if cursor is None or device.id > cursor]
        return DevicePage(devices=tuple(rest[:limit]), next_cursor=rest[limit - 1].id if len(rest) > limit else None)

    async def devices(self, device_ids: tuple[str, ...]) -> tuple[Device, ...]:
        await self.world.call("devices")
        known = self.world.known_devices(device_ids) if device_ids else ()
        return tuple(self.world.devices[device_id] for device_id in known)

    async def publish(self, key: EffectKey, package: Package, artifact: ArtifactReader) -> PlaneObject:
        world = self.world
        name = (package.application, package.version)
        if (standing := world.objects.get(name)) and ("publish", key) not in world.answers:
            if standing[1] != package.artifact_sha256:
                raise PlaneConflict(f"{package.application} {package.version} is not ours", code="foreign_object")
            await world.call("publish")
            return PlaneObject(object_id=standing[0], request_id="fake", adopted=True)
        await _check(artifact, package)

        def apply() -> str:
            object_id = f"object-{len(world.objects) + 1}"
            world.objects[name] = (object_id, package.artifact_sha256)
            return object_id

        object_id, again = await world.effect("publish", key, apply)
        return PlaneObject(object_id=object_id, request_id="fake", adopted=again)

    async def assign(self, key: EffectKey, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Assignment:
        world = self.world
        targets = world.known_devices(device_ids)
        world.known_object(object_id)

        def apply() -> tuple[str, int]:
            assignment_id = f"assignment-{len(world.assignments) + 1}"
            world.assignments[assignment_id] = FakeAssignment(object_id, world.clock(), targets)
            return assignment_id, len(targets)

        (assignment_id, targeted), again = await world.effect("assign", key, apply)
        return Assignment(assignment_id=assignment_id, targeted=targeted, request_id="fake", adopted=again)

    async def retry(self, key: EffectKey, assignment_id: str, device_ids: tuple[str, ...]) -> Assignment:
        world = self.world
        targets = world.known_devices(device_ids)
        assignment = world.known_assignment(assignment_id)

        def apply() -> int:
            world.play(assignment)
            for device_id in targets:
                seen = assignment.results.get(device_id)
                if seen is not None and seen.state is DeviceState.FAILED:
                    world.attempt(assignment, device_id, seen.attempts + 1)
            return len(targets)

        targeted, again = await world.effect("retry", key, apply)
        return Assignment(assignment_id=assignment_id, targeted=targeted, request_id="fake", adopted=again)

    async def status(self, assignment_id: str, *, cursor: str | None = None, limit: int = 1000) -> StatusPage:
        await self.world.call("status")
        assignment = self.world.known_assignment(assignment_id)
        self.world.play(assignment)
        rest = [device_id for device_id in assignment.device_ids if cursor is None or device_id > cursor]
        statuses = tuple(
            assignment.results.get(device_id) or DeviceStatus(device_id=device_id, state=DeviceState.UNKNOWN)
            for device_id in rest[:limit]
        )
        more = rest[limit - 1] if len(rest) > limit else None
        return StatusPage(statuses=statuses, as_of=self.world.clock(), next_cursor=more)

    async def unassign(self, key: EffectKey, assignment_id: str) -> None:
        assignment = self.world.known_assignment(assignment_id)

        def apply() -> None:
            self.world.play(assignment)
            assignment.removed = True

        await self.world.effect("unassign", key, apply)

    async def roll_back(
        self, key: EffectKey, strategy: RollbackStrategy, object_id: str, package: Package, device_ids: tuple[str, ...]
    ) -> RollbackReceipt:
        world = self.world
        if strategy not in STRATEGIES:
            raise PlaneInvalid(f"the fake plane does not roll back by {strategy}", code="strategy_unsupported")
        targets = world.known_devices(device_ids)
        world.known_object(object_id)

        def apply() -> int:
            for assignment in world.assignments.values():
                if assignment.object_id == object_id:
                    world.play(assignment)
                    assignment.ended.update(targets)
            world.carrying.get(object_id, set()).difference_update(targets)
            return len(targets)

        targeted, again = await world.effect("roll_back", key, apply)
        return RollbackReceipt(targeted=targeted, request_id="fake", adopted=again)

    async def verify(self, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Verification:
        world = self.world
        await world.call("verify")
        world.known_object(object_id)
        targets = world.known_devices(device_ids) if device_ids else ()
        for assignment in world.assignments.values():
            world.play(assignment)
        remaining = tuple(sorted(world.carrying.get(object_id, set()) & set(targets)))
        return Verification(targeted=len(targets), clean=len(targets) - len(remaining), remaining=remaining[:20])

    async def aclose(self) -> None:
        """Nothing to release."""


async def _check(artifact: ArtifactReader, package: Package) -> None:
    digest = hashlib.sha256()
    try:
        async for chunk in artifact.open(package.artifact_sha256):
            digest.update(chunk)
    except OSError as error:
        raise PlaneTransient("the artifact cannot be read now") from error
    except EucoraError as error:
        raise PlanePermanent("the artifact cannot be read", code="artifact_unreadable") from error
    if digest.hexdigest() != package.artifact_sha256:
        raise PlaneInvalid("the artifact's bytes are not those of its name", code="content_mismatch")
