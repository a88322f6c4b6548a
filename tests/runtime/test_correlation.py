"""One id from the caller's request to the vendor's call, through a real engine, on every line logged on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from eucora import observability
from eucora.runtime.client import DATA_CONVERTER
from eucora.runtime.correlation import HEADER, CorrelationInterceptor
from eucora.runtime.sandbox import workflow_runner
from tests.runtime.probe import Probe, seen

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINE = "7d3f1f6e-0000-4000-8000-00000000c0de"
OTHER = "7d3f1f6e-0000-4000-8000-000000000bad"


@pytest_asyncio.fixture(loop_scope="session")
async def client(temporal_env: WorkflowEnvironment) -> Client:
    """A client as ``eucora.runtime.client`` makes it, on the session's server."""
    return await temporal_env.connect_client(data_converter=DATA_CONVERTER, interceptors=[CorrelationInterceptor()])


@pytest_asyncio.fixture(loop_scope="session")
async def queue(client: Client) -> AsyncIterator[str]:
    """The queue of a worker made from that client."""
    name = f"probe-{uuid4().hex[:8]}"
    async with Worker(client, task_queue=name, workflows=[Probe], activities=[seen], workflow_runner=workflow_runner()):
        yield name


@pytest.fixture
def workflow_id() -> str:
    return f"deployment-d-{uuid4().hex[:8]}"


def lines(logged: list[EventDict]) -> set[tuple[str, str, str]]:
    return {
        (line["where"], line.get("correlation_id", ""), line.get("deployment_id", ""))
        for line in logged
        if line["event"] == "probe.seen"
    }


async def test_it_travels_from_the_start_to_every_activity_of_every_run(
    client: Client, queue: str, workflow_id: str
) -> None:
    deployment_id = workflow_id.removeprefix("deployment-")
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        with observability.context(correlation_id=MINE):
            handle = await client.start_workflow(Probe.run, 1, id=workflow_id, task_queue=queue)
        with observability.context(correlation_id=OTHER):  # somebody else's request about the same deployment
            assert await handle.execute_update(Probe.look) == MINE
            await handle.signal(Probe.end)
        assert await handle.result() == [MINE, MINE]
    assert lines(logged) == {(where, MINE, deployment_id) for where in ("activity", "local", "update")}


async def test_it_travels_with_update_with_start(client: Client, queue: str, workflow_id: str) -> None:
    start = WithStartWorkflowOperation(
        Probe.run,
        0,
        id=workflow_id,
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    with observability.context(correlation_id=MINE):
        assert await client.execute_update_with_start_workflow(Probe.look, start_workflow_operation=start) == MINE
    assert await (await start.workflow_handle()).result() == [MINE, MINE]


async def test_signals_and_updates_carry_the_id_of_their_own_request(
    client: Client, queue: str, workflow_id: str
) -> None:
    handle = await client.start_workflow(Probe.run, 1, id=workflow_id, task_queue=queue)
    with observability.context(correlation_id=OTHER):
        await handle.execute_update(Probe.look)
        await handle.signal(Probe.end)
    history = (
        await client.get_workflow_handle(workflow_id, run_id=handle.first_execution_run_id).fetch_history()
    ).events
    signals = [event.workflow_execution_signaled_event_attributes.header for event in history]
    updates = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.header for event in history
    ]
    for headers in (signals, updates):
        carried = {header.fields[HEADER].data for header in headers if HEADER in header.fields}
        assert carried == {f'"{OTHER}"'.encode()}
    assert HEADER not in history[0].workflow_execution_started_event_attributes.header.fields
    assert await handle.result() == ["", ""], "nobody's id is not another's"


async def test_nothing_of_it_stays_in_the_worker_after_the_activity(
    client: Client, queue: str, workflow_id: str
) -> None:
    with observability.context(correlation_id=MINE):
        await client.execute_workflow(Probe.run, 0, id=workflow_id, task_queue=queue)
    assert await client.execute_workflow(Probe.run, 0, id=f"plain-{workflow_id}", task_queue=queue) == ["", ""]
    assert observability.correlation_id() is None
