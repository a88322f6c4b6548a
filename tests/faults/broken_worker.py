"""A worker whose code has a bug: it takes the workflows of the real one and fails in each. Run as a program."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.worker import Worker

from eucora.runtime.client import connect
from eucora.runtime.sandbox import workflow_runner
from eucora.settings import Settings


@workflow.defn(name="deployment")
class BrokenDeployment:
    """Has the wire name of the real workflow, and none of its sense."""

    @workflow.run
    async def run(self, _start: Any) -> NoReturn:
        raise RuntimeError("a bug that no test found")


async def main() -> None:
    client = await connect()
    queue = Settings.for_environment().task_queue
    await Worker(client, task_queue=queue, workflows=[BrokenDeployment], workflow_runner=workflow_runner()).run()


if __name__ == "__main__":
    asyncio.run(main())
