"""Rolling back, for real and in rehearsal: believed only when the plane shows it."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from eucora.domain import facts as f
from eucora.domain.errors import PlaneTransient
from eucora.domain.vocabulary import DeploymentState, Operation, RollbackStrategy
from eucora.ports.plane import EffectKey, Verification
from eucora.ports.record import FactBatch
from models.messages import activities as a
from tests.activities.conftest import LATENCY, PLANE, Assigned, Site, stop_the_line


def pick(site: Site, on: Assigned) -> a.PickDevice:
    return a.PickDevice(
        deployment_id=site.plan.deployment_id,
        plane=PLANE,
        assignment_id=on.assignment_id,
        membership_digest=on.membership,
    )


def key(site: Site, operation: Operation) -> EffectKey:
    return EffectKey(deployment_id=site.plan.deployment_id, ring="LAB", plane=PLANE, operation=operation, revision=1)


def carrying(site: Site, on: Assigned) -> set[str]:
    return site.world.carrying.get(on.object_id, set())


class TestPick:
    async def test_waits_while_no_device_has_succeeded(self, site: Site) -> None:
        on = await site.assigned()
        failure = await site.failure(site.planes.pick_device, pick(site, on))
        assert (failure.type, failure.message) == ("not_yet", "no device has succeeded yet")

    async def test_takes_the_first_by_id_that_succeeded(self, site: Site) -> None:
        site.world.failing, site.world.silent = {"fake-000"}, {"fake-001"}
        on = await site.assigned()
        site.now += LATENCY
        assert (await site.run(site.planes.pick_device, pick(site, on))).device_id == "fake-002"

    async def test_takes_no_device_outside_the_membership(self, site: Site) -> None:
        on = await site.assigned()
        site.now += LATENCY
        canary = await site.freeze("CANARY", earlier=(on.membership,))
        request = pick(site, on).model_copy(update={"membership_digest": canary})
        assert (await site.failure(site.planes.pick_device, request)).type == "not_yet"


class TestRollBack:
    async def test_takes_the_release_off_every_member_and_says_so_once_verified(self, site: Site) -> None:
        on = await site.assigned()
        site.now += LATENCY
        done = await site.run(site.planes.roll_back, site.roll_back(on))
        assert done == a.RolledBack(targeted=6, clean=6)
        assert carrying(site, on) == set()
        assert site.world.effects[-1] == ("roll_back", key(site, Operation.ROLL_BACK))

    async def test_is_not_believed_but_verified_and_named_until_it_is_complete(self, site: Site) -> None:
        on = await site.assigned()
        site.now += LATENCY
        answers = [
            Verification(targeted=6, clean=0, remaining=tuple(f"fake-{n:03d}" for n in range(6))),
            Verification(targeted=6, clean=5, remaining=("fake-004",)),
            Verification(targeted=6, clean=6),
        ]

        async def verify(object_id: str, package: object, device_ids: tuple[str, ...]) -> Verification:
            return answers.pop(0)

        site.plane.verify = verify  # type: ignore[method-assign]
        failure = await site.failure(site.planes.roll_back, site.roll_back(on))
        assert failure.message == "0 of 6 devices are clean; still on fake-000, fake-001, fake-002, fake-003, fake-004"
        failure = await site.failure(site.planes.roll_back, site.roll_back(on))
        assert (failure.type, failure.next_retry_delay) == ("not_yet", timedelta(seconds=30))
        assert failure.message == "5 of 6 devices are clean; still on fake-004"
        assert (await site.run(site.planes.roll_back, site.roll_back(on))).clean == 6
        assert site.world.effects_of(key(site, Operation.ROLL_BACK)) == 1, "three attempts are one rollback"

    async def test_after_a_lost_answer_it_is_one_rollback(self, site: Site) -> None:
        on = await site.assigned()
        site.world.lose_answer("roll_back", applied=True)
        failure = await site.failure(site.planes.roll_back, site.roll_back(on))
        assert (failure.type, failure.non_retryable) == ("plane_unknown_outcome", False)
        assert (await site.run(site.planes.roll_back, site.roll_back(on))).clean == 6
        assert site.world.effects_of(key(site, Operation.ROLL_BACK)) == 1

    async def test_a_strategy_the_plane_has_not_is_final(self, site: Site) -> None:
        on = await site.assigned()
        failure = await site.failure(
            site.planes.roll_back, site.roll_back(on, strategy=RollbackStrategy.INTUNE_SUPERSEDENCE)
        )
        assert (failure.type, failure.non_retryable) == ("strategy_unsupported", True)

    async def test_a_plane_that_is_down_is_asked_again(self, site: Site) -> None:
        on = await site.assigned()
        for call in ("verify", "roll_back"):
            site.world.refuse(call, PlaneTransient)
            assert not (await site.failure(site.planes.roll_back, site.roll_back(on))).non_retryable


class TestUnderAStopOfTheLine:
    async def test_a_rollback_that_nobody_asked_for_waits(
        self, site: Site, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        on = await site.assigned()
        site.now += LATENCY
        stop_the_line(owner, site)
        for operation, device_id in ((Operation.ROLL_BACK, ""), (Operation.REHEARSE, "fake-000")):
            request = site.roll_back(on, operation=operation, device_id=device_id)
            done = await site.run(site.planes.roll_back, request)
            assert done.stopped is not None
            assert done.stopped.who == "olga-ops"
            assert site.world.effects_of(key(site, operation)) == 0

    async def test_one_that_an_operator_asked_for_goes_on(
        self, site: Site, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        on = await site.assigned()
        site.now += LATENCY
        stop_the_line(owner, site)
        asked = f.RollbackInitiated(
            at=site.now,
            actor="olga-ops",
            role="endpoint_ops",
            code="operator",
            why="bad news",
            outcome=DeploymentState.ROLLED_BACK,
            automatic=False,
        )
        started = f.DeploymentStarted(at=site.now)
        batch = FactBatch(deployment_id=site.plan.deployment_id, first_sequence=2, facts=(started, asked))
        await site.records.append(batch)
        done = await site.run(site.planes.roll_back, site.roll_back(on))
        assert (done.stopped, done.clean) == (None, 6)

    async def test_a_device_half_way_through_its_rehearsal_waits_where_it_stands(
        self, site: Site, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        on = await site.assigned()
        site.now += LATENCY
        await site.run(site.planes.pick_device, pick(site, on))
        await site.run(site.planes.roll_back, site.roll_back(on, operation=Operation.REHEARSE, device_id="fake-000"))
        stop_the_line(owner, site)
        failure = await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))
        assert (failure.type, failure.message) == ("not_yet", "held by olga-ops: a worm")
        assert site.world.effects_of(key(site, Operation.REINSTALL)) == 0


class TestRehearsal:
    async def test_touches_its_one_device_and_no_other(self, site: Site) -> None:
        on = await site.assigned()
        site.now += LATENCY
        await site.run(site.planes.pick_device, pick(site, on))
        request = site.roll_back(on, operation=Operation.REHEARSE, device_id="fake-000")
        assert await site.run(site.planes.roll_back, request) == a.RolledBack(targeted=1, clean=1)
        assert carrying(site, on) == {f"fake-{number:03d}" for number in range(1, 6)}
        assert site.world.effects[-1] == ("roll_back", key(site, Operation.REHEARSE))

    async def test_the_device_carries_the_release_again_afterwards(self, site: Site) -> None:
        on = await site.assigned()
        site.now += LATENCY
        await site.run(site.planes.pick_device, pick(site, on))
        await site.run(site.planes.roll_back, site.roll_back(on, operation=Operation.REHEARSE, device_id="fake-000"))
        failure = await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))
        assert (failure.type, failure.next_retry_delay) == ("not_yet", timedelta(seconds=30))
        assert failure.message == "fake-000 does not carry the release again yet"
        site.now += LATENCY
        done = await site.run(site.planes.reinstall, site.reinstall(on, "fake-000"))
        assert done == a.Reinstalled(device_id="fake-000")
        assert carrying(site, on) == {f"fake-{number:03d}" for number in range(6)}
        assert site.world.effects_of(key(site, Operation.REINSTALL)) == 1, "two attempts are one installation"

    async def test_a_success_that_the_device_does_not_show_is_waited_for(self, site: Site) -> None:
        on = await site.assigned()
        await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))
        site.now += LATENCY

        async def verify(object_id: str, package: object, device_ids: tuple[str, ...]) -> Verification:
            return Verification(targeted=1, clean=1)

        site.plane.verify = verify  # type: ignore[method-assign]
        assert (await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))).type == "not_yet"

    async def test_a_device_that_does_not_take_the_release_again_ends_it(self, site: Site) -> None:
        on = await site.assigned()
        site.now += LATENCY
        await site.run(site.planes.pick_device, pick(site, on))
        await site.run(site.planes.roll_back, site.roll_back(on, operation=Operation.REHEARSE, device_id="fake-000"))
        site.world.failing = {"fake-000"}
        await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))
        site.now += LATENCY
        failure = await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))
        assert (failure.type, failure.non_retryable) == ("reinstall_failed", True)
        assert "1603: the installer ended with a fatal error" in failure.message

    async def test_a_failure_with_attempts_left_is_waited_for(self, site: Site) -> None:
        on = await site.assigned()
        site.world.failing = {"fake-000"}
        await site.failure(site.planes.reinstall, site.reinstall(on, "fake-000"))
        site.now += LATENCY
        request = site.reinstall(on, "fake-000", max_attempts=4)
        assert (await site.failure(site.planes.reinstall, request)).type == "not_yet"
