"""The fleet as an ASGI application: planes under ``/planes``, controls under ``/control``."""

from __future__ import annotations

import asyncio
import hmac
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

from eucora.sim.control_routes import control_router
from eucora.sim.effects import Calls, refusal
from eucora.sim.faults import Faults
from eucora.sim.plane_routes import plane_router
from eucora.sim.store import FleetStore
from eucora.sim.world import FleetError, Mode, PlaneSpec, World, plane_shares

__all__ = ["HOST", "create_app", "listen", "parse_planes"]

HOST: Final = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises OSError when the port is taken.

    The protocol is named because asyncio turns Nagle's algorithm off only on sockets that name it; with it on, every
    answer waits some 40 ms for the client's delayed acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def parse_planes(entries: Sequence[str], *, devices: int) -> list[PlaneSpec]:
    """Planes from ``NAME=keyed|naive`` entries; the fleet's devices are split evenly over them.

    Raises ValueError for a malformed entry, a name twice, or fewer devices than planes.
    """
    named: dict[str, Mode] = {}
    for entry in entries:
        name, _, mode = entry.partition("=")
        if not name or mode not in set(Mode) or name in named:
            raise ValueError(f"plane {entry!r} is not a new NAME=keyed or NAME=naive")
        named[name] = Mode(mode)
    if not named or devices < len(named):
        raise ValueError("name at least one plane, and give each at least one device")
    shares = plane_shares(devices, len(named))
    return [
        PlaneSpec(name=name, mode=mode, platform=PlaneSpec.platform_of(name), devices=share)
        for (name, mode), share in zip(named.items(), shares, strict=True)
    ]


def create_app(
    planes: Sequence[PlaneSpec],
    *,
    seed: int,
    data: Path | str,
    token: str | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> FastAPI:
    """Build the service over a data file. With ``token``, planes answer 401 to calls without it as a bearer.

    ``clock`` gives seconds since the epoch; ``sleep`` is what a fault that delays waits by.

    Raises ``WrongFleet`` when the file belongs to another fleet.
    """
    store = FleetStore(data)
    world = World(planes, seed=seed, store=store, clock=clock)
    faults = Faults()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = FastAPI(title="eucora virtual fleet", openapi_url=None, lifespan=lifespan)
    app.state.world = world
    app.include_router(plane_router(world, Calls(world, faults, sleep=sleep)))
    app.include_router(control_router(world, faults))

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        detail = error.errors()[0]
        field = ".".join(map(str, detail["loc"]))
        return refusal(FleetError(422, "malformed", f"{field}: {detail['msg']}"))

    if token:

        @app.middleware("http")
        async def authenticate(request: Request, call_next: RequestResponseEndpoint) -> Response:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if request.url.path.startswith("/planes/") and not hmac.compare_digest(given.encode(), token.encode()):
                return refusal(FleetError(401, "bad_token", "the bearer token is missing or wrong"))
            return await call_next(request)

    return app
