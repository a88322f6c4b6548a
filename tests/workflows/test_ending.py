"""The end of a deployment waits for nobody who waits for it."""

from __future__ import annotations

import asyncio

import pytest
from temporalio import activity
from temporalio.client import WorkflowUpdateStage

from eucora.domain.vocabulary import DeploymentState
from models.messages import activities as a
from models.messages.deployment import SubmitOutcome
from tests.workflows.conftest import MakeRollout
from tests.workflows.harness import Modelled

pytestmark = pytest.mark.asyncio(loop_scope="session")


class SlowToRelease(Modelled):
    """Holds ``release_change`` until the test lets it go."""

    reached: asyncio.Event
    go: asyncio.Event

    @activity.defn
    async def release_change(self, _: a.ClaimChange) -> a.Claimed:
        self.reached.set()
        await self.go.wait()
        return a.Claimed()


@pytest.fixture
def world() -> SlowToRelease:
    made = SlowToRelease(holder="d-other")
    made.reached, made.go = asyncio.Event(), asyncio.Event()
    return made


async def test_who_asks_for_the_outcome_while_a_last_fact_is_stored_is_answered(
    rollout: MakeRollout, world: SlowToRelease
) -> None:
    run = await rollout(rings=1)
    await world.reached.wait()
    await run.handle.signal("cab_decision", {})
    asked = await run.handle.start_update(
        "submit", wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=SubmitOutcome
    )
    world.go.set()
    outcome: SubmitOutcome = await asked.result()
    assert outcome.holder == "d-other"
    assert (await run.handle.result()).state is DeploymentState.REJECTED
    assert run.types[-1] == "ACCESS_DENIED"
    assert run.founded
