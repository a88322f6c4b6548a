"""Run the virtual fleet: ``python -m eucora.sim.fleet --plane sim-windows=keyed --plane sim-mac=naive --data FILE``.

Prints one line, ``fleet ready on http://127.0.0.1:PORT``, once it accepts calls. With ``EUCORA_FLEET_TOKEN`` in the
environment, planes require it as a bearer token.
"""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import sys
from pathlib import Path

import uvicorn

from eucora.sim.service import HOST, create_app, listen, parse_planes
from eucora.sim.store import WrongFleet

__all__ = ["main"]


class _Server(uvicorn.Server):
    """Says when it is ready, on standard output, for the process that started it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            sys.stdout.write(f"fleet ready on http://{HOST}:{port}\n")
            sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Returns 2 for arguments that make no fleet."""
    parser = argparse.ArgumentParser(prog="eucora.sim.fleet", description="A virtual fleet of managed devices.")
    parser.add_argument("--port", type=int, default=8700, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--plane", action="append", required=True, metavar="NAME=keyed|naive")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same devices and fates")
    parser.add_argument("--devices", type=int, default=2_000, help="devices of the whole fleet, split over its planes")
    parser.add_argument("--data", type=Path, required=True, help="SQLite file that holds the fleet's state")
    options = parser.parse_args(arguments)
    try:
        planes = parse_planes(options.plane, devices=options.devices)
        options.data.parent.mkdir(parents=True, exist_ok=True)
        token = os.environ.get("EUCORA_FLEET_TOKEN")
        app = create_app(planes, seed=options.seed, data=options.data, token=token)
        listener = listen(options.port)
    except (ValueError, WrongFleet, OSError, sqlite3.Error) as error:
        sys.stderr.write(f"fleet: {error}\n")
        return 2
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    with listener:
        _Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
