"""Counting devices honestly: what is a success, what is a failure, and what is only silence (``domain.md`` §6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.gates import ClassFigures, Figures, summarise
from eucora.domain.plan import HOUR, ComplianceWindows
from eucora.domain.vocabulary import SiteClass
from tests.domain.builders import START

WINDOWS = ComplianceWindows(online=4 * HOUR, intermittent=8 * HOUR, air_gapped=24 * HOUR)
FAILED, SUCCEEDED, UNKNOWN, IN_PROGRESS = (
    DeviceState.FAILED,
    DeviceState.SUCCEEDED,
    DeviceState.UNKNOWN,
    DeviceState.IN_PROGRESS,
)


def hours(count: float) -> datetime:
    """A time after ring start."""
    return START + timedelta(hours=count)


def count(
    *statuses: DeviceStatus, members: dict[str, SiteClass] | None = None, at: float = 1.0, max_attempts: int = 3
) -> Figures:
    chosen = {"a": SiteClass.ONLINE} if members is None else members
    return summarise(chosen, statuses, started_at=START, windows=WINDOWS, max_attempts=max_attempts, now=hours(at))


def device(state: DeviceState, at: float | None = None, attempts: int = 1, name: str = "a") -> DeviceStatus:
    return DeviceStatus(device_id=name, state=state, attempts=attempts, at=None if at is None else hours(at))


def only(figures: Figures) -> ClassFigures:
    (part,) = figures.classes
    return part


@pytest.mark.parametrize(
    ("status", "at", "expected"),
    [
        (device(SUCCEEDED, 0.5), 1.0, "succeeded"),
        (device(SUCCEEDED, 4.0), 4.0, "succeeded"),  # at the deadline is within it
        (device(SUCCEEDED, 4.001), 5.0, "failed"),  # after it stays failed
        (device(SUCCEEDED, 4.001), 500.0, "failed"),
        (device(SUCCEEDED, None), 1.0, "unknown"),  # a success without a time is no evidence
        (device(SUCCEEDED, None), 4.0, "failed"),
        (device(SUCCEEDED, -1.0), 1.0, "succeeded"),  # carried the release already
        (device(FAILED, 0.5, attempts=1), 1.0, "in_progress"),  # attempts left: not final
        (device(FAILED, 0.5, attempts=2), 3.999, "in_progress"),
        (device(FAILED, 0.5, attempts=3), 1.0, "failed"),
        (device(FAILED, 0.5, attempts=4), 1.0, "failed"),
        (device(FAILED, 0.5, attempts=1), 4.0, "failed"),  # no time left for another attempt
        (device(IN_PROGRESS), 3.999, "in_progress"),
        (device(IN_PROGRESS), 4.0, "failed"),
        (device(UNKNOWN), 3.999, "unknown"),
        (device(UNKNOWN), 4.0, "failed"),
    ],
)
def test_one_device_counts_as_exactly_one_thing(status: DeviceStatus, at: float, expected: str) -> None:
    part = only(count(status, at=at))
    counted = {
        name: getattr(part, name) for name in ("succeeded", "failed", "in_progress", "unknown") if getattr(part, name)
    }
    assert counted == {expected: 1}


@pytest.mark.parametrize(
    ("site_class", "deadline"),
    [(SiteClass.ONLINE, 4.0), (SiteClass.INTERMITTENT, 8.0), (SiteClass.AIR_GAPPED, 24.0)],
)
def test_silence_is_unknown_until_the_deadline_of_its_site_class(site_class: SiteClass, deadline: float) -> None:
    members = {"a": site_class}
    assert only(count(members=members, at=deadline - 0.001)).unknown == 1
    expired = only(count(members=members, at=deadline))
    assert (expired.failed, expired.unknown, expired.succeeded) == (1, 0, 0)


def test_the_number_of_attempts_is_data() -> None:
    status = device(FAILED, 0.5, attempts=1)
    assert only(count(status, max_attempts=1)).failed == 1
    assert only(count(status, max_attempts=2)).failed == 0


def test_strangers_and_second_reports_of_a_device_do_not_count() -> None:
    stranger = device(SUCCEEDED, 0.5, name="not-a-member")
    again = device(FAILED, 0.6, attempts=9)
    part = only(count(stranger, device(SUCCEEDED, 0.5), again))
    assert (part.targeted, part.succeeded, part.failed) == (1, 1, 0)


def test_an_empty_membership_has_no_figures() -> None:
    assert count(device(SUCCEEDED, 0.5), members={}) == Figures(classes=())


def test_site_classes_are_counted_apart_and_together() -> None:
    members = {"a": SiteClass.ONLINE, "b": SiteClass.ONLINE, "c": SiteClass.AIR_GAPPED}
    figures = count(device(SUCCEEDED, 1.0), members=members, at=5.0)
    online, isolated = figures.classes
    assert (online.site_class, online.succeeded, online.failed) == (SiteClass.ONLINE, 1, 1)
    assert (isolated.site_class, isolated.unknown) == (SiteClass.AIR_GAPPED, 1)
    assert (figures.targeted, figures.succeeded, figures.failed) == (3, 1, 1)


@pytest.mark.parametrize(
    ("targeted", "succeeded", "rank"),
    [(1, 1, 1), (10, 10, 10), (19, 19, 19), (20, 19, 19), (20, 20, 19), (40, 38, 38), (100, 95, 95), (100, 100, 95)],
)
def test_p95_is_the_nearest_rank_over_targeted_devices(targeted: int, succeeded: int, rank: int) -> None:
    members = {f"d{number:03}": SiteClass.ONLINE for number in range(targeted)}
    # device n succeeds after n + 1 minutes, in an order that is not theirs
    statuses = [device(SUCCEEDED, (number + 1) / 60, name=f"d{number:03}") for number in reversed(range(succeeded))]
    part = only(count(*statuses, members=members, at=3.0))
    assert part.p95_seconds == pytest.approx(rank * 60)


@pytest.mark.parametrize(("targeted", "succeeded"), [(1, 0), (10, 9), (20, 18), (100, 94)])
def test_p95_is_infinite_while_too_many_are_unknown(targeted: int, succeeded: int) -> None:
    members = {f"d{number:03}": SiteClass.ONLINE for number in range(targeted)}
    statuses = [device(SUCCEEDED, 0.1, name=f"d{number:03}") for number in range(succeeded)]
    assert only(count(*statuses, members=members)).p95_seconds is None
