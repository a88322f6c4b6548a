"""What an operator sees in the Temporal Web UI: search attributes and the live page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.workflows.conftest import MakeRollout
from workflows import search_attributes as keys

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_search_attributes_follow_the_state(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(timedelta(minutes=30))
    found = (await run.handle.describe()).typed_search_attributes
    assert found[keys.DEPLOYMENT_STATE] == "AWAITING_CAB"
    assert found[keys.RING] == "LAB"
    assert found[keys.RISK_SCORE] == 60
    assert found[keys.CAB_STATUS] == "open"
    assert found[keys.APP_ID] == run.plan.application.id
    await run.handle.terminate()


async def test_the_live_page_says_what_it_waits_for(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(timedelta(minutes=30))
    metadata = await run.handle.query("__temporal_workflow_metadata")
    text = str(metadata)
    assert "AWAITING_CAB" in text
    assert "Waits for the CAB before **CANARY**: 0 of 1 approvals" in text
    assert "A member of the CAB votes" in text
    await run.handle.terminate()
