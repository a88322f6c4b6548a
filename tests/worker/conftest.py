"""``python worker.py`` as a process: real Postgres, real Temporal, the virtual fleet on the test's own loop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from eucora.stack.ports import choose
from tests.fakes.fleet_server import FleetServer, running_fleet

ROOT = Path(__file__).resolve().parents[2]
NOT_INHERITED = ("TEMPORAL_", "EUCORA_", "DATABASE_URL")
PLANE = "sim-windows"


@dataclass
class WorkerProcess:
    """A running worker; ``lines`` are what it has logged, in order."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Lines that are no log events."""

    async def line(self, event: str) -> dict[str, Any]:
        """Read on until an event is logged; the test's own timeout bounds it."""
        assert self.process.stderr is not None
        while raw := await self.process.stderr.readline():
            found = self._keep(raw.decode())
            if found and found.get("event") == event:
                return found
        pytest.fail(f"the worker ended without {event}:\n" + "\n".join([*map(str, self.lines), *self.said]))

    async def ended(self) -> int:
        """Wait for its end, reading what it still says; returns the exit status."""
        assert self.process.stderr is not None
        while raw := await self.process.stderr.readline():
            self._keep(raw.decode())
        return await self.process.wait()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def _keep(self, text: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            self.said.append(text.rstrip())
            return None
        self.lines.append(found)
        return found


Start = Callable[..., Awaitable[WorkerProcess]]


@pytest.fixture
def environment(temporal_env: WorkflowEnvironment, module_database_url: str, tmp_path: Path) -> dict[str, str]:
    """What the worker needs, and nothing of this shell's own servers."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    return mine | {
        "DATABASE_URL": module_database_url,
        "TEMPORAL_ADDRESS": temporal_env.client.service_client.config.target_host,
        "EUCORA_BLOB_URL": str(tmp_path / "blobs"),
        "EUCORA_PLANES": f"{PLANE}=sim",
        "EUCORA_FLEET_URL": "http://127.0.0.1:1",
        "EUCORA_FLEET_PLANES": f"{PLANE}=keyed",
        "EUCORA_HEALTH_PORT": "0",
        "EUCORA_METRICS_PORT": "0",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def start(environment: dict[str, str]) -> AsyncIterator[Start]:
    """Start ``worker.py`` with arguments and variables; what still runs at the end of the test is killed."""
    started: list[WorkerProcess] = []

    async def begin(*arguments: str, without: tuple[str, ...] = (), **variables: str) -> WorkerProcess:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "worker.py"),
            *arguments,
            env=_without(environment | variables, without),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        started.append(WorkerProcess(process))
        return started[-1]

    yield begin
    for worker in started:
        if worker.process.returncode is None:
            worker.process.kill()
        await worker.ended()


def _without(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(tmp_path: Path, environment: dict[str, str]) -> AsyncIterator[FleetServer]:
    """A fleet whose answers the test can hold back; the worker's environment points to it."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(running_fleet(tmp_path / "fleet.db", f"{PLANE}=keyed"))
        environment["EUCORA_FLEET_URL"] = served.url
        yield served


@pytest.fixture
def ports() -> dict[str, int]:
    return choose({"health": 0, "metrics": 0}, say=lambda _: None)
