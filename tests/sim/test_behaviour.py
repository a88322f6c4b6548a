"""What a device does is a function of its seed, its release, its orders and the time."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.sim.behaviour import (
    FAILED,
    INSTALLED,
    INSTALLING,
    MAX_ATTEMPTS,
    NOT_REPORTED,
    Behaviour,
    Fate,
    Profile,
    Retry,
)
from eucora.sim.population import Population

COUNT = 3_000
AT = 1_000.0
LONG = AT + 100_000.0
ALWAYS_ONLINE: dict[str, Any] = {"offline": {}}


@cache
def population() -> Population:
    return Population(seed=3, plane="sim-windows", count=COUNT)


@cache
def behaviour(version: str = "1.0") -> Behaviour:
    return Behaviour(population(), application="viewer", version=version)


def seen(index: int, profile: Profile, now: float, *, retries: tuple[Retry, ...] = (), version: str = "1.0") -> Any:
    return behaviour(version).observe(index, Behaviour.per_group(profile), assigned_at=AT, now=now, retries=retries)


def final_states(profile: Profile, version: str = "1.0") -> Counter[str]:
    return Counter(seen(index, profile, LONG, version=version).state for index in range(COUNT))


def test_a_release_without_faults_succeeds_everywhere() -> None:
    assert final_states(Profile(attempt_failure_rate=0.0)) == {INSTALLED: COUNT}


def test_rates_are_shares_of_the_devices() -> None:
    states = final_states(Profile(success_rate=0.9, silence_rate=0.04, attempt_failure_rate=0.0))
    assert abs(states[INSTALLED] / COUNT - 0.90) < 0.02
    assert abs(states[NOT_REPORTED] / COUNT - 0.04) < 0.015
    assert abs(states[FAILED] / COUNT - 0.06) < 0.015


def test_a_device_that_fails_one_release_need_not_fail_the_next() -> None:
    profile = Profile(success_rate=0.5)
    first = [seen(index, profile, LONG).state for index in range(200)]
    second = [seen(index, profile, LONG, version="2.0").state for index in range(200)]
    assert first != second


@given(index=st.integers(0, COUNT - 1), now=st.floats(0, 3_000), rate=st.floats(0, 1))
def test_asking_twice_gives_the_same_answer(index: int, now: float, rate: float) -> None:
    profile = Profile(success_rate=rate)
    assert seen(index, profile, now) == seen(index, profile, now)


ORDER = {NOT_REPORTED: 0, INSTALLING: 1, FAILED: 1, INSTALLED: 2}


@given(
    index=st.integers(0, COUNT - 1),
    moments=st.lists(st.floats(AT, AT + 60), min_size=2, max_size=6),
    failures=st.floats(0, 1),
)
def test_time_never_takes_a_report_back(index: int, moments: list[float], failures: float) -> None:
    profile = Profile(success_rate=0.8, silence_rate=0.1, attempt_failure_rate=failures)
    reports = [seen(index, profile, now) for now in sorted(moments)]
    for earlier, later in pairwise(reports):
        assert ORDER[earlier.state] <= ORDER[later.state]
        assert earlier.attempts <= later.attempts <= MAX_ATTEMPTS
        assert later.at is None or earlier.at is None or earlier.at <= later.at


@given(index=st.integers(0, COUNT - 1), now=st.floats(0, 3_000), silence=st.floats(0, 1))
def test_nothing_is_reported_from_the_future_or_before_the_order(index: int, now: float, silence: float) -> None:
    report = seen(index, Profile(success_rate=1 - silence, silence_rate=silence), now)
    if report.at is not None:
        assert AT <= report.at <= now
    if now < AT:
        assert report.state == NOT_REPORTED


@given(index=st.integers(0, COUNT - 1), now=st.floats(AT, AT + 60))
def test_what_is_reported_installed_is_installed(index: int, now: float) -> None:
    profile = Profile(success_rate=0.7, attempt_failure_rate=0.3)
    report = seen(index, profile, now)
    at = behaviour().installed_at(index, Behaviour.per_group(profile), assigned_at=AT, now=now)
    assert (report.state == INSTALLED) == (at is not None)
    assert at is None or at == report.at


def test_a_failing_device_uses_up_its_attempts_and_says_why() -> None:
    profile = Profile(success_rate=0.0, **ALWAYS_ONLINE)
    attempts = [seen(5, profile, AT + step / 10) for step in range(400)]
    assert {report.attempts for report in attempts} == {0, 1, 2, 3}
    assert attempts[-1].state == FAILED
    assert attempts[-1].error


def test_latency_bounds_the_time_to_success() -> None:
    profile = Profile(attempt_failure_rate=0.0, latency=(10.0, 20.0), **ALWAYS_ONLINE)
    times = [seen(index, profile, LONG).at - AT for index in range(COUNT)]
    assert 10.0 <= min(times) < 10.5
    assert 19.5 < max(times) <= 20.0


def test_devices_report_only_while_they_are_connected() -> None:
    period, share = 1_000.0, 0.6
    profile = Profile(offline={"intermittent": (period, share)})
    intermittent = [i for i in range(COUNT) if population().site_class_of(i) == "intermittent"]
    assert intermittent
    for index in intermittent:
        at = seen(index, profile, LONG).at
        position = (at + population().phase(index) * period) % period
        assert position >= share * period - 1e-6 or position < 1e-6


def test_a_group_may_behave_otherwise() -> None:
    profile = Profile(attempt_failure_rate=0.0, groups={"canary": {"success_rate": 0.0}})
    failed = {index for index in range(COUNT) if seen(index, profile, LONG).state == FAILED}
    assert failed == set(population().group("canary"))


def test_a_named_group_wins_over_everyone() -> None:
    profile = Profile(attempt_failure_rate=0.0, groups={"all": {"success_rate": 0.0}, "lab": {"success_rate": 1.0}})
    installed = {index for index in range(COUNT) if seen(index, profile, LONG).state == INSTALLED}
    assert installed == set(population().group("lab"))


def test_a_device_may_be_given_its_fate() -> None:
    name = population().device_id
    profile = Profile(attempt_failure_rate=0.0, fates={name(1): Fate.FAILING, name(2): Fate.SILENT})
    assert [seen(index, profile, LONG).state for index in range(4)] == [INSTALLED, FAILED, NOT_REPORTED, INSTALLED]


def test_a_retry_gives_one_more_attempt_under_the_profile_of_its_time() -> None:
    bad, good = Profile(success_rate=0.0), Profile(attempt_failure_rate=0.0)
    mended = (Retry(AT + 1_000, good, frozenset({9})),)
    assert seen(9, bad, AT + 999, retries=mended).state == FAILED
    assert (seen(9, bad, LONG, retries=mended).state, seen(9, bad, LONG, retries=mended).attempts) == (INSTALLED, 4)
    assert seen(8, bad, LONG, retries=mended).attempts == 3
    vain = (Retry(AT + 1_000, bad, frozenset({9})), Retry(AT + 2_000, bad, frozenset({9})))
    assert seen(9, bad, LONG, retries=vain).attempts == 5


def test_a_retry_of_a_device_that_has_not_failed_for_good_changes_nothing() -> None:
    bad = Profile(success_rate=0.0, latency=(100.0, 100.0))
    early = (Retry(AT + 1, bad, frozenset({9})),)
    assert seen(9, bad, LONG, retries=early).attempts == 3
    good = Profile(attempt_failure_rate=0.0)
    assert seen(9, good, LONG, retries=early) == seen(9, good, LONG)


def test_a_release_may_stop_working_and_still_stand_there() -> None:
    profile = Profile(attempt_failure_rate=0.0, regress_rate=1.0, regress_after=50.0, **ALWAYS_ONLINE)
    done = seen(4, profile, AT + 10)
    assert done.state == INSTALLED
    broken = seen(4, profile, AT + 60)
    assert (broken.state, broken.attempts, broken.at) == (FAILED, MAX_ATTEMPTS, done.at + 50.0)
    assert behaviour().installed_at(4, Behaviour.per_group(profile), assigned_at=AT, now=AT + 60) == done.at


def test_an_uninstall_may_fail_and_another_may_not() -> None:
    profiles = Behaviour.per_group(Profile(uninstall_failure_rate=0.5))
    first = [behaviour().removed_at(i, profiles, ordered_at=AT, ordinal=1) for i in range(400)]
    second = [behaviour().removed_at(i, profiles, ordered_at=AT, ordinal=2) for i in range(400)]
    assert 120 < first.count(None) < 280
    assert any(a is None and b is not None for a, b in zip(first, second, strict=True))
    assert all(at > AT for at in first if at is not None)


@pytest.mark.parametrize(
    "fields",
    [
        {"success_rate": 1.1},
        {"silence_rate": -0.1},
        {"success_rate": 0.9, "silence_rate": 0.2},
        {"latency": (2.0, 1.0)},
        {"latency": (-1.0, 1.0)},
        {"retry_delay": -1.0},
        {"regress_after": -1.0},
        {"offline": {"online": (1.0, 1.0)}},
        {"offline": {"orbit": (1.0, 0.5)}},
        {"groups": {"nobody": {"success_rate": 0.5}}},
        {"groups": {"lab": {"colour": 1}}},
        {"groups": {"lab": {"success_rate": 2.0}}},
        {"groups": {"lab": {"groups": {}}}},
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Profile(**fields)
