"""Publish and assign: once per key however often they are tried, and not at all when the guard says no."""

from __future__ import annotations

import socket
from datetime import timedelta

import psycopg
import pytest

from activities.plane import PlaneActivities
from eucora.domain.devices import DeviceState
from eucora.domain.errors import (
    PlaneAuth,
    PlaneConflict,
    PlaneError,
    PlaneInvalid,
    PlaneNotFound,
    PlanePermanent,
    PlanePermission,
    PlaneThrottled,
    PlaneTransient,
    UnknownOutcome,
)
from eucora.domain.vocabulary import ErrorClass, HoldKind, Operation
from eucora.ports.plane import EffectKey
from eucora.store.engine import Database
from eucora.store.guard import PostgresGuard
from eucora.store.progress import PostgresProgress
from models.messages import activities as a
from tests.activities.conftest import LATENCY, PLANE, Site, stop_the_line
from tests.evidence.builders import ARTIFACT

MAPPED = (
    PlaneAuth,
    PlaneConflict,
    PlaneInvalid,
    PlaneNotFound,
    PlanePermanent,
    PlanePermission,
    PlaneThrottled,
    PlaneTransient,
    UnknownOutcome,
)


def key(site: Site, operation: Operation, revision: int = 1) -> EffectKey:
    return EffectKey(
        deployment_id=site.plan.deployment_id, ring="LAB", plane=PLANE, operation=operation, revision=revision
    )


class TestPublish:
    async def test_creates_the_object_with_the_packs_content(self, site: Site) -> None:
        done = await site.run(site.planes.publish, site.effect())
        assert done == a.EffectDone(object_id="object-1", request_id="fake", adopted=False)
        assert site.world.objects == {("Left Pad", "1.3.0"): ("object-1", site.pack.artifact.sha256)}
        assert site.world.effects == [("publish", key(site, Operation.PUBLISH))]

    async def test_after_a_lost_answer_it_is_found_and_not_made_twice(self, site: Site) -> None:
        site.world.lose_answer("publish", applied=True)
        failure = await site.failure(site.planes.publish, site.effect())
        assert (failure.type, failure.non_retryable) == ("plane_unknown_outcome", False)
        again = await site.run(site.planes.publish, site.effect())
        assert (again.object_id, again.adopted) == ("object-1", True)
        assert site.world.effects_of(key(site, Operation.PUBLISH)) == 1

    async def test_a_foreign_object_of_that_name_is_a_conflict(self, site: Site) -> None:
        site.world.objects["Left Pad", "1.3.0"] = ("object-9", None)
        failure = await site.failure(site.planes.publish, site.effect())
        assert (failure.type, failure.non_retryable) == ("foreign_object", True)

    async def test_bytes_that_are_not_the_artifacts_are_never_published(self, site: Site) -> None:
        site.case.blobs.damage(site.pack.artifact.sha256, ARTIFACT + b"!")
        failure = await site.failure(site.planes.publish, site.effect())
        assert failure.non_retryable
        assert site.world.effects == []

    async def test_a_pack_that_does_not_exist_is_named(self, site: Site) -> None:
        failure = await site.failure(site.planes.publish, site.effect(pack_digest="0" * 64))
        assert (failure.type, failure.details[0]["field"]) == ("pack_not_found", "pack_digest")


class TestAssign:
    async def test_targets_exactly_the_frozen_members(self, site: Site) -> None:
        on = await site.assigned()
        assert site.world.assignments[on.assignment_id].device_ids == tuple(f"fake-{n:03d}" for n in range(6))

    async def test_after_a_lost_answer_it_is_found_and_not_made_twice(self, site: Site) -> None:
        membership = await site.freeze()
        published = await site.run(site.planes.publish, site.effect())
        request = site.effect(membership, object_id=published.object_id)
        site.world.lose_answer("assign", applied=True)
        assert (await site.failure(site.planes.assign, request)).type == "plane_unknown_outcome"
        done = await site.run(site.planes.assign, request)
        assert (done.assignment_id, done.targeted, done.adopted) == ("assignment-1", 6, True)
        assert site.world.effects_of(key(site, Operation.ASSIGN)) == 1

    async def test_an_empty_membership_is_refused_by_the_plane(self, site: Site) -> None:
        published = await site.run(site.planes.publish, site.effect())
        empty = await site.case.blobs.put_bytes(b"[]")
        failure = await site.failure(site.planes.assign, site.effect(empty.sha256, object_id=published.object_id))
        assert (failure.type, failure.non_retryable) == ("empty_target", True)
        assert site.world.assignments == {}

    async def test_a_later_revision_gives_failed_devices_another_attempt(self, site: Site) -> None:
        site.world.failing = {"fake-002"}
        on = await site.assigned()
        site.now += LATENCY
        await site.plane.status(on.assignment_id)
        site.world.failing = set()
        request = site.effect(on.membership, revision=2, object_id=on.object_id, assignment_id=on.assignment_id)
        done = await site.run(site.planes.assign, request)
        assert done.assignment_id == on.assignment_id
        page = await site.plane.status(on.assignment_id)
        assert {status.state for status in page.statuses} == {DeviceState.SUCCEEDED}
        assert {status.device_id: status.attempts for status in page.statuses}["fake-002"] == 4
        assert site.world.effects[-1] == ("retry", key(site, Operation.RETRY, 2))

    async def test_a_retry_whose_answer_was_lost_names_the_same_devices_again(self, site: Site) -> None:
        """A plane refuses a key that comes back with another target, and states move between two attempts."""
        site.world.failing = {"fake-002", "fake-003"}
        on = await site.assigned()
        site.now += LATENCY
        await site.plane.status(on.assignment_id)
        asked: list[tuple[str, ...]] = []
        retry = site.plane.retry

        async def listening(key: EffectKey, assignment_id: str, device_ids: tuple[str, ...]) -> object:
            asked.append(device_ids)
            return await retry(key, assignment_id, device_ids)

        site.plane.retry = listening  # type: ignore[method-assign, assignment]
        site.world.failing = set()
        site.world.lose_answer("retry", applied=True)
        request = site.effect(on.membership, revision=2, object_id=on.object_id, assignment_id=on.assignment_id)
        assert (await site.failure(site.planes.assign, request)).type == "plane_unknown_outcome"
        assert (await site.run(site.planes.assign, request)).adopted
        assert asked[0] == asked[1] != ()

    async def test_a_long_effect_heartbeats(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("activities.errors.HEARTBEAT_EVERY", timedelta(0))
        beats: list[tuple[object, ...]] = []
        site.env.on_heartbeat = lambda *details: beats.append(details)
        await site.assigned()
        assert beats


class TestGuard:
    async def test_a_stop_is_returned_and_nothing_is_called_on_the_plane(
        self, site: Site, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        on = await site.assigned()
        before = list(site.world.effects)
        stop_id = stop_the_line(owner, site)
        for call in ("inventory", "devices", "publish", "assign", "retry", "status"):
            site.world.refuse(call, PlaneAuth)  # would be noticed
        stopped = a.Stopped(kind=HoldKind.LINE_STOP, who="olga-ops", why="a worm", reference=stop_id)
        effect = site.effect(on.membership, object_id=on.object_id)
        assert (await site.run(site.planes.publish, effect)).stopped == stopped
        assert (await site.run(site.planes.assign, effect)).stopped == stopped
        retry = site.effect(on.membership, revision=2, object_id=on.object_id, assignment_id=on.assignment_id)
        assert (await site.run(site.planes.assign, retry)).stopped == stopped
        frozen = await site.run(
            site.planes.freeze_membership,
            a.FreezeMembership(
                deployment_id=site.plan.deployment_id,
                application_id=site.plan.application.id,
                ring="CANARY",
                order=1,
                plane=PLANE,
                cohort=site.plan.rings[1].targets[0].cohort,
                earlier=(on.membership,),
            ),
        )
        assert (frozen.stopped, frozen.membership) == (stopped, None)
        assert site.world.effects == before

    async def test_a_stop_of_another_plane_stops_nothing_here(
        self, site: Site, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        stop_the_line(owner, site, plane="elsewhere")
        assert (await site.run(site.planes.publish, site.effect())).object_id == "object-1"

    async def test_a_deployment_without_a_record_may_not_act(self, site: Site) -> None:
        failure = await site.failure(site.planes.publish, site.effect(deployment_id="d-of-nobody"))
        assert (failure.type, failure.non_retryable) == ("deployment_not_found", True)
        assert site.world.effects == []

    async def test_no_answer_means_do_not_act_and_try_again(self, site: Site) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # and never listens: connections are refused
            nobody = Database.at(f"postgresql://eucora@127.0.0.1:{bound.getsockname()[1]}/eucora")
            cut_off = PlaneActivities(
                {PLANE: site.plane},
                guard=PostgresGuard(nobody),
                packs=site.packs,
                progress=PostgresProgress(site.database),
                blobs=site.case.blobs,
            )
            failure = await site.failure(cut_off.publish, site.effect())
            await nobody.close()
        assert (failure.type, failure.non_retryable) == ("database_unavailable", False)
        assert failure.next_retry_delay == timedelta(seconds=2)
        assert site.world.effects == []


@pytest.mark.parametrize("error", MAPPED, ids=lambda error: error.__name__)
async def test_what_the_plane_says_reaches_the_workflow_as_it_is(site: Site, error: type[PlaneError]) -> None:
    site.world.refuse("publish", error)
    failure = await site.failure(site.planes.publish, site.effect())
    retried = issubclass(error, PlaneTransient)
    assert (failure.type, failure.non_retryable) == (error.code, not retried)
    assert failure.next_retry_delay == (timedelta(seconds=7) if error is PlaneThrottled else None)
    assert ErrorClass(failure.details[0]["error_class"]) is error.error_class
    assert site.world.effects == []
