"""What comes around the API changes nothing and is recorded; controls are answered at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from eucora.domain.messages import HoldRollout, ReleaseRollout, RollBackRollout
from eucora.domain.vocabulary import CabDecision, DeploymentState, Role
from tests.workflows.conftest import MakeRollout, Rollout
from tests.workflows.harness import signed
from workflows.deployment import DeploymentWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTES = timedelta(minutes=30)


async def refused(run: Rollout, update: str, message: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await run.handle.execute_update(update, message)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.message
    return str(cause.type)


async def test_signals_typed_around_the_api_are_refused_and_recorded(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    before = len(run.facts)
    good = signed(run.plan, HoldRollout(why="x"), "olga-ops", Role.ENDPOINT_OPS).model_dump(mode="json")
    await run.handle.signal("cab_decision", {"decision": "APPROVED"})
    await run.handle.signal("cab_decision", None)
    await run.handle.signal("cab_decision")
    await run.handle.signal("approve_everything", {"now": True})
    body = {"type": "cab_vote", "checkpoint": 1, "decision": "APPROVED", "pack_digest": "x"}
    await run.handle.signal("cab_decision", {"claim": None, "body": body})
    await run.handle.signal("line_changed", good)
    await run.forward(MINUTES)
    codes = [getattr(fact, "code", "") for fact in run.facts[before:]]
    assert [fact.type for fact in run.facts[before:]] == ["ACCESS_DENIED"] * 6
    assert sorted(codes) == ["claim_missing"] + ["message_malformed"] * 4 + ["message_unknown"]
    assert (await run.handle.query(DeploymentWorkflow.status)).state is DeploymentState.AWAITING_CAB
    assert run.founded
    await run.handle.terminate()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"actor": "mallory"}, "claim_signature_invalid"),
        ({"roles": ["publisher", "endpoint_ops"]}, "claim_signature_invalid"),
        ({"deployment_id": "another"}, "claim_signature_invalid"),
        ({"key_id": "0" * 16}, "claim_key_unknown"),
    ],
)
async def test_an_update_with_a_forged_claim_is_refused_and_recorded(
    rollout: MakeRollout, change: dict[str, Any], code: str
) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    message = signed(run.plan, HoldRollout(why="x"), "olga-ops", Role.ENDPOINT_OPS).model_dump(mode="json")
    message["claim"].update(change)
    assert await refused(run, "hold", message) == code
    assert run.types[-1] == "ACCESS_DENIED"
    await run.handle.terminate()


async def test_a_control_without_its_role_is_refused_and_recorded(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    assert await refused(run, "hold", signed(run.plan, HoldRollout(why="x"), "aud", Role.AUDITOR)) == "role_missing"
    assert run.types[-1] == "CONTROL_REFUSED"
    await run.handle.terminate()


async def test_hold_stops_promotion_and_release_lets_it_go_on(rollout: MakeRollout) -> None:
    run = await rollout()
    await run.forward(timedelta(minutes=1))
    held = await run.control("hold", signed(run.plan, HoldRollout(why="look"), "olga-ops", Role.ENDPOINT_OPS))
    assert held.facts == ("DEPLOYMENT_HELD",)
    await run.forward(timedelta(days=3))
    assert run.types.count("RING_PROMOTED") == 1, "CANARY soaked, its gate passed, and nothing was promoted"
    assert run.types.count("GATE_EVALUATED") >= 2, "observation and gates run on under a hold"
    await run.control("release", signed(run.plan, ReleaseRollout(why="fine"), "olga-ops", Role.ENDPOINT_OPS))
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.COMPLETED
    assert run.founded


async def test_an_operator_rolls_back_while_it_runs(rollout: MakeRollout) -> None:
    run = await rollout()
    await run.forward(timedelta(hours=5))
    await run.control("roll_back", signed(run.plan, RollBackRollout(why="bad news"), "olga-ops", Role.ENDPOINT_OPS))
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.ROLLED_BACK
    assert run.founded


async def test_cancelling_the_workflow_around_the_api_is_refused_and_recorded(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    await run.handle.cancel()
    await run.forward(MINUTES)
    assert run.types[-1] == "ACCESS_DENIED"
    await run.vote("cab-anna", CabDecision.REJECTED)
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.REJECTED
    assert run.founded


async def test_strangers_over_the_limit_are_counted_not_recorded_singly(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    for _ in range(205):
        await run.handle.signal("cab_decision", {})
    await run.vote("cab-anna", CabDecision.REJECTED)
    await run.forward()
    await run.handle.result()
    denied = [fact for fact in run.facts if fact.type == "ACCESS_DENIED"]
    assert len(denied) <= 102
    assert sum(getattr(fact, "count", 0) for fact in denied) == 205


SIGNALS = ("cab_decision", "exception_changed", "incident_changed", "line_changed", "trust_changed")


async def test_no_signal_of_any_shape_blocks_a_deployment(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    before = len(run.facts)
    shapes: tuple[tuple[Any, ...], ...] = ((), (None,), ("x",), ([1, 2], 3), ({}, {}, {}))
    for name in SIGNALS:
        for args in shapes:
            await run.handle.signal(name, args=args)
    await run.handle.signal("unheard_of", args=[1, 2, 3])
    await run.forward(MINUTES)
    assert [fact.type for fact in run.facts[before:]] == ["ACCESS_DENIED"] * (len(SIGNALS) * 5 + 1)
    assert (await run.handle.query(DeploymentWorkflow.status)).state is DeploymentState.AWAITING_CAB
    await run.handle.terminate()


async def test_updates_of_any_shape_are_refused_and_recorded(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    before = len(run.facts)
    attempts: list[tuple[str, tuple[Any, ...]]] = [
        ("hold", ()),
        ("hold", (1, 2)),
        ("roll_back", ({}, {})),
        ("who", (1,)),
    ]
    for name, args in attempts:
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await run.handle.execute_update(name, args=args)
        assert isinstance(caught.value.cause, ApplicationError)
        assert caught.value.cause.type in ("message_malformed", "message_unknown")
    assert [fact.type for fact in run.facts[before:]] == ["ACCESS_DENIED"] * 4
    await run.handle.terminate()
