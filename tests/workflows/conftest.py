"""A deployment on the real Temporal server with modelled activities; see ``harness.py``."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from eucora.domain.facts import Fact, ReviewOpened
from eucora.domain.messages import CabVote, Message
from eucora.domain.plan import RolloutPlan
from eucora.domain.vocabulary import CabDecision, Role
from models.messages.deployment import ControlOutcome, SubmitOutcome
from models.messages.envelope import SignedMessage
from tests.domain.builders import plan
from tests.workflows import harness
from tests.workflows.harness import Modelled
from workflows.deployment import DeploymentWorkflow

FORWARD_ATTEMPTS = 5


@pytest.fixture
def world() -> Modelled:
    return Modelled()


class Rollout:
    """One deployment under test: start it, move its time, speak to it, read what was recorded."""

    def __init__(self, env: WorkflowEnvironment, world: Modelled, queue: str, chosen: RolloutPlan) -> None:
        self.env, self.world, self.queue, self.plan = env, world, queue, chosen
        self._handle: WorkflowHandle[DeploymentWorkflow, SubmitOutcome] | None = None

    @property
    def handle(self) -> WorkflowHandle[DeploymentWorkflow, SubmitOutcome]:
        assert self._handle is not None, "start it first"
        return self._handle

    async def start(self) -> None:
        with self.env.with_time_skipping_disabled():
            self._handle = await harness.start(self.env.client, self.plan, self.queue)

    async def forward(self, duration: timedelta | None = None) -> None:
        """Skip time: to the end, or by a duration.

        The vendor's experimental call loses its place now and then when history moves on under it, on a busy machine
        more often; what it skipped until then stays skipped, so it is asked for the rest.
        """
        target = None if duration is None else await self.now() + duration
        for attempt in range(FORWARD_ATTEMPTS):
            left = None if target is None else target - await self.now()
            if left is not None and left <= timedelta(0):
                return
            try:
                await (self.env.fast_forward(self.handle) if left is None else self.env.fast_forward(self.handle, left))
            except RPCError:
                if attempt == FORWARD_ATTEMPTS - 1:
                    raise
            else:
                return

    async def now(self) -> datetime:
        return await self.env.get_current_time(self.handle)

    async def signal(self, name: str, body: Message, actor: str, *roles: Role, message_id: str = "") -> None:
        await self.handle.signal(name, harness.signed(self.plan, body, actor, *roles, message_id=message_id))

    async def vote(self, actor: str, decision: CabDecision = CabDecision.APPROVED, **changes: object) -> None:
        review = [fact for fact in self.facts if isinstance(fact, ReviewOpened)][-1]
        values: dict[str, object] = {
            "checkpoint": review.checkpoint,
            "decision": decision,
            "pack_digest": review.pack_digest,
        }
        values.update(changes)
        await self.signal("cab_decision", CabVote(**values), actor, Role.CAB_MEMBER)  # type: ignore[arg-type]

    async def control(self, name: str, message: SignedMessage) -> ControlOutcome:
        outcome: ControlOutcome = await self.handle.execute_update(name, message, result_type=ControlOutcome)
        return outcome

    async def submitted(self) -> SubmitOutcome:
        outcome: SubmitOutcome = await self.handle.execute_update("submit", result_type=SubmitOutcome)
        return outcome

    @property
    def facts(self) -> list[Fact]:
        return self.world.facts[self.plan.deployment_id]

    @property
    def types(self) -> list[str]:
        return self.world.of(self.plan.deployment_id)

    @property
    def founded(self) -> bool:
        return self.world.founded(self.plan.deployment_id)


MakeRollout = Callable[..., Awaitable[Rollout]]


@pytest_asyncio.fixture(loop_scope="session")
async def rollout(temporal_env: WorkflowEnvironment, world: Modelled) -> AsyncIterator[MakeRollout]:
    """Start a deployment: ``await rollout(planes=("a", "b"), score=60)``; workers end with the test."""
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:

        async def make(*, score: int = 40, **changes: object) -> Rollout:
            world.score = score
            suffix = uuid4().hex[:8]
            planes = tuple(f"{name}-{suffix}" for name in changes.pop("planes", ("a",)))  # type: ignore[attr-defined]
            chosen = dataclasses.replace(plan(planes=planes, **changes), deployment_id=f"d-{suffix}")  # type: ignore[arg-type]
            queue = await stack.enter_async_context(harness.workers(temporal_env.client, world, planes))
            made = Rollout(temporal_env, world, queue, chosen)
            await made.start()
            return made

        yield make
