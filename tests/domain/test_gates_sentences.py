"""The sentences of the two counting checks: real counts, and where it is that a gate waits or broke."""

from __future__ import annotations

import pytest

from eucora.domain.gates import Check, ClassFigures, Figures, judged, success_check, thresholds, time_check
from eucora.domain.vocabulary import GateResult, SiteClass
from tests.domain.builders import plan

Counts = tuple[int, int]
"""Devices that succeeded and that failed for good."""


def checks(targeted: int, *planes: Counts, success_rate: float = 97.0) -> tuple[Check, Check]:
    """Success and time check of planes with ``targeted`` devices each, all of them online."""
    sizes = ((SiteClass.ONLINE, targeted),)
    limits = thresholds(sizes, success_rate=success_rate, breach_rate=success_rate)
    whole = thresholds(
        ((SiteClass.ONLINE, targeted * len(planes)),), success_rate=success_rate, breach_rate=success_rate
    )
    known = [
        judged(
            f"plane-{number}",
            limits,
            Figures(
                classes=(
                    ClassFigures(
                        site_class=SiteClass.ONLINE,
                        targeted=targeted,
                        succeeded=succeeded,
                        failed=failed,
                        unknown=targeted - succeeded - failed,
                    ),
                )
            ),
        )
        for number, (succeeded, failed) in enumerate(planes, start=1)
    ]
    gate = plan().rings[1].gate
    return success_check(known, whole, success_rate=success_rate), time_check(known, gate)


@pytest.mark.parametrize(
    ("targeted", "planes", "result", "sentence"),
    [
        (10, [(10, 0)], "PASS", "10 of 10 targeted devices complied within their window; P95 needs 10"),
        (50, [(48, 0), (50, 0)], "PASS", "98 of 100 targeted devices complied within their window; P95 needs 96"),
        (
            50,
            [(50, 0), (47, 0)],
            "WAIT",
            "97 of 100 targeted devices complied within their window; for P95 plane-2 has 47 of 50 online and needs 48",
        ),
        (
            50,
            [(50, 0), (40, 3)],
            "BREACH",
            "3 of 50 targeted online devices of plane-2 can no longer comply within their window (2 tolerated)",
        ),
    ],
)
def test_the_time_check_counts(targeted: int, planes: list[Counts], result: str, sentence: str) -> None:
    _, time = checks(targeted, *planes)
    assert (time.result, time.sentence) == (GateResult(result), sentence)


def test_a_gate_of_which_nothing_is_known_says_so() -> None:
    limits = thresholds(((SiteClass.ONLINE, 5),), success_rate=97.0, breach_rate=97.0)
    time = time_check([judged("plane-1", limits, None)], plan().rings[1].gate)
    assert (time.result, time.sentence) == (GateResult.WAIT, "nothing is known yet of any targeted device")


def test_a_plane_that_is_silent_is_named() -> None:
    limits = thresholds(((SiteClass.ONLINE, 5),), success_rate=97.0, breach_rate=97.0)
    figures = Figures(classes=(ClassFigures(site_class=SiteClass.ONLINE, targeted=5, succeeded=5, p95_seconds=1.0),))
    time = time_check([judged("plane-1", limits, figures), judged("plane-2", limits, None)], plan().rings[1].gate)
    assert time.result is GateResult.WAIT
    assert time.sentence == "5 of 5 targeted devices complied within their window; nothing known yet of plane-2"


def test_the_success_check_says_what_is_tolerated_on_the_ring_and_on_the_plane_that_broke() -> None:
    success, _ = checks(50, (48, 2), (50, 0))
    assert success.result is GateResult.BREACH
    assert success.sentence == (
        "98 of 100 targeted devices succeeded, 2 failed for good (3 tolerated); "
        "plane-1: 2 failed for good (1 tolerated); weakest plane plane-1 at 96.00 %"
    )
