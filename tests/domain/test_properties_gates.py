"""Properties of gates: figures add up, early decisions are right, and an observer misses nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.gates import (
    ClassFigures,
    Figures,
    Mark,
    Standing,
    crossed,
    nearest_rank,
    needed,
    standing,
    thresholds,
)
from eucora.domain.gates import summarise as counted
from eucora.domain.plan import HOUR, ComplianceWindows
from eucora.domain.vocabulary import GateResult, SiteClass
from tests.domain.builders import START

pytestmark = pytest.mark.timeout(600)

WINDOWS = ComplianceWindows(online=4 * HOUR, intermittent=8 * HOUR, air_gapped=24 * HOUR)
HOURS = {SiteClass.ONLINE: 4, SiteClass.INTERMITTENT: 8, SiteClass.AIR_GAPPED: 24}
STATES, CLASSES = tuple(DeviceState), tuple(SiteClass)
PASS, WAIT, BREACH = GateResult.PASS, GateResult.WAIT, GateResult.BREACH


def read(tape: bytes) -> tuple[dict[str, SiteClass], list[DeviceStatus]]:
    """Read devices from bytes: three each say site class, state, attempts and time; some report nothing or twice."""
    members: dict[str, SiteClass] = {}
    statuses: list[DeviceStatus] = []
    for index in range(0, len(tape) - 2, 3):
        first, second, third = tape[index : index + 3]
        name = f"d{index}"
        if first % 5:
            members[name] = CLASSES[first % 3]
        if second % 6 == 5:
            continue
        at = None if third % 7 == 6 else START + timedelta(hours=third / 8)
        status = DeviceStatus(device_id=name, state=STATES[second % 4], attempts=second % 5, at=at)
        statuses.extend([status] * (1 + (third % 11 == 10)))
    return members, statuses


@given(st.binary(max_size=60), st.integers(0, 30))
def test_figures_partition_the_targeted_devices_and_count_only_evidence(tape: bytes, hours: int) -> None:
    """Every member counts once; a success has evidence within its deadline; nothing is unknown past a deadline."""
    members, statuses = read(tape)
    now = START + timedelta(hours=hours)
    figures = counted(members, statuses, started_at=START, windows=WINDOWS, max_attempts=3, now=now)
    by_name = {status.device_id: status for status in statuses}
    assert figures.targeted == len(members)
    for part in figures.classes:
        mine = [name for name, site_class in members.items() if site_class is part.site_class]
        limit = START + timedelta(hours=HOURS[part.site_class])
        good = [
            name for name in mine
            if name in by_name
            and by_name[name].state is DeviceState.SUCCEEDED
            and by_name[name].at is not None
            and by_name[name].at <= limit  # type: ignore[operator]
        ]  # fmt: skip
        assert part.succeeded == len(good)
        assert min(part.failed, part.in_progress, part.unknown) >= 0
        assert part.succeeded + part.failed + part.in_progress + part.unknown == part.targeted == len(mine)
        if now >= limit:
            assert part.unknown == part.in_progress == 0
        assert (part.p95_seconds is not None) == (part.succeeded >= nearest_rank(part.targeted))
    assert sum(part.unknown for part in figures.classes) + figures.succeeded <= figures.targeted


@given(st.binary(min_size=8, max_size=8))
def test_early_decisions_are_right(tape: bytes) -> None:
    """BREACH exactly when no outcome of the open devices could pass any more; PASS exactly when the rate is reached."""
    targeted = 1 + tape[0] * (1 + tape[1] % 4)
    rate_tenths, breach_tenths = 1 + (tape[2] * 256 + tape[3]) % 1000, (tape[4] * 256 + tape[5]) % 1001
    # mostly near the end, where the boundaries are
    open_ = tape[6] % (1 + min(targeted, 20))
    failed = tape[7] % (1 + targeted - open_)
    succeeded = targeted - open_ - failed
    rate, below = rate_tenths / 10, breach_tenths / 10
    limits = thresholds([(SiteClass.ONLINE, targeted)], success_rate=rate, breach_rate=below)
    part = ClassFigures(
        site_class=SiteClass.ONLINE, targeted=targeted, succeeded=succeeded, failed=failed,
        unknown=targeted - succeeded - failed,
    )  # fmt: skip
    found = standing(limits, Figures(classes=(part,)))
    best = (targeted - failed) * 1000
    hopeless = best < rate_tenths * targeted or best < breach_tenths * targeted
    reached = succeeded * 1000 >= rate_tenths * targeted
    assert found.success is (BREACH if hopeless else PASS if reached else WAIT)
    in_time = succeeded * 100 >= 95 * targeted
    late = (targeted - failed) * 100 < 95 * targeted
    assert found.time is (BREACH if late else PASS if in_time else WAIT)


@given(st.binary(min_size=2, max_size=40))
def test_an_observer_is_woken_at_every_change_and_at_no_other_time(tape: bytes) -> None:
    """Devices report one by one: the mark is crossed exactly when a fresh evaluation would differ."""
    size, rate, order = 1 + tape[0] % 40, 1 + tape[1] % 100, tape[2:]
    limits = thresholds([(SiteClass.ONLINE, size)], success_rate=float(rate), breach_rate=0.0)
    known = Standing(success=WAIT, time=WAIT)
    succeeded = failed = 0
    for index, device in enumerate(order[:size]):
        succeeded, failed = (succeeded, failed + 1) if device % 7 == 0 else (succeeded + 1, failed)
        part = ClassFigures(
            site_class=SiteClass.ONLINE, targeted=size, succeeded=succeeded, failed=failed, unknown=size - index - 1
        )
        figures = Figures(classes=(part,))
        fresh = standing(limits, figures)
        mark = Mark(thresholds=limits, standing=known, until=None)
        assert crossed(mark, figures, START) == (fresh != known)
        known = fresh
    if succeeded + failed == size and size:
        assert WAIT not in (known.success, known.time), "when every device has spoken, nothing is open"


@given(st.integers(0, 100_000), st.integers(1, 1000))
def test_a_rate_is_reached_exactly(count: int, rate_tenths: int) -> None:
    """``needed`` is the smallest number of successes whose share is at least the rate, in exact arithmetic."""
    required = needed(rate_tenths / 10, count)
    assert required * 1000 >= rate_tenths * count
    assert required == 0 or (required - 1) * 1000 < rate_tenths * count
