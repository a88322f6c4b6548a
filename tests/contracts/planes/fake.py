"""The fake plane of ``tests/fakes/plane.py``: what tests above the port use keeps the port's promises too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from eucora.domain.errors import PlaneAuth, PlaneError, PlanePermission, PlaneThrottled, PlaneTransient
from eucora.ports.plane import EffectKey
from tests.contracts.plane_harness import Call, PlaneHarness, Start, Trouble, example_package
from tests.fakes.plane import START, FakePlane, FakeWorld, fake_devices

ERRORS: dict[Trouble, type[PlaneError]] = {
    Trouble.UNAUTHENTICATED: PlaneAuth,
    Trouble.FORBIDDEN: PlanePermission,
    Trouble.THROTTLED: PlaneThrottled,
    Trouble.UNAVAILABLE: PlaneTransient,
    Trouble.TIMEOUT: PlaneTransient,
}


class FakeHarness(PlaneHarness):
    group = "lab"

    def __init__(self) -> None:
        self.now = START
        self.world = FakeWorld(fake_devices(8), clock=lambda: self.now, latency=timedelta(minutes=5))
        self.plane = FakePlane("fake", self.world)
        self.members = tuple(self.world.devices)
        self.package = example_package()

    async def restart(self) -> None:
        self.plane = FakePlane("fake", self.world)

    async def settle(self) -> None:
        self.now += timedelta(hours=1)
        for assignment in self.world.assignments.values():
            self.world.play(assignment)

    async def effects(self, key: EffectKey) -> int:
        return self.world.effects_of(key)

    async def fail(self, *device_ids: str) -> None:
        self.world.failing = set(device_ids)

    async def silence(self, *device_ids: str) -> None:
        self.world.silent = set(device_ids)

    async def plant_foreign_object(self) -> None:
        self.world.objects[self.package.application, self.package.version] = ("object-foreign", None)

    async def lose_answer(self, call: Call, *, applied: bool) -> None:
        self.world.lose_answer(call, applied=applied)

    async def hold_answer(self, call: Call) -> None:
        self.world.hold_answer(call)

    async def answer_is_held(self) -> None:
        await asyncio.wait_for(self.world.held.wait(), 30)

    async def trouble(self, call: Call, trouble: Trouble | None) -> None:
        if trouble is None:
            self.world.accept(call)
        else:
            self.world.refuse(call, ERRORS[trouble])


@asynccontextmanager
async def start(folder: Path) -> AsyncIterator[PlaneHarness]:
    yield FakeHarness()


HARNESSES: dict[str, Start] = {"fake": start}
