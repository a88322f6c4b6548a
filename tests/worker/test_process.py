"""The worker's program as operators meet it: it says ready, it serves, it stops in order, and says what is missing."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from temporalio.client import ActivityHandle, Client
from temporalio.common import RetryPolicy
from temporalio.testing import WorkflowEnvironment

from eucora import observability
from eucora.domain.vocabulary import DeploymentState
from eucora.runtime.client import DATA_CONVERTER
from eucora.runtime.correlation import CorrelationInterceptor
from models.messages import activities as a
from models.messages.deployment import SubmitOutcome
from tests.domain.builders import plan
from tests.fakes.fleet_server import FleetServer
from tests.worker.conftest import PLANE, Start, WorkerProcess
from tests.workflows import harness

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

QUEUE = f"plane-{PLANE}"
RINGS = 2


@pytest.fixture
async def client(temporal_env: WorkflowEnvironment) -> Client:
    return await temporal_env.connect_client(data_converter=DATA_CONVERTER, interceptors=[CorrelationInterceptor()])


async def counting(client: Client) -> ActivityHandle[a.Resolved]:
    """Ask the worker to count the cohorts of a plan on the fleet: an activity on its plane's queue."""
    return await client.start_activity(
        "resolve_cohorts",
        a.ResolveCohorts(plan=plan(planes=(PLANE,), rings=RINGS), plane=PLANE),
        id=f"count-{uuid4().hex[:8]}",
        task_queue=QUEUE,
        result_type=a.Resolved,
        start_to_close_timeout=timedelta(minutes=5),
        heartbeat_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=5),
    )


async def running(start: Start, **variables: str) -> WorkerProcess:
    worker = await start("--queues", QUEUE, **variables)
    await worker.line("worker.started")
    return worker


async def test_it_says_ready_serves_its_metrics_and_ends_with_status_0(start: Start, ports: dict[str, int]) -> None:
    flags = ("--health-port", str(ports["health"]), "--metrics-port", str(ports["metrics"]))
    worker = await start("--queues", "all", *flags)
    assert (await worker.line("worker.started"))["queues"] == ["eucora", QUEUE]
    async with httpx.AsyncClient(verify=False) as http:  # noqa: S501 - plain HTTP; loading certificates is slow
        while (ready := await http.get(f"http://127.0.0.1:{ports['health']}/ready")).status_code != 200:
            assert (ready.status_code, ready.text) == (503, "starting")  # until the workers poll
        assert ready.text == "ready"
        metrics = (await http.get(f"http://127.0.0.1:{ports['metrics']}/metrics")).text
    assert "temporal_worker_start_total{" in metrics
    assert f'task_queue="{QUEUE}"' in metrics
    worker.terminate()
    assert await worker.ended() == 0
    assert [line["event"] for line in worker.lines if line["logger"] == "eucora.runtime.workers"] == [
        "worker.started",
        "worker.stopping",
        "worker.stopped",
    ]
    assert worker.said == []


async def test_told_to_stop_it_lets_a_running_activity_finish(start: Start, fleet: FleetServer, client: Client) -> None:
    await fleet.fault(kind="delay_before", action="members", delay_seconds=1)
    worker = await running(start, EUCORA_SHUTDOWN_GRACE_SECONDS="60")
    activity = await counting(client)
    await fleet.held.wait()
    worker.terminate()
    await worker.line("worker.stopping")
    fleet.released.set()
    found = await activity.result()
    assert [size.ring for size in found.sizes] == ["LAB", "CANARY"]
    assert await worker.ended() == 0
    assert (await activity.describe()).attempt == 1


async def test_told_to_stop_it_hands_over_what_does_not_finish(
    start: Start, fleet: FleetServer, client: Client
) -> None:
    await fleet.fault(kind="delay_before", action="members", delay_seconds=1)
    first = await running(start, EUCORA_SHUTDOWN_GRACE_SECONDS="0")
    activity = await counting(client)
    await fleet.held.wait()
    first.terminate()
    assert await first.ended() == 0
    fleet.released.set()
    await running(start)
    found = await activity.result()
    assert [size.ring for size in found.sizes] == ["LAB", "CANARY"]
    assert (await activity.describe()).attempt == 2


async def test_what_it_logs_about_a_deployment_names_the_deployment_and_the_request(
    start: Start, client: Client
) -> None:
    """The submission is refused, because no API accepted it; the refusal is logged on the way."""
    worker = await start("--queues", "eucora")
    await worker.line("worker.started")
    chosen = dataclasses.replace(
        plan(planes=(PLANE,), rings=1), deployment_id=f"d-{uuid4().hex[:8]}", correlation_id=str(uuid4())
    )
    with observability.context(correlation_id=chosen.correlation_id):
        handle = await harness.start(client, chosen, "eucora")
    outcome: SubmitOutcome = await handle.result()
    assert (outcome.state, outcome.code) == (DeploymentState.REJECTED, "not_submitted")
    worker.terminate()
    assert await worker.ended() == 0
    (refused,) = [line for line in worker.lines if line["event"] == "activity.refused"]
    assert refused["code"] == "not_submitted"
    assert (refused["correlation_id"], refused["deployment_id"]) == (chosen.correlation_id, chosen.deployment_id)


async def test_a_namespace_that_does_not_exist_ends_it_with_an_error(start: Start) -> None:
    worker = await start("--queues", "eucora", TEMPORAL_NAMESPACE="nowhere")
    assert await worker.ended() == 1
    assert worker.lines[-1]["event"] == "worker.failed"
    assert "nowhere" in worker.lines[-1]["exception"]


async def test_what_is_not_configured_ends_it_with_a_sentence_and_status_2(start: Start) -> None:
    worker = await start("--queues", "all", without=("DATABASE_URL",))
    assert await worker.ended() == 2
    assert len(worker.said) == 1
    assert worker.said[0].startswith("worker: DATABASE_URL is not set")
    assert worker.lines == []
