"""The services of the stack: how each is started, with which environment, and where it says that it is ready."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eucora.stack.keys import DevelopmentKeys
from eucora.stack.ports import LOOPBACK
from eucora.stack.processes import Command
from eucora.stack.state import Folder
from eucora.stack.temporal import TemporalServer

__all__ = ["FleetPlan", "Service", "Wiring", "api", "fleet", "temporal", "worker"]

# Seconds a stopping worker gives its activities; the quick start prefers a prompt end, Temporal retries the rest.
WORKER_GRACE_SECONDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program, the URL that answers 200 once it is ready, and the addresses to tell a person, by name."""

    command: Command
    ready_url: str
    urls: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """The virtual fleet: each plane's mode (``keyed`` or ``naive``), its devices, and the seed of all chance."""

    planes: Mapping[str, str] = field(default_factory=lambda: {"sim-windows": "keyed", "sim-mac": "naive"})
    devices: int = 2000
    seed: int = 20_261


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Everything the services need to find each other; ``extra`` is added to the environment of the project's own."""

    folder: Folder
    ports: Mapping[str, int]
    keys: DevelopmentKeys
    database_url: str
    temporal_address: str
    fleet: FleetPlan
    extra: Mapping[str, str]

    def url(self, port: str) -> str:
        """The base URL on the port of that name."""
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def environment(self) -> dict[str, str]:
        """The environment of the project's own services: this process's, ours on top, the caller's additions last."""
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.database_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "EUCORA_ENV": "development",
            "EUCORA_API_HOST": LOOPBACK,
            "EUCORA_API_PORT": str(self.ports["api"]),
            "EUCORA_API_URL": self.url("api"),
            "EUCORA_BLOB_URL": f"file:{self.folder.blobs}",
            "EUCORA_CLAIMS_KEY_FILE": str(self.keys.claims),
            "EUCORA_IDENTITY_SECRET_FILE": str(self.keys.identity),
            "EUCORA_FLEET_URL": self.url("fleet"),
            "EUCORA_FLEET_PLANES": ",".join(f"{name}={mode}" for name, mode in self.fleet.planes.items()),
            "EUCORA_PLANES": ",".join(f"{name}=sim" for name in self.fleet.planes),
            "EUCORA_HEALTH_PORT": str(self.ports["worker-health"]),
            "EUCORA_METRICS_PORT": str(self.ports["worker-metrics"]),
            "EUCORA_SHUTDOWN_GRACE_SECONDS": str(WORKER_GRACE_SECONDS),
            **self.extra,
        }

    def command(self, name: str, arguments: list[str]) -> Command:
        """One of the project's own programs, run by this interpreter."""
        return Command(
            name=name,
            arguments=[sys.executable, *arguments],
            environment=self.environment(),
            folder=self.folder.root,
            log=self.folder.log(name),
        )


def temporal(wiring: Wiring) -> Service:
    """The Temporal dev server with its Web UI."""
    server = TemporalServer(
        database=wiring.folder.temporal,
        log=wiring.folder.log("temporal"),
        port=wiring.ports["temporal"],
        ui_port=wiring.ports["temporal-ui"],
        http_port=wiring.ports["temporal-http"],
        metrics_port=wiring.ports["temporal-metrics"],
    )
    urls = {
        "temporal": server.address,
        "temporal-ui": wiring.url("temporal-ui"),
        "temporal-metrics": f"{wiring.url('temporal-metrics')}/metrics",
    }
    return Service(command=server.command(), ready_url=server.ready_url, urls=urls)


def fleet(wiring: Wiring) -> Service:
    """The virtual fleet: one process that hosts every plane of the plan."""
    plan = wiring.fleet
    planes = [part for name, mode in plan.planes.items() for part in ("--plane", f"{name}={mode}")]
    options = ["--port", str(wiring.ports["fleet"]), "--seed", str(plan.seed), "--devices", str(plan.devices)]
    data = ["--data", str(wiring.folder.fleet)]
    command = wiring.command("fleet", ["-m", "eucora.sim.fleet", *options, *data, *planes])
    base = wiring.url("fleet")
    return Service(command=command, ready_url=f"{base}/control/health", urls={"fleet": base})


def api(wiring: Wiring) -> Service:
    """The API, served by uvicorn."""
    options = ["--host", LOOPBACK, "--port", str(wiring.ports["api"]), "--timeout-graceful-shutdown", "2"]
    command = wiring.command("api", ["-m", "uvicorn", "api.app:create_app", "--factory", *options])
    base = wiring.url("api")
    return Service(
        command=command, ready_url=f"{base}/api/v1/health/ready", urls={"api": base, "docs": f"{base}/api/docs"}
    )


def worker(wiring: Wiring) -> Service:
    """The worker, polling every queue."""
    ports = ["--health-port", str(wiring.ports["worker-health"]), "--metrics-port", str(wiring.ports["worker-metrics"])]
    base = wiring.url("worker-health")
    urls = {"worker": base, "worker-metrics": f"{wiring.url('worker-metrics')}/metrics"}
    return Service(
        command=wiring.command("worker", ["-m", "worker", "--queues", "all", *ports]),
        ready_url=f"{base}/ready",
        urls=urls,
    )
