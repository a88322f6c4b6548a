"""The contract of ``Plane`` while the world behind it fails: lost answers, cancellation, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from eucora.domain.errors import (
    PlaneAuth,
    PlaneError,
    PlanePermission,
    PlaneThrottled,
    PlaneTransient,
    UnknownOutcome,
)
from eucora.domain.vocabulary import ErrorClass, Operation
from eucora.ports.plane import EffectKey
from tests.contracts.plane_harness import Ability, Call, PlaneHarness, Trouble

EFFECTS: tuple[Call, ...] = ("publish", "assign", "retry", "unassign", "roll_back")
READS: tuple[Call, ...] = ("inventory", "devices", "status", "verify")

ERRORS: dict[Trouble, tuple[type[PlaneError], ErrorClass]] = {
    Trouble.UNAUTHENTICATED: (PlaneAuth, ErrorClass.POLICY_VIOLATION),
    Trouble.FORBIDDEN: (PlanePermission, ErrorClass.POLICY_VIOLATION),
    Trouble.THROTTLED: (PlaneThrottled, ErrorClass.TRANSIENT),
    Trouble.UNAVAILABLE: (PlaneTransient, ErrorClass.TRANSIENT),
    Trouble.TIMEOUT: (PlaneTransient, ErrorClass.TRANSIENT),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that can be made any number of times, and the key of its effect (None for a reading)."""

    make: Callable[[], Awaitable[object]]
    key: EffectKey | None


async def prepare(harness: PlaneHarness, call: Call) -> Prepared:
    """Bring the world to where the call makes sense."""
    target, package = harness.members[:2], harness.package
    publishing = harness.key(Operation.PUBLISH)
    if call == "publish":
        return Prepared(lambda: harness.plane.publish(publishing, package, harness.artifact), publishing)
    object_id = (await harness.plane.publish(publishing, package, harness.artifact)).object_id
    assigning = harness.key(Operation.ASSIGN)
    if call == "assign":
        return Prepared(lambda: harness.plane.assign(assigning, object_id, package, target), assigning)
    assignment = (await harness.plane.assign(assigning, object_id, package, target)).assignment_id
    await harness.settle()
    operation = {"retry": Operation.RETRY, "unassign": Operation.UNASSIGN, "roll_back": Operation.ROLL_BACK}.get(call)
    key = None if operation is None else harness.key(operation)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "inventory": lambda: harness.plane.inventory(harness.group),
        "devices": lambda: harness.plane.devices(target),
        "status": lambda: harness.plane.status(assignment),
        "verify": lambda: harness.plane.verify(object_id, package, target),
    }
    if key is not None:
        effect = key
        calls |= {
            "retry": lambda: harness.plane.retry(effect, assignment, target),
            "unassign": lambda: harness.plane.unassign(effect, assignment),
            "roll_back": lambda: harness.plane.roll_back(effect, harness.strategy, object_id, package, target),
        }
    return Prepared(calls[call], key)


@pytest.mark.needs(Ability.LOST_ANSWERS)
@pytest.mark.parametrize("applied", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("call", EFFECTS)
async def test_an_effect_whose_answer_is_lost_is_applied_once(harness: PlaneHarness, call: Call, applied: bool) -> None:
    prepared = await prepare(harness, call)
    assert prepared.key is not None
    await harness.lose_answer(call, applied=applied)
    with pytest.raises(PlaneTransient):
        await prepared.make()
    assert await harness.effects(prepared.key) == int(applied)
    await prepared.make()
    assert await harness.effects(prepared.key) == 1


@pytest.mark.needs(Ability.LOST_ANSWERS)
@pytest.mark.parametrize("call", EFFECTS)
async def test_a_lost_answer_and_a_crash_together_still_apply_once(harness: PlaneHarness, call: Call) -> None:
    prepared = await prepare(harness, call)
    assert prepared.key is not None
    await harness.lose_answer(call, applied=True)
    with pytest.raises(PlaneTransient):
        await prepared.make()
    await harness.restart()
    await prepared.make()
    assert await harness.effects(prepared.key) == 1


@pytest.mark.needs(Ability.LOST_ANSWERS)
async def test_without_idempotent_creates_a_lost_answer_is_an_unknown_outcome(harness: PlaneHarness) -> None:
    prepared = await prepare(harness, "assign")
    await harness.lose_answer("assign", applied=True)
    with pytest.raises(PlaneTransient) as caught:
        await prepared.make()
    assert harness.plane.capabilities().idempotent_creates or isinstance(caught.value, UnknownOutcome)


@pytest.mark.needs(Ability.HELD_ANSWERS)
@pytest.mark.parametrize("call", EFFECTS)
async def test_an_effect_cancelled_in_flight_is_applied_once(harness: PlaneHarness, call: Call) -> None:
    prepared = await prepare(harness, call)
    assert prepared.key is not None
    await harness.hold_answer(call)
    task = asyncio.ensure_future(prepared.make())
    await harness.answer_is_held()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await prepared.make()
    assert await harness.effects(prepared.key) == 1


@pytest.mark.needs(Ability.TROUBLE)
@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("call", ["status", "assign"])
async def test_a_refusal_has_the_class_that_says_what_to_do(
    harness: PlaneHarness, call: Call, trouble: Trouble
) -> None:
    prepared = await prepare(harness, call)
    await harness.trouble(call, trouble)
    kind, error_class = ERRORS[trouble]
    with pytest.raises(kind) as caught:
        await prepared.make()
    assert caught.value.error_class is error_class
    assert caught.value.sentence
    await harness.trouble(call, None)
    await prepared.make()
    if prepared.key is not None:
        assert await harness.effects(prepared.key) == 1


@pytest.mark.needs(Ability.TROUBLE)
@pytest.mark.parametrize("call", [*EFFECTS, *READS])
async def test_every_call_says_that_the_plane_is_unavailable(harness: PlaneHarness, call: Call) -> None:
    prepared = await prepare(harness, call)
    await harness.trouble(call, Trouble.UNAVAILABLE)
    with pytest.raises(PlaneTransient):
        await prepared.make()
    if prepared.key is not None:
        assert await harness.effects(prepared.key) == 0


@pytest.mark.needs(Ability.TROUBLE)
async def test_throttling_passes_on_how_long_to_wait(harness: PlaneHarness) -> None:
    prepared = await prepare(harness, "status")
    await harness.trouble("status", Trouble.THROTTLED)
    with pytest.raises(PlaneThrottled) as caught:
        await prepared.make()
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() > 0


@pytest.mark.needs(Ability.TROUBLE)
@pytest.mark.parametrize("trouble", Trouble)
async def test_health_never_raises(harness: PlaneHarness, trouble: Trouble) -> None:
    await harness.trouble("health", trouble)
    health = await harness.plane.health()
    assert not health.healthy
    assert health.sentence
    await harness.trouble("health", None)
    assert (await harness.plane.health()).healthy
