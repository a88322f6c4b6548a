"""Cohorts: counted at submission, frozen ring by ring; an empty target never means everyone."""

from __future__ import annotations

import dataclasses
import json

from eucora.domain.errors import PlaneThrottled, PlaneTransient
from eucora.domain.plan import Cohort, PlaneTarget, RolloutPlan
from eucora.domain.vocabulary import SiteClass
from eucora.ports.plane import DevicePage
from models.messages import activities as a
from tests.activities.conftest import PLANE, Site, device


def with_cohorts(plan: RolloutPlan, *cohorts: Cohort) -> RolloutPlan:
    rings = tuple(
        dataclasses.replace(ring, targets=(PlaneTarget(plane=PLANE, cohort=cohort),))
        for ring, cohort in zip(plan.rings, cohorts, strict=True)
    )
    return dataclasses.replace(plan, rings=rings)


def freeze(site: Site, cohort: Cohort, *, earlier: tuple[str, ...] = (), plane: str = PLANE) -> a.FreezeMembership:
    return a.FreezeMembership(
        deployment_id=site.plan.deployment_id,
        application_id=site.plan.application.id,
        ring="LAB",
        order=0,
        plane=plane,
        cohort=cohort,
        earlier=earlier,
    )


class TestResolve:
    async def test_counts_every_ring_and_no_device_twice(self, site: Site) -> None:
        chosen = with_cohorts(site.plan, Cohort(group="lab", take=2), Cohort(group="lab"))
        found = await site.run(site.planes.resolve_cohorts, a.ResolveCohorts(plan=chosen, plane=PLANE))
        assert [(size.ring, size.plane, size.devices) for size in found.sizes] == [
            ("LAB", PLANE, 2),
            ("CANARY", PLANE, 4),
        ]
        assert not found.critical_infrastructure

    async def test_critical_infrastructure_counts_only_where_it_was_chosen(self, site: Site) -> None:
        site.world.devices |= {
            one.id: one for one in (device(1, critical_infrastructure=True), device(2), device(3, groups=("y",)))
        }
        for cohort, expected in ((Cohort(devices=("x-001",)), True), (Cohort(devices=("x-002",)), False)):
            chosen = with_cohorts(site.plan, cohort, Cohort(group="canary"))
            found = await site.run(site.planes.resolve_cohorts, a.ResolveCohorts(plan=chosen, plane=PLANE))
            assert found.critical_infrastructure is expected

    async def test_leaves_other_planes_alone(self, site: Site) -> None:
        other = PlaneTarget(plane="elsewhere", cohort=Cohort(group="no such group"))
        first, second = site.plan.rings
        rings = (dataclasses.replace(first, targets=(*first.targets, other)), second)
        request = a.ResolveCohorts(plan=dataclasses.replace(site.plan, rings=rings), plane=PLANE)
        found = await site.run(site.planes.resolve_cohorts, request)
        assert {size.plane for size in found.sizes} == {PLANE}

    async def test_an_unknown_group_or_device_is_unresolvable_and_names_the_field(self, site: Site) -> None:
        for cohort in (Cohort(group="no such group"), Cohort(devices=("no-such-device",)), Cohort(group="")):
            chosen = with_cohorts(site.plan, Cohort(group="lab"), cohort)
            request = a.ResolveCohorts(plan=chosen, plane=PLANE)
            failure = await site.failure(site.planes.resolve_cohorts, request)
            assert (failure.type, failure.non_retryable) == ("cohort_unresolvable", True)
            assert failure.details[0]["field"] == "rings.CANARY.targets[0].cohort"

    async def test_a_ring_without_a_device_left_is_empty_and_names_the_field(self, site: Site) -> None:
        chosen = with_cohorts(site.plan, Cohort(group="lab"), Cohort(group="lab"))
        request = a.ResolveCohorts(plan=chosen, plane=PLANE)
        failure = await site.failure(site.planes.resolve_cohorts, request)
        assert (failure.type, failure.non_retryable) == ("cohort_empty", True)
        assert failure.details[0]["field"] == "rings.CANARY.targets[0].cohort"

    async def test_a_plane_that_is_down_is_asked_again(self, site: Site) -> None:
        request = a.ResolveCohorts(plan=site.plan, plane=PLANE)
        for error, seconds in ((PlaneTransient, None), (PlaneThrottled, 7)):
            site.world.refuse("inventory", error)
            failure = await site.failure(site.planes.resolve_cohorts, request)
            assert (failure.type, failure.non_retryable) == (error.code, False)
            assert (failure.next_retry_delay.seconds if failure.next_retry_delay else None) == seconds

    async def test_a_plane_of_another_worker_is_refused_by_name(self, site: Site) -> None:
        failure = await site.failure(
            site.planes.resolve_cohorts, a.ResolveCohorts(plan=site.plan, plane="plane-of-the-moon")
        )
        assert (failure.type, failure.non_retryable) == ("plane_unknown", True)
        assert "it serves: fake" in failure.message


class TestFreeze:
    async def test_stores_each_device_with_its_why_under_the_digest(self, site: Site) -> None:
        request = freeze(site, Cohort(group="lab", take=3))
        found = await site.run(site.planes.freeze_membership, request)
        assert found.stopped is None
        assert found.membership is not None
        assert (found.membership.plane, found.membership.devices) == (PLANE, 3)
        assert [(count.site_class, count.devices) for count in found.membership.sites] == [(SiteClass.ONLINE, 3)]
        stored = json.loads(await site.case.blobs.get_bytes(found.membership.digest))
        assert [entry["device_id"] for entry in stored] == sorted(entry["device_id"] for entry in stored)
        assert {entry["why"] for entry in stored} == {"among the first 3 of lab by rank, in no earlier ring"}
        assert set(stored[0]) == {"device_id", "name", "site", "site_class", "why"}

    async def test_again_gives_the_same_list(self, site: Site) -> None:
        request = freeze(site, Cohort(group="lab", take=3))
        first = await site.run(site.planes.freeze_membership, request)
        assert await site.run(site.planes.freeze_membership, request) == first

    async def test_takes_no_device_of_an_earlier_ring(self, site: Site) -> None:
        first = await site.run(site.planes.freeze_membership, freeze(site, Cohort(group="lab", take=2)))
        assert first.membership is not None
        request = freeze(site, Cohort(group="lab"), earlier=(first.membership.digest,))
        second = await site.run(site.planes.freeze_membership, request)
        assert second.membership is not None
        lists = [
            {entry["device_id"] for entry in json.loads(await site.case.blobs.get_bytes(digest))}
            for digest in (first.membership.digest, second.membership.digest)
        ]
        assert (len(lists[0]), len(lists[1])) == (2, 4)
        assert lists[0].isdisjoint(lists[1])

    async def test_counts_site_classes(self, site: Site) -> None:
        classes = (SiteClass.ONLINE, SiteClass.AIR_GAPPED, SiteClass.AIR_GAPPED)
        made = [device(number, site_class=name) for number, name in enumerate(classes)]
        site.world.devices |= {one.id: one for one in made}
        found = await site.run(site.planes.freeze_membership, freeze(site, Cohort(group="x")))
        assert found.membership is not None
        counts = {count.site_class: count.devices for count in found.membership.sites}
        assert counts == {SiteClass.ONLINE: 1, SiteClass.AIR_GAPPED: 2}

    async def test_a_device_that_shows_up_on_two_pages_is_one_device(self, site: Site) -> None:
        one, two, three = (device(number) for number in range(3))
        pages = {None: DevicePage(devices=(one, two), next_cursor="2"), "2": DevicePage(devices=(two, three))}

        async def inventory(group: str, *, cursor: str | None = None, limit: int = 1000) -> DevicePage:
            return pages[cursor]

        site.plane.inventory = inventory  # type: ignore[method-assign]
        found = await site.run(site.planes.freeze_membership, freeze(site, Cohort(group="x")))
        assert found.membership is not None
        assert found.membership.devices == 3

    async def test_an_empty_or_unknown_cohort_is_refused_and_names_the_ring(self, site: Site) -> None:
        everyone = await site.freeze()
        for cohort, code in (
            (Cohort(group="no such group"), "cohort_unresolvable"),
            (Cohort(group="lab"), "cohort_empty"),
        ):
            request = freeze(site, cohort, earlier=(everyone,))
            failure = await site.failure(site.planes.freeze_membership, request)
            assert (failure.type, failure.non_retryable) == (code, True)
            assert failure.details[0]["field"] == "rings.LAB"

    async def test_a_list_of_an_earlier_ring_that_is_damaged_stops_it(self, site: Site) -> None:
        earlier = await site.freeze()
        site.case.blobs.damage(earlier, b"[]")
        fresh = Site(site.database, site.case, site.pack)  # another worker, which has read nothing yet
        await fresh.begin()
        failure = await fresh.failure(
            fresh.planes.freeze_membership, freeze(fresh, Cohort(group="canary"), earlier=(earlier,))
        )
        assert (failure.type, failure.non_retryable) == ("blob_corrupt", True)
