"""The contract of ``eucora.ports.plane.Plane``, held against every adapter; ``plane_harness.py`` says how to add one.

What a plane does while its world fails is in ``test_plane_faults.py``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from eucora.domain.errors import PlaneConflict, PlaneError, PlaneInvalid, PlaneNotFound, PlanePermanent
from eucora.domain.vocabulary import Operation, RollbackStrategy
from eucora.ports.plane import Assignment, DeviceState, DeviceStatus, Plane, PlaneObject, RollbackReceipt
from tests.contracts.plane_harness import Ability, Bytes, PlaneHarness


async def publish(harness: PlaneHarness, *, ring: str = "LAB", deployment_id: str = "dep-1") -> PlaneObject:
    key = replace(harness.key(Operation.PUBLISH, ring=ring), deployment_id=deployment_id)
    return await harness.plane.publish(key, harness.package, harness.artifact)


async def assign(
    harness: PlaneHarness, object_id: str, device_ids: tuple[str, ...], *, ring: str = "LAB", revision: int = 1
) -> Assignment:
    key = harness.key(Operation.ASSIGN, ring=ring, revision=revision)
    return await harness.plane.assign(key, object_id, harness.package, device_ids)


async def roll_back(
    harness: PlaneHarness, object_id: str, device_ids: tuple[str, ...], *, revision: int = 1
) -> RollbackReceipt:
    key = harness.key(Operation.ROLL_BACK, revision=revision)
    return await harness.plane.roll_back(key, harness.strategy, object_id, harness.package, device_ids)


async def statuses(harness: PlaneHarness, assignment_id: str, *, limit: int = 1000) -> list[DeviceStatus]:
    found: list[DeviceStatus] = []
    cursor: str | None = None
    while True:
        page = await harness.plane.status(assignment_id, cursor=cursor, limit=limit)
        assert len(page.statuses) <= limit
        assert page.as_of.utcoffset() == timedelta()
        found += page.statuses
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


async def states(harness: PlaneHarness, assignment_id: str) -> dict[str, DeviceState]:
    return {status.device_id: status.state for status in await statuses(harness, assignment_id)}


class TestManifest:
    async def test_adapter_is_a_plane(self, harness: PlaneHarness) -> None:
        assert isinstance(harness.plane, Plane)

    async def test_capabilities_name_the_plane_and_how_it_rolls_back(self, harness: PlaneHarness) -> None:
        declared = harness.plane.capabilities()
        assert declared.plane == harness.plane.name
        assert declared.rollback_strategies
        assert declared.max_attempts >= 1
        assert declared.requests_per_second > 0
        assert declared.concurrency >= 1

    async def test_a_plane_that_answers_is_healthy(self, harness: PlaneHarness) -> None:
        health = await harness.plane.health()
        assert health.healthy, health.sentence
        assert health.sentence

    async def test_closing_twice_is_closing_once(self, harness: PlaneHarness) -> None:
        await harness.plane.aclose()
        await harness.plane.aclose()


class TestInventory:
    async def test_lists_the_members_of_a_group_by_id(self, harness: PlaneHarness) -> None:
        page = await harness.plane.inventory(harness.group)
        assert tuple(device.id for device in page.devices) == harness.members
        assert page.next_cursor is None

    @pytest.mark.parametrize("limit", [1, 2, 5])
    async def test_pages_hold_every_device_once_and_in_order(self, harness: PlaneHarness, limit: int) -> None:
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await harness.plane.inventory(harness.group, cursor=cursor, limit=limit)
            assert len(page.devices) <= limit
            seen += [device.id for device in page.devices]
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        assert tuple(seen) == harness.members

    async def test_a_group_that_does_not_exist_is_not_an_empty_group(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneNotFound) as caught:
            await harness.plane.inventory("no-such-group")
        assert caught.value.code == "unknown_group"

    async def test_devices_are_found_by_id(self, harness: PlaneHarness) -> None:
        wanted = harness.members[1:4]
        found = await harness.plane.devices(wanted)
        assert {device.id for device in found} == set(wanted)
        assert all(device.name and device.site for device in found)

    async def test_a_device_that_does_not_exist_is_named(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneNotFound, match="no-such-device") as caught:
            await harness.plane.devices((harness.members[0], "no-such-device"))
        assert caught.value.code == "unknown_device"


class TestPublish:
    async def test_again_with_the_same_key_is_the_same_object(self, harness: PlaneHarness) -> None:
        first = await publish(harness)
        second = await publish(harness)
        assert first.object_id == second.object_id
        assert await harness.effects(harness.key(Operation.PUBLISH)) == 1

    async def test_after_a_crash_the_object_is_taken_over(self, harness: PlaneHarness) -> None:
        first = await publish(harness)
        await harness.restart()
        second = await publish(harness)
        assert first.object_id == second.object_id
        assert await harness.effects(harness.key(Operation.PUBLISH)) == 1

    async def test_for_the_next_ring_makes_no_second_object(self, harness: PlaneHarness) -> None:
        first = await publish(harness)
        second = await publish(harness, ring="CANARY")
        assert second.object_id == first.object_id
        assert second.adopted

    async def test_for_a_later_deployment_of_the_same_release_makes_no_second_object(
        self, harness: PlaneHarness
    ) -> None:
        first = await publish(harness)
        await harness.restart()
        assert (await publish(harness, deployment_id="dep-2")).object_id == first.object_id

    @pytest.mark.needs(Ability.FOREIGN_OBJECTS)
    async def test_an_object_of_that_name_that_is_not_ours_is_left_alone(self, harness: PlaneHarness) -> None:
        await harness.plant_foreign_object()
        with pytest.raises(PlaneConflict):
            await publish(harness)
        assert await harness.effects(harness.key(Operation.PUBLISH)) == 0

    async def test_another_version_is_another_object(self, harness: PlaneHarness) -> None:
        first = await publish(harness)
        later = replace(harness.package, version="2.5.0")
        key = replace(harness.key(Operation.PUBLISH), deployment_id="dep-2")
        second = await harness.plane.publish(key, later, harness.artifact)
        assert second.object_id != first.object_id

    async def test_a_damaged_artifact_is_not_published(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlanePermanent):
            await harness.plane.publish(
                harness.key(Operation.PUBLISH), harness.package, Bytes(harness.content, damaged=True)
            )
        assert await harness.effects(harness.key(Operation.PUBLISH)) == 0
        await publish(harness)


class TestAssign:
    async def test_targets_exactly_the_devices_named(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members[:3])
        assert assignment.targeted == 3
        assert tuple(await states(harness, assignment.assignment_id)) == harness.members[:3]

    async def test_a_device_named_twice_is_targeted_once(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        twice = (harness.members[1], harness.members[0], harness.members[1])
        assignment = await assign(harness, made.object_id, twice)
        assert assignment.targeted == 2
        assert tuple(await states(harness, assignment.assignment_id)) == harness.members[:2]

    async def test_again_with_the_same_key_is_the_same_assignment(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        first = await assign(harness, made.object_id, harness.members[:3])
        second = await assign(harness, made.object_id, harness.members[:3])
        assert (first.assignment_id, first.targeted) == (second.assignment_id, second.targeted)
        assert await harness.effects(harness.key(Operation.ASSIGN)) == 1

    async def test_after_a_crash_the_assignment_is_taken_over(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        first = await assign(harness, made.object_id, harness.members[:3])
        await harness.restart()
        second = await assign(harness, made.object_id, harness.members[:3])
        assert first.assignment_id == second.assignment_id
        assert await harness.effects(harness.key(Operation.ASSIGN)) == 1

    async def test_touches_no_other_assignment(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        lab = await assign(harness, made.object_id, harness.members[:2])
        await harness.settle()
        before = await statuses(harness, lab.assignment_id)
        canary = await assign(harness, made.object_id, harness.members[2:4], ring="CANARY")
        await harness.settle()
        assert canary.assignment_id != lab.assignment_id
        assert await statuses(harness, lab.assignment_id) == before
        assert tuple(await states(harness, canary.assignment_id)) == harness.members[2:4]

    async def test_an_unknown_object_is_not_found(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneNotFound):
            await assign(harness, "no-such-object", harness.members[:1])

    async def test_one_unknown_device_spoils_the_whole_target(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        with pytest.raises(PlaneNotFound, match="no-such-device") as caught:
            await assign(harness, made.object_id, (harness.members[0], "no-such-device"))
        assert caught.value.code == "unknown_device"
        assert await harness.effects(harness.key(Operation.ASSIGN)) == 0

    async def test_an_empty_target_never_means_everyone(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members[:1])
        with pytest.raises(PlaneInvalid) as assigned:
            await assign(harness, made.object_id, (), ring="CANARY")
        with pytest.raises(PlaneInvalid) as retried:
            await harness.plane.retry(harness.key(Operation.RETRY), assignment.assignment_id, ())
        with pytest.raises(PlaneInvalid) as rolled_back:
            await roll_back(harness, made.object_id, ())
        assert {assigned.value.code, retried.value.code, rolled_back.value.code} == {"empty_target"}
        for key in (
            harness.key(Operation.ASSIGN, ring="CANARY"),
            harness.key(Operation.RETRY),
            harness.key(Operation.ROLL_BACK),
        ):
            assert await harness.effects(key) == 0


class TestStatus:
    async def test_every_device_has_a_state_from_the_start(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members)
        assert set(await states(harness, assignment.assignment_id)) == set(harness.members)

    async def test_devices_that_did_it_succeed(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members)
        await harness.settle()
        for status in await statuses(harness, assignment.assignment_id):
            assert status.state is DeviceState.SUCCEEDED
            assert status.attempts >= 1
            assert status.at is not None
            assert status.at.utcoffset() == timedelta()

    async def test_devices_that_cannot_fail_for_good_and_say_why(self, harness: PlaneHarness) -> None:
        await harness.fail(harness.members[1])
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members[:3])
        await harness.settle()
        found = {status.device_id: status for status in await statuses(harness, assignment.assignment_id)}
        failed = found[harness.members[1]]
        assert failed.state is DeviceState.FAILED
        assert failed.attempts >= harness.plane.capabilities().max_attempts
        assert failed.error
        assert found[harness.members[0]].state is DeviceState.SUCCEEDED

    @pytest.mark.needs(Ability.SILENCE)
    async def test_silence_is_unknown_and_never_success(self, harness: PlaneHarness) -> None:
        await harness.silence(harness.members[0])
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members[:3])
        await harness.settle()
        found = await states(harness, assignment.assignment_id)
        assert found[harness.members[0]] is DeviceState.UNKNOWN
        assert found[harness.members[1]] is DeviceState.SUCCEEDED

    @pytest.mark.parametrize("limit", [1, 2, 4])
    async def test_pages_hold_every_device_once_and_in_order(self, harness: PlaneHarness, limit: int) -> None:
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, tuple(reversed(harness.members)))
        await harness.settle()
        found = await statuses(harness, assignment.assignment_id, limit=limit)
        assert tuple(status.device_id for status in found) == harness.members

    async def test_an_unknown_assignment_is_not_found(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneNotFound):
            await harness.plane.status("no-such-assignment")


class TestRetry:
    async def test_gives_devices_whose_attempts_are_used_up_another(self, harness: PlaneHarness) -> None:
        await harness.fail(harness.members[0])
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members[:2])
        await harness.settle()
        await harness.fail()
        key = harness.key(Operation.RETRY)
        first = await harness.plane.retry(key, assignment.assignment_id, harness.members[:1])
        await harness.settle()
        second = await harness.plane.retry(key, assignment.assignment_id, harness.members[:1])
        assert first.targeted == second.targeted == 1
        assert first.assignment_id == second.assignment_id == assignment.assignment_id
        assert await harness.effects(key) == 1
        assert set((await states(harness, assignment.assignment_id)).values()) == {DeviceState.SUCCEEDED}

    async def test_of_an_unknown_assignment_is_not_found(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneNotFound):
            await harness.plane.retry(harness.key(Operation.RETRY), "no-such-assignment", harness.members[:1])


class TestUnassign:
    async def test_devices_keep_what_they_have(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        assignment = await assign(harness, made.object_id, harness.members[:2])
        await harness.settle()
        key = harness.key(Operation.UNASSIGN)
        await harness.plane.unassign(key, assignment.assignment_id)
        await harness.restart()
        await harness.plane.unassign(key, assignment.assignment_id)
        await harness.settle()
        assert await harness.effects(key) == 1
        assert (await harness.plane.verify(made.object_id, harness.package, harness.members[:2])).clean == 0

    async def test_of_an_unknown_assignment_is_not_found(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneNotFound):
            await harness.plane.unassign(harness.key(Operation.UNASSIGN), "no-such-assignment")


class TestRollBack:
    async def test_what_stands_is_not_clean(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        await assign(harness, made.object_id, harness.members[:3])
        await harness.settle()
        seen = await harness.plane.verify(made.object_id, harness.package, harness.members[:4])
        assert (seen.targeted, seen.clean) == (4, 1)
        assert seen.remaining == harness.members[:3]
        assert not seen.complete

    async def test_takes_the_release_off_the_devices_named_and_no_other(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        await assign(harness, made.object_id, harness.members)
        await harness.settle()
        receipt = await roll_back(harness, made.object_id, harness.members[:3])
        await harness.settle()
        assert receipt.targeted == 3
        assert (await harness.plane.verify(made.object_id, harness.package, harness.members[:3])).complete
        others = await harness.plane.verify(made.object_id, harness.package, harness.members[3:])
        assert others.remaining == harness.members[3:]

    async def test_every_declared_strategy_leaves_the_devices_clean(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        for revision, strategy in enumerate(harness.plane.capabilities().rollback_strategies, start=1):
            await assign(harness, made.object_id, harness.members[:2], revision=revision)
            await harness.settle()
            assert not (await harness.plane.verify(made.object_id, harness.package, harness.members[:2])).complete
            key = harness.key(Operation.ROLL_BACK, revision=revision)
            await harness.plane.roll_back(key, strategy, made.object_id, harness.package, harness.members[:2])
            await harness.settle()
            assert (await harness.plane.verify(made.object_id, harness.package, harness.members[:2])).complete

    async def test_again_with_the_same_key_is_one_rollback(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        await assign(harness, made.object_id, harness.members[:2])
        await harness.settle()
        first = await roll_back(harness, made.object_id, harness.members[:2])
        await harness.restart()
        second = await roll_back(harness, made.object_id, harness.members[:2])
        assert first.targeted == second.targeted == 2
        assert await harness.effects(harness.key(Operation.ROLL_BACK)) == 1

    async def test_while_devices_still_install_wins_over_the_assignment(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        await assign(harness, made.object_id, harness.members[:3])
        await roll_back(harness, made.object_id, harness.members[:3])
        await harness.settle()
        assert (await harness.plane.verify(made.object_id, harness.package, harness.members[:3])).complete

    async def test_a_rehearsed_device_can_be_installed_again(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        await assign(harness, made.object_id, harness.members[:1])
        await harness.settle()
        await roll_back(harness, made.object_id, harness.members[:1])
        await harness.settle()
        again = await assign(harness, made.object_id, harness.members[:1], revision=2)
        await harness.settle()
        assert await states(harness, again.assignment_id) == {harness.members[0]: DeviceState.SUCCEEDED}
        assert (await harness.plane.verify(made.object_id, harness.package, harness.members[:1])).clean == 0

    async def test_a_strategy_the_plane_has_not_is_refused(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        offered = harness.plane.capabilities().rollback_strategies
        strategy = next(strategy for strategy in RollbackStrategy if strategy not in offered)
        key = harness.key(Operation.ROLL_BACK)
        with pytest.raises(PlaneInvalid) as caught:
            await harness.plane.roll_back(key, strategy, made.object_id, harness.package, harness.members[:1])
        assert caught.value.code == "strategy_unsupported"
        assert await harness.effects(key) == 0

    async def test_of_an_unknown_object_or_device_is_not_found(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        with pytest.raises(PlaneNotFound):
            await roll_back(harness, "no-such-object", harness.members[:1])
        with pytest.raises(PlaneNotFound, match="no-such-device"):
            await roll_back(harness, made.object_id, ("no-such-device",), revision=2)

    async def test_of_no_devices_is_verified(self, harness: PlaneHarness) -> None:
        made = await publish(harness)
        assert (await harness.plane.verify(made.object_id, harness.package, ())).complete

    async def test_verify_of_an_unknown_object_is_not_clean_but_an_error(self, harness: PlaneHarness) -> None:
        with pytest.raises(PlaneError):
            await harness.plane.verify("no-such-object", harness.package, harness.members[:1])
