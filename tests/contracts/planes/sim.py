"""The ``sim`` connector in front of the real fleet service, on a keyed and on a naive plane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from eucora.connectors.sim.client import FleetClient
from eucora.connectors.sim.errors import SERVICE
from eucora.connectors.sim.plane import SimPlane
from eucora.connectors.sim.settings import SimSettings
from eucora.ports.plane import EffectKey
from eucora.transport.http import HttpClient
from tests.contracts.plane_harness import Call, PlaneHarness, Start, Trouble, example_package
from tests.fakes.fleet_server import FleetServer, running_fleet

ACTIONS: dict[Call, str] = {
    "health": "manifest",
    "inventory": "members",
    "devices": "lookup",
    "publish": "create_app",
    "assign": "assign",
    "retry": "retry",
    "status": "statuses",
    "unassign": "unassign",
    "roll_back": "uninstall",
    "verify": "inspect",
}
PATHS: dict[Call, str] = {"health": "sim-windows", "status": "statuses", "assign": "assignments"}
STATUS = {Trouble.UNAUTHENTICATED: 401, Trouble.FORBIDDEN: 403, Trouble.THROTTLED: 429, Trouble.UNAVAILABLE: 503}
FOREVER = 1_000_000


class TimeoutSwitch(httpx.AsyncHTTPTransport):
    """A real transport on which calls to one path can be made to time out before they are sent."""

    ending: str | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.ending is not None and request.url.path.endswith(self.ending):
            raise httpx.ReadTimeout("the answer did not come in time", request=request)
        return await super().handle_async_request(request)


class SimHarness(PlaneHarness):
    group = "canary"

    def __init__(self, fleet: FleetServer, *, keyed: bool) -> None:
        self.fleet = fleet
        self.package = example_package()
        self._profile: dict[str, Any] = {"attempt_failure_rate": 0.0, "fates": {}}
        self._environment = {
            "EUCORA_FLEET_URL": fleet.url,
            "EUCORA_FLEET_PLANES": f"sim-windows={'keyed' if keyed else 'naive'}",
        }
        self.plane = self._adapter()

    def _adapter(self) -> SimPlane:
        settings = SimSettings.from_environment("sim-windows", self._environment)
        self._transport = TimeoutSwitch(verify=False)  # plain HTTP; loading certificates is slow
        http = HttpClient(SERVICE, base_url=self.fleet.url, transport=self._transport, sleep=_at_once)
        return SimPlane(settings, client=FleetClient(settings, http=http))

    async def prepare(self) -> None:
        await self.fail()
        self.members = tuple(device.id for device in (await self.plane.inventory(self.group)).devices)

    async def restart(self) -> None:
        await self.plane.aclose()
        self.plane = self._adapter()

    async def settle(self) -> None:
        self.fleet.now += 3_600.0

    async def effects(self, key: EffectKey) -> int:
        entries = await self.fleet.ledger(deployment=key.deployment_id, ring=key.ring, operation=key.operation)
        return sum(
            entry["applied"] and entry["revision"] == key.revision and entry["action"] != "upload" for entry in entries
        )

    async def fail(self, *device_ids: str) -> None:
        await self._set_fates(dict.fromkeys(device_ids, "failing"))

    async def silence(self, *device_ids: str) -> None:
        await self._set_fates(dict.fromkeys(device_ids, "silent"))

    async def _set_fates(self, fates: dict[str, str]) -> None:
        self._profile["fates"] = fates
        await self.fleet.put(f"profiles/{self.package.application}", self._profile)

    async def plant_foreign_object(self) -> None:
        root = f"{self.fleet.url}/planes/sim-windows"
        sha256 = self.package.artifact_sha256
        (await self.fleet.control.put(f"{root}/content/{sha256}", content=self.content)).raise_for_status()
        body = {
            "name": self.package.application,
            "version": self.package.version,
            "content_sha256": sha256,
            "marker": "made by hand",
        }
        (await self.fleet.control.post(f"{root}/apps", json=body)).raise_for_status()

    async def lose_answer(self, call: Call, *, applied: bool) -> None:
        await self.fleet.fault(kind="lose_after" if applied else "lose_before", action=ACTIONS[call])

    async def hold_answer(self, call: Call) -> None:
        await self.fleet.fault(kind="delay_after", action=ACTIONS[call])

    async def answer_is_held(self) -> None:
        await asyncio.wait_for(self.fleet.held.wait(), 30)

    async def trouble(self, call: Call, trouble: Trouble | None) -> None:
        self._transport.ending = PATHS[call] if trouble is Trouble.TIMEOUT else None
        if trouble is None or trouble is Trouble.TIMEOUT:
            await self.fleet.put("faults", {"faults": []})
            return
        retry_after = "7" if trouble is Trouble.THROTTLED else None
        await self.fleet.fault(
            kind="status", action=ACTIONS[call], status=STATUS[trouble], retry_after=retry_after, count=FOREVER
        )


async def _at_once(seconds: float) -> None:
    """Wait for nothing: what is waited for is asserted elsewhere."""


@asynccontextmanager
async def start(folder: Path, *, keyed: bool) -> AsyncIterator[PlaneHarness]:
    async with running_fleet(folder / "fleet.db", f"sim-windows={'keyed' if keyed else 'naive'}") as fleet:
        harness = SimHarness(fleet, keyed=keyed)
        await harness.prepare()
        yield harness
        await harness.plane.aclose()


HARNESSES: dict[str, Start] = {"sim-keyed": partial(start, keyed=True), "sim-naive": partial(start, keyed=False)}
