"""The devices of a plane follow from seed, plane and count alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.sim.population import GROUPS, Population, group_sizes, uniforms


def population(count: int = 1_000, *, seed: int = 1, plane: str = "sim-windows") -> Population:
    return Population(seed=seed, plane=plane, count=count)


def test_the_same_seed_makes_the_same_devices_for_ever() -> None:
    member = population().member(7)
    assert (member.id, member.site, member.site_class, member.groups) == (
        "sim-windows-000007",
        "austin",
        "online",
        ("department", "all"),
    )
    assert population().group("lab") == [173, 518, 585, 592, 955]


def test_another_seed_or_plane_makes_others() -> None:
    assert population(seed=2).group("canary") != population().group("canary")
    assert population(plane="sim-mac").group("canary") != population().group("canary")


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, (1, 0, 0, 0)),
        (8, (5, 1, 2, 0)),
        (1_000, (5, 25, 250, 500)),
        (2_000, (10, 50, 500, 1_000)),
        (100_000, (10, 100, 1_000, 10_000)),
    ],
)
def test_groups_grow_with_the_plane_up_to_a_limit(count: int, sizes: tuple[int, ...]) -> None:
    assert group_sizes(count) == sizes


@given(count=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_named_groups_are_disjoint_and_all_holds_everyone(count: int, seed: int) -> None:
    devices = population(count, seed=seed)
    named = [index for group in GROUPS[:-1] for index in devices.group(group)]
    assert len(named) == len(set(named)) == sum(group_sizes(count))
    assert list(devices.group("all")) == list(range(count))
    for group in GROUPS:
        members = list(devices.group(group))
        assert members == sorted(members)
        assert all(group in devices.member(index).groups for index in members)


def test_sites_are_as_connected_as_promised() -> None:
    devices = population(20_000)
    shares = Counter(devices.member(index).site_class for index in range(20_000))
    assert 0.89 < shares["online"] / 20_000 < 0.91
    assert 0.07 < shares["intermittent"] / 20_000 < 0.09
    assert 0.015 < shares["air_gapped"] / 20_000 < 0.025
    assert all(devices.member(index).site_class == devices.site_class_of(index) for index in range(100))


def test_a_few_devices_are_critical_and_none_of_them_in_the_lab() -> None:
    devices = population(20_000)
    critical = [index for index in range(20_000) if devices.member(index).critical_infrastructure]
    assert 10 <= len(critical) <= 80
    assert not set(critical) & set(devices.group("lab"))


@given(index=st.integers(0, 999))
def test_an_id_leads_back_to_its_device(index: int) -> None:
    devices = population()
    assert devices.index(devices.device_id(index)) == index


@pytest.mark.parametrize(
    "device_id",
    ["", "sim-windows-", "sim-windows-001000", "sim-windows-7", "sim-mac-000007", "sim-windows-٠٠٠٠٠٧", "x"],
)
def test_what_is_no_id_of_the_plane_leads_nowhere(device_id: str) -> None:
    assert population().index(device_id) is None


def test_ids_sort_as_indexes_do() -> None:
    devices = population(100_000)
    ids = [devices.device_id(index) for index in (0, 9, 10, 99_999)]
    assert ids == sorted(ids)


@given(st.integers())
def test_draws_stay_below_one(part: int) -> None:
    assert all(0.0 <= draw < 1.0 for draw in uniforms(part))


def test_a_plane_has_a_device() -> None:
    with pytest.raises(ValueError, match="at least one"):
        population(0)
