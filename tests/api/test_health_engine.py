"""``GET health`` against a real engine: who polls, and deployments whose workflow a bug has stopped."""

from __future__ import annotations

import asyncio
import threading

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.api.engine import Engine

pytestmark = pytest.mark.asyncio(loop_scope="session")


@workflow.defn(name="deployment", sandboxed=False)
class BuggyDeployment:
    """A deployment's workflow with a bug: its task fails for ever, and the engine says Running."""

    tried = threading.Semaphore(0)

    @workflow.run
    async def run(self) -> None:
        self.tried.release()
        raise RuntimeError("a bug")


async def test_health_names_the_workers_of_each_queue(engine: Engine) -> None:
    reader = engine.service.as_("auditor-ava")
    queues = (f"queue {engine.service.settings.task_queue}", f"queue plane-{engine.plane}")
    parts = {part["name"]: part for part in (await reader.get("/health")).json()["parts"]}
    assert parts["temporal"]["state"] == "ok"
    assert [parts[queue]["state"] for queue in queues] == ["down", "degraded"]
    async with engine.workers():
        await engine.submit(await engine.pack())  # answered by a worker, so one polls
        health = (await reader.get("/health")).json()
        parts = {part["name"]: part for part in health["parts"]}
        assert [parts[queue]["state"] for queue in queues] == ["ok", "ok"]
        assert "Polled by" in parts[queues[0]]["sentence"]
        assert (await reader.get(f"/connectors/{engine.plane}/health")).json()["state"] == "ok"


async def test_health_names_a_workflow_that_is_stuck_on_a_bug(engine: Engine) -> None:
    queue = f"buggy-{engine.plane}"
    deployment_id = f"stuck-{engine.plane}"
    buggy = Worker(
        engine.client, task_queue=queue, workflows=[BuggyDeployment], workflow_runner=UnsandboxedWorkflowRunner()
    )
    async with buggy:
        handle = await engine.client.start_workflow("deployment", id=f"deployment-{deployment_id}", task_queue=queue)
        for _ in range(3):  # the engine marks a workflow after two failures in a row, before it tries again
            assert await asyncio.to_thread(BuggyDeployment.tried.acquire, timeout=40)
        health = (await engine.service.as_("auditor-ava").get("/health")).json()
        (found,) = [one for one in health["stuck_workflows"] if one["deployment_id"] == deployment_id]
        assert health["state"] != "ok"
        assert found["workflow_id"] == f"deployment-{deployment_id}"
        assert "category=WorkflowTaskFailed" in found["problems"]
        await handle.terminate("the test is over")


async def test_health_names_a_deployment_whose_workflow_was_terminated(engine: Engine) -> None:
    async with engine.workers():
        deployment_id = (await engine.submit(await engine.pack())).json()["deployment_id"]
    await engine.client.get_workflow_handle(f"deployment-{deployment_id}").terminate("around the API")
    found = await engine.until_named(deployment_id)
    assert "its workflow is terminated" in found["problems"][0]
