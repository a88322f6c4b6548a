"""The virtual fleet in the test's own event loop: the real service over real sockets, its clock in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from eucora.sim.service import create_app, listen, parse_planes

START = 1_800_000_000.0


class FleetServer:
    """A running fleet: ``url``, a ``clock`` to move, and its controls."""

    def __init__(self) -> None:
        self.url = ""
        self.now = START
        self.held = asyncio.Event()
        self.released = asyncio.Event()
        self.control = httpx.AsyncClient(verify=False)  # noqa: S501 - plain HTTP; loading certificates is slow

    async def hold(self, seconds: float) -> None:
        """Stands in for the sleep of a delaying fault: ends when the test releases it."""
        self.held.set()
        await self.released.wait()

    async def put(self, path: str, body: object) -> Any:
        response = await self.control.put(f"{self.url}/control/{path}", json=body)
        response.raise_for_status()
        return response.json()

    async def get(self, path: str, **parameters: str | int) -> Any:
        response = await self.control.get(f"{self.url}/control/{path}", params=parameters)
        response.raise_for_status()
        return response.json()

    async def fault(self, **fault: Any) -> None:
        """Switch one fault on in place of those in force."""
        await self.put("faults", {"faults": [fault]})

    async def ledger(self, **wanted: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self.get("ledger", **wanted))["entries"]
        return entries


@asynccontextmanager
async def running_fleet(
    data: Path, *planes: str, devices: int = 240, seed: int = 7, token: str | None = None
) -> AsyncIterator[FleetServer]:
    """Serve a fleet on a free port of 127.0.0.1 until the block ends."""
    fleet = FleetServer()
    app = create_app(
        parse_planes(planes, devices=devices),
        seed=seed,
        data=data,
        token=token,
        clock=lambda: fleet.now,
        sleep=fleet.hold,
    )
    config = uvicorn.Config(app, log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with listen(0) as listener:
        fleet.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await server.startup(sockets=[listener])  # without its main loop, whose ticks a test would wait for
        try:
            yield fleet
        finally:
            fleet.released.set()
            await fleet.control.aclose()
            for serving in server.servers:
                serving.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
            await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
            await server.lifespan.shutdown()
