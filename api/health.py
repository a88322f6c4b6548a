"""What ``GET health`` finds out: database, engine, workers of each queue, and workflows that a bug has stopped."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from api.services import Services
from api.temporal_gateway import StuckDeployment
from eucora.domain.errors import Unavailable
from eucora.store.deployment_queries import live_deployments
from models.wire.health import Health, HealthState, PartHealth, StuckWorkflow
from workflows.deployment import PLANE_QUEUE_PREFIX

__all__ = ["examine", "is_ready", "plane_health"]

PATIENCE = timedelta(seconds=3)
_ORDER = (HealthState.OK, HealthState.DEGRADED, HealthState.DOWN)


async def is_ready(services: Services) -> bool:
    """Whether requests can be answered. Temporal may be away: reads work, and writes say 503 by themselves."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await services.database.ping()
    except (Unavailable, TimeoutError):
        return False
    return True


async def examine(services: Services) -> Health:
    """Ask every part, all at once; none of them can take longer than three seconds."""
    planes = [plane_health(services, plane) for plane in services.planes]
    stuck, parts = await asyncio.gather(
        _stuck(services), asyncio.gather(_database(services), _temporal(services), _core_queue(services), *planes)
    )
    worst = max((part.state for part in parts), key=_ORDER.index)
    if stuck and worst is HealthState.OK:
        worst = HealthState.DEGRADED
    return Health(
        state=worst,
        version=services.version,
        parts=list(parts),
        stuck_workflows=[
            StuckWorkflow(
                deployment_id=one.deployment_id,
                workflow_id=one.workflow_id,
                run_id=one.run_id,
                problems=list(one.problems),
            )
            for one in stuck
        ],
    )


async def _database(services: Services) -> PartHealth:
    if await is_ready(services):
        return PartHealth(name="database", state=HealthState.OK, sentence="Postgres answers.")
    return PartHealth(name="database", state=HealthState.DOWN, sentence="Postgres does not answer.")


async def _temporal(services: Services) -> PartHealth:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            version = await services.gateway.version()
    except (Unavailable, TimeoutError):
        return PartHealth(name="temporal", state=HealthState.DOWN, sentence="Temporal does not answer.")
    return PartHealth(name="temporal", state=HealthState.OK, sentence=f"Temporal {version} answers.")


async def _core_queue(services: Services) -> PartHealth:
    queue = services.settings.task_queue
    return await _queue(services, f"queue {queue}", queue, activities=False, without=HealthState.DOWN)


async def plane_health(services: Services, plane: str) -> PartHealth:
    """Whether a worker polls the queue of a plane."""
    queue = f"{PLANE_QUEUE_PREFIX}{plane}"
    return await _queue(services, f"queue {queue}", queue, activities=True, without=HealthState.DEGRADED)


async def _queue(services: Services, name: str, queue: str, *, activities: bool, without: HealthState) -> PartHealth:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            pollers = await services.gateway.pollers(queue, activities=activities)
    except (Unavailable, TimeoutError):
        return PartHealth(name=name, state=HealthState.DOWN, sentence="Unknown: Temporal does not answer.")
    if not pollers.identities:
        sentence = "No worker polls this queue; what is sent there waits until one starts."
        return PartHealth(name=name, state=without, sentence=sentence)
    return PartHealth(name=name, state=HealthState.OK, sentence=f"Polled by {', '.join(pollers.identities)}.")


async def _stuck(services: Services) -> tuple[StuckDeployment, ...]:
    """Deployments that no longer move although the record says that they should: on a bug, or without a workflow."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            buggy, ended = await asyncio.gather(services.gateway.stuck(), services.gateway.abandoned())
            live = await _live(services, [one.deployment_id for one in ended])
    except (Unavailable, TimeoutError):
        return ()
    return (*buggy, *(one for one in ended if one.deployment_id in live))


async def _live(services: Services, deployment_ids: list[str]) -> frozenset[str]:
    if not deployment_ids:
        return frozenset()
    async with services.database.unit_of_work() as session:
        return await live_deployments(session, deployment_ids)
