"""The worker process: one Temporal worker per queue, one sandbox rule, an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from eucora.bootstrap import Core, core_activities, plane_activities, unknown_queue
from eucora.runtime.client import connect
from eucora.runtime.counting import CountingInterceptor
from eucora.runtime.health import serve_health
from eucora.runtime.sandbox import workflow_runner
from eucora.settings import MissingSetting, Settings
from workflows.deployment import PLANE_QUEUE_PREFIX, DeploymentWorkflow

__all__ = ["run_workers", "select_queues"]

STICKY = timedelta(seconds=3)
"""How long a deployment waits for the worker that has it in memory, before any other takes it over."""

OnFatalError = Callable[[BaseException], Awaitable[None]]

log = structlog.get_logger(__name__)


def select_queues(wanted: str, *, core: str, planes: Iterable[str]) -> tuple[str, ...]:
    """Parse ``--queues``: ``all``, or names separated by commas.

    Raises ``MissingSetting`` naming an unknown queue, or saying that none is named.
    """
    known = (core, *(f"{PLANE_QUEUE_PREFIX}{plane}" for plane in planes))
    if wanted.strip() == "all":
        return known
    chosen = tuple(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    for name in chosen:
        if name not in known:
            raise unknown_queue(name, known)
    if not chosen:
        raise MissingSetting(f"no queue is named; queues here: {', '.join(known)}, or all")
    return chosen


async def run_workers(settings: Settings, environment: Mapping[str, str], *, queues: str) -> None:
    """Poll the queues until SIGTERM or SIGINT, then let activities finish or hand over within the grace period."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(Core.open(settings, environment))
        chosen = select_queues(queues, core=settings.task_queue, planes=core.planes)
        client = await connect(runtime=_runtime(settings))

        async def fatal(error: BaseException) -> None:
            log.error("worker.failed", error=str(error))
            stop.set()  # the process ends, so that its supervisor starts it anew

        workers = [_worker(client, settings, core, queue, fatal) for queue in chosen]
        for worker in workers:
            await stack.enter_async_context(worker)
        await stack.enter_async_context(
            serve_health(
                settings.health_host,
                settings.health_port,
                client=client,
                running=lambda: all(worker.is_running for worker in workers),
                metrics=core.metrics,
            )
        )
        log.info("worker.started", queues=list(chosen))
        await stop.wait()
        log.info("worker.stopping", grace_seconds=settings.shutdown_grace_seconds)
    log.info("worker.stopped")


def _runtime(settings: Settings) -> Runtime | None:
    if settings.metrics_port == 0:
        return None
    address = f"{settings.health_host}:{settings.metrics_port}"
    prometheus = PrometheusConfig(bind_address=address, durations_as_seconds=True, counters_total_suffix=True)
    return Runtime(telemetry=TelemetryConfig(metrics=prometheus))


def _worker(client: Client, settings: Settings, core: Core, queue: str, fatal: OnFatalError) -> Worker:
    grace = timedelta(seconds=settings.shutdown_grace_seconds)
    pollers = PollerBehaviorAutoscaling()
    if queue == settings.task_queue:
        return Worker(
            client,
            task_queue=queue,
            workflows=[DeploymentWorkflow],
            activities=core_activities(core),
            workflow_runner=workflow_runner(),
            workflow_task_poller_behavior=pollers,
            activity_task_poller_behavior=pollers,
            sticky_queue_schedule_to_start_timeout=STICKY,
            graceful_shutdown_timeout=grace,
            on_fatal_error=fatal,
        )
    plane = queue.removeprefix(PLANE_QUEUE_PREFIX)
    return Worker(
        client,
        task_queue=queue,
        activities=plane_activities(core, plane),
        interceptors=[CountingInterceptor(core.metrics, plane=plane)],
        activity_task_poller_behavior=pollers,
        max_concurrent_activities=64,
        graceful_shutdown_timeout=grace,
        on_fatal_error=fatal,
    )
