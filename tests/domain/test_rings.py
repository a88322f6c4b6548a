"""Ring membership: which devices a ring takes, each with a why; the same whenever it is asked (``domain.md`` §6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.devices import Device
from eucora.domain.plan import Cohort
from eucora.domain.rings import CohortEmpty, Member, rank, select
from eucora.domain.vocabulary import SiteClass

FIELD = "rings.CANARY.targets[0].cohort"


def fleet(count: int, sites: int = 3) -> list[Device]:
    return [
        Device(
            id=f"device-{number:04}",
            name=f"PC {number}",
            site=f"site-{number % sites}",
            site_class=tuple(SiteClass)[number % 3],
        )
        for number in range(count)
    ]


def ids(members: tuple[Member, ...]) -> list[str]:
    return [member.device_id for member in members]


def choose(
    cohort: Cohort, devices: list[Device], taken: frozenset[str] = frozenset(), application: str = "editor"
) -> tuple[Member, ...]:
    return select(cohort, devices, application_id=application, taken=taken, field=FIELD)


def test_a_group_is_taken_whole_and_each_member_says_why() -> None:
    members = choose(Cohort(group="pilots"), fleet(3))
    assert members[1] == Member(
        device_id="device-0001",
        name="PC 1",
        site="site-1",
        site_class=SiteClass.INTERMITTENT,
        why="member of pilots, in no earlier ring",
    )
    assert ids(members) == ["device-0000", "device-0001", "device-0002"]


def test_part_of_a_group_is_taken_by_rank_and_listed_by_id() -> None:
    devices = fleet(50)
    members = choose(Cohort(group="pilots", take=5), devices)
    lowest = sorted(devices, key=lambda device: rank("editor", device.id))[:5]
    assert ids(members) == sorted(device.id for device in lowest)
    assert {member.why for member in members} == {"among the first 5 of pilots by rank, in no earlier ring"}


def test_named_devices_are_taken_and_no_others() -> None:
    devices = fleet(5)
    members = choose(Cohort(devices=("device-0003", "device-0001")), devices)
    assert ids(members) == ["device-0001", "device-0003"]
    assert {member.why for member in members} == {"named in the plan"}


def test_a_device_of_an_earlier_ring_is_never_taken_again() -> None:
    devices = fleet(10)
    first = frozenset(ids(choose(Cohort(group="all", take=4), devices)))
    for cohort in (Cohort(group="all"), Cohort(group="all", take=10), Cohort(devices=tuple(one.id for one in devices))):
        assert set(ids(choose(cohort, devices, first))) == {one.id for one in devices} - first


def test_a_device_that_an_inventory_lists_twice_is_one_member() -> None:
    devices = fleet(4)
    assert len(choose(Cohort(group="all"), devices + devices[:2])) == 4
    assert len(choose(Cohort(group="all", take=3), devices + devices)) == 3


def test_another_application_begins_with_other_devices() -> None:
    devices = fleet(200)
    chosen = {name: frozenset(ids(choose(Cohort(group="all", take=10), devices, application=name))) for name in "abc"}
    assert len(set(chosen.values())) == 3


def test_the_first_devices_are_spread_over_sites() -> None:
    devices = fleet(3000)
    members = choose(Cohort(group="all", take=300), devices)
    counts = [sum(member.site == f"site-{number}" for member in members) for number in range(3)]
    assert sum(counts) == 300
    assert min(counts) > 70


def test_ranks_do_not_change_from_release_to_release() -> None:
    assert rank("editor", "device-1") == "f4cde5b2b0b3fa2f3acb301c889c70626557b004736dd1e50078cdadfddcbc64"


@pytest.mark.parametrize(
    ("cohort", "devices", "taken", "source"),
    [
        (Cohort(group="pilots"), 0, frozenset[str](), "group 'pilots' leaves no device"),
        (Cohort(group="pilots"), 1, frozenset({"device-0000"}), "group 'pilots' leaves no device"),
        (Cohort(group="pilots", take=2), 1, frozenset({"device-0000"}), "group 'pilots' leaves no device"),
        (Cohort(devices=("gone",)), 3, frozenset[str](), "the devices named leaves no device"),
    ],
)
def test_an_empty_target_never_means_everyone(cohort: Cohort, devices: int, taken: frozenset[str], source: str) -> None:
    with pytest.raises(CohortEmpty, match=source) as refused:
        choose(cohort, fleet(devices), taken)
    assert (refused.value.code, refused.value.field) == ("cohort_empty", FIELD)


FLEET = fleet(30)


def cohort_of(number: int) -> Cohort:
    """Read a cohort from a byte: a whole group, part of it, or devices by id."""
    if number % 4 == 0:
        return Cohort(group="all")
    if number % 4 == 1:
        return Cohort(devices=tuple(f"device-{(number * step) % 40:04}" for step in range(1, 2 + number % 7)))
    return Cohort(group="all", take=1 + number // 4 % 12)


@given(st.binary(min_size=2, max_size=7))
def test_rings_are_disjoint_explained_and_the_same_again(tape: bytes) -> None:
    """Whatever the order in which an inventory lists its devices, each ring takes the same ones, and none twice."""
    size, turn = tape[0] % 31, tape[1] % 31
    devices = FLEET[:size]
    turned = devices[turn:] + devices[:turn]
    taken: frozenset[str] = frozenset()
    for cohort in map(cohort_of, tape[2:]):
        try:
            members = choose(cohort, devices, taken)
        except CohortEmpty:
            with pytest.raises(CohortEmpty):
                choose(cohort, turned, taken)
            continue
        assert choose(cohort, turned, taken) == members
        chosen = ids(members)
        assert chosen == sorted(set(chosen))
        assert not taken & set(chosen)
        assert all(member.why for member in members)
        left = size - len(taken)
        if cohort.devices:
            assert set(chosen) == set(cohort.devices) & {one.id for one in devices} - taken
        else:
            assert len(chosen) == (left if cohort.take is None else min(cohort.take, left))
        taken |= set(chosen)
