"""What the engine says, and what a caller is told of it; and what a repeated submission is told. No server needed."""

from __future__ import annotations

import pytest
from temporalio.service import RPCError, RPCStatusCode

from api.errors import status_of
from api.submission import _outcome
from api.temporal_gateway import NoWorker, WorkflowStuck, _away
from eucora.domain import messages as m
from eucora.domain.errors import EucoraError, Unavailable
from eucora.domain.vocabulary import DeploymentState, Role
from tests.domain.builders import plan
from tests.domain.world import World

FAILED_TASK = "Unable to perform workflow execution update due to Workflow Task in failed state."


async def raised(message: str, status: RPCStatusCode) -> Exception:
    with pytest.raises((RPCError, EucoraError)) as caught:
        async with _away():
            raise RPCError(message, status, b"")
    return caught.value


@pytest.mark.parametrize("status", [RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.UNKNOWN])
async def test_a_stuck_workflow_is_a_503_that_names_the_doctor(status: RPCStatusCode) -> None:
    error = await raised(FAILED_TASK, status)
    assert isinstance(error, WorkflowStuck)
    assert (status_of(error), error.code) == (503, "workflow_stuck")
    assert "eucora doctor" in error.sentence


async def test_other_answers_of_the_engine_are_told_apart() -> None:
    away = await raised("connection refused", RPCStatusCode.UNAVAILABLE)
    assert isinstance(away, Unavailable)
    assert away.code == "temporal_unavailable"
    assert isinstance(await raised("another precondition", RPCStatusCode.FAILED_PRECONDITION), RPCError)


def test_a_control_that_nobody_took_may_still_take_effect() -> None:
    assert "may still take effect when a worker returns" in NoWorker().sentence


def cancelled(world: World) -> None:
    world.say(m.CancelRollout(why="never mind"), "pia", Role.PUBLISHER)


def test_a_submission_that_was_cancelled_before_its_assessment_was_accepted_all_the_same() -> None:
    world = World(plan=plan())
    cancelled(world)
    outcome = _outcome(world.state)
    assert (outcome.accepted, outcome.state, outcome.risk_score) == (True, DeploymentState.CANCELLED, None)
    assert outcome.sentence == "", "nobody's words stand where a refusal's sentence would"
    assert world.state.reason.sentence == "cancelled by pia: never mind"
