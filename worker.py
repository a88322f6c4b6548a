"""The worker fleet's program: settings, adapters, queues, run. For example::

    python worker.py --queues all                     everything, as in the quick start
    python worker.py --queues plane-ansible           one plane, as at an isolated site

To be started anew with every status but 0 and 2.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from typing import NoReturn

import structlog

from eucora.domain.errors import Unavailable
from eucora.observability import configure_logging
from eucora.runtime.workers import run_workers
from eucora.settings import MissingSetting, Settings


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until it is told to stop, and return its exit status.

    0: told to stop; 2: something is not configured; 1: anything else, so that its supervisor starts it anew.
    """
    parser = argparse.ArgumentParser(prog="worker", description="Run eucora's workflows and activities.")
    parser.add_argument("--queues", help="all, or names separated by commas (default: EUCORA_WORKER_QUEUES)")
    parser.add_argument("--health-port", type=int, help="port of /live and /ready; 0 = none")
    parser.add_argument("--metrics-port", type=int, help="port of Prometheus metrics; 0 = none")
    options = parser.parse_args(arguments)
    ports = {"health_port": options.health_port, "metrics_port": options.metrics_port}
    try:
        settings = Settings.for_environment(**{name: port for name, port in ports.items() if port is not None})
        configure_logging(level=settings.log_level, console=settings.log_format == "console")
        asyncio.run(run_workers(settings, os.environ, queues=options.queues or settings.worker_queues))
    except MissingSetting as missing:
        print(f"worker: {missing}", file=sys.stderr)  # noqa: T201 - logging may not be configured yet
        return 2
    except Unavailable as down:
        print(f"worker: {down.sentence}", file=sys.stderr)  # noqa: T201 - see above
        return 1
    except Exception:  # noqa: BLE001 - whatever it is, it is logged and ends the process
        structlog.get_logger(__name__).exception("worker.failed")  # redacted, as a bare traceback is not
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End the process at once: threads of Temporal's core that call into an interpreter on its way out abort it."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
