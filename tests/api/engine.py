"""The API with a real Temporal server, a real worker, and a plane that is a fake (``tests/fakes/plane.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.worker import Worker

from eucora.blobs import open_store
from eucora.bootstrap import Core, core_activities, plane_activities
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import DeploymentState
from eucora.runtime.sandbox import workflow_runner
from tests.api.service import Service, deployment_request
from tests.evidence.builders import Case
from tests.fakes.plane import FakePlane, FakeWorld, fake_devices
from workflows.deployment import DeploymentWorkflow
from workflows.ids import deployment_workflow_id

PETRA = "publisher-petra"
PATIENCE_SECONDS = 40
ATTESTED = {
    "privilege_impact": "user_context_no_elevation",
    "exploitability": "no_listeners_no_scripting",
    "data_access": "scoped_to_app_directory",
    "operational_complexity": "online_no_reboot_lt_5min",
}
"""What the author vouches for, so that the score stays in the automated tier."""


@dataclass
class Engine:
    """The API, its worker's parts, and the world behind the fake plane."""

    service: Service
    client: Client
    plane: str
    world: FakeWorld

    @asynccontextmanager
    async def workers(self) -> AsyncIterator[None]:
        """Work on the core queue and on the plane's queue while the body runs."""
        settings = self.service.settings
        core = Core(
            database=self.service.database,
            blobs=open_store(settings.blob_url),
            planes=(self.plane,),
            build_plane=lambda name: FakePlane(name, self.world),
        )
        async with AsyncExitStack() as stack:
            for worker in (
                Worker(
                    self.client,
                    task_queue=settings.task_queue,
                    workflows=[DeploymentWorkflow],
                    activities=core_activities(core),
                    workflow_runner=workflow_runner(),
                ),
                Worker(self.client, task_queue=f"plane-{self.plane}", activities=plane_activities(core, self.plane)),
            ):
                await stack.enter_async_context(worker)
            yield

    async def pack(self, *, attested: bool = True, case: Case | None = None) -> str:
        """A sealed pack for the fake plane; with attestations it scores in the automated tier."""
        return await self.service.as_("packager-pia").seal(
            case,
            attestations=ATTESTED if attested else {},
            rollout_plan={"planes": [self.plane], "target_ring": "GLOBAL"},
            rollback_plan={
                "strategies": [{"plane": self.plane, "strategy": "playbook"}],
                "target_version": "1.2.0",
                "steps": ["install 1.2.0"],
            },
        )

    def request(self, pack: str, *, rings: tuple[str, ...] = ("LAB", "CANARY"), **changes: Any) -> dict[str, Any]:
        """A request through ``rings`` of the fake plane, by the demo's gates."""
        cohorts = {name: {"targets": [{"plane": self.plane, "cohort": {"group": "lab", "take": 2}}]} for name in rings}
        return deployment_request(pack, rings=cohorts, target_ring=rings[-1], gate_policy="demo", **changes)

    async def submit(self, pack: str, *, key: str | bool = True, actor: str = PETRA, **changes: Any) -> httpx.Response:
        """Submit as ``actor``."""
        return await self.service.as_(actor).post("/deployments", self.request(pack, **changes), key=key)

    async def until(self, deployment_id: str, *states: str) -> dict[str, Any]:
        """The deployment once it is in one of the states; in a final one, once its workflow has ended too."""
        path = f"/deployments/{deployment_id}"
        found = await self._once(deployment_id, PETRA, path, lambda body: body["state"] in states)
        if DeploymentState(found["state"]) in FINAL:
            await self.client.get_workflow_handle(deployment_workflow_id(deployment_id)).result()
        return found

    async def review(self, deployment_id: str, ring: int = 1) -> dict[str, Any]:
        """The review before that ring once it takes votes."""
        path = f"/cab/{deployment_id}.{ring}"
        return await self._once(deployment_id, "cab-anna", path, lambda body: body["status"] == "open")

    async def until_named(self, deployment_id: str) -> dict[str, Any]:
        """What ``GET health`` says of a stuck deployment, once the engine's list of workflows has caught up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                health = (await self.service.as_("auditor-ava").get("/health")).json()
                for one in health["stuck_workflows"]:
                    if one["deployment_id"] == deployment_id:
                        return dict(one)

    async def _once(
        self, deployment_id: str, actor: str, path: str, holds: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """What is at ``path`` once ``holds``; looks again whenever the workflow's history has grown."""
        handle = self.client.get_workflow_handle(deployment_workflow_id(deployment_id))
        answer: httpx.Response | None = None
        async with asyncio.timeout(PATIENCE_SECONDS):  # below the test's own, which would leave workers behind
            async for _ in handle.fetch_history_events(wait_new_event=True):
                answer = await self.service.as_(actor).get(path)
                if answer.status_code == 200 and holds(answer.json()):
                    return dict(answer.json())
        raise AssertionError(f"the workflow ended, and {path} is {answer.text if answer else 'unknown'}")


def new_world() -> FakeWorld:
    """Ten devices that report at once."""
    return FakeWorld(devices=fake_devices(10), clock=lambda: datetime.now(UTC))
