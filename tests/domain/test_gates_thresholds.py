"""The counts at which a plane's standing changes, exactly; and what an observer waits for (``domain.md`` §6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eucora.domain.gates import (
    ClassFigures,
    Evaluation,
    Figures,
    Mark,
    Standing,
    crossed,
    nearest_rank,
    needed,
    standing,
    thresholds,
    unwatched,
    worst,
)
from eucora.domain.vocabulary import GateResult, SiteClass
from tests.domain.builders import START, gate

PASS, WAIT, BREACH = GateResult.PASS, GateResult.WAIT, GateResult.BREACH
ONLINE = SiteClass.ONLINE


def figures(targeted: int, succeeded: int, failed: int = 0, site_class: SiteClass = ONLINE) -> Figures:
    unknown = targeted - succeeded - failed
    part = ClassFigures(site_class=site_class, targeted=targeted, succeeded=succeeded, failed=failed, unknown=unknown)
    return Figures(classes=(part,))


@pytest.mark.parametrize(
    ("rate", "count", "required"),
    [
        (95.0, 5, 5), (95.0, 10, 10), (95.0, 20, 19), (95.0, 21, 20), (95.0, 40, 38),
        (97.0, 33, 33), (97.0, 34, 33), (97.0, 50, 49), (97.0, 100, 97), (97.0, 500, 485), (97.0, 1000, 970),
        (99.0, 99, 99), (99.0, 100, 99), (99.0, 1000, 990), (99.0, 10_000, 9900), (99.9, 1000, 999),
        (100.0, 7, 7), (0.1, 1000, 1), (33.3, 10, 4), (97.0, 0, 0),
    ],
)  # fmt: skip
def test_a_rate_needs_its_exact_share_rounded_up(rate: float, count: int, required: int) -> None:
    assert needed(rate, count) == required


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 2), (10, 10), (19, 19), (20, 19), (21, 20), (40, 38), (100, 95)]
)
def test_nearest_rank_of_p95(count: int, rank: int) -> None:
    assert nearest_rank(count) == rank


GATES = [
    # ring of domain.md §6, its rate, devices, final failures tolerated by the success check and by P95
    (0, 95.0, 10, 0, 0),
    (0, 95.0, 20, 1, 1),
    (1, 97.0, 50, 1, 2),
    (1, 97.0, 100, 3, 5),
    (2, 97.0, 500, 15, 25),
    (3, 99.0, 1000, 10, 50),
    (4, 99.0, 5000, 50, 250),
]


@pytest.mark.parametrize(("order", "rate", "devices", "tolerated", "late"), GATES)
def test_the_boundaries_of_every_ring(order: int, rate: float, devices: int, tolerated: int, late: int) -> None:
    assert gate(order).success_rate == rate
    limits = thresholds([(ONLINE, devices)], success_rate=rate, breach_rate=rate)
    assert (limits.required, limits.tolerated) == (devices - tolerated, tolerated)
    assert (limits.classes[0].required, limits.classes[0].tolerated) == (devices - late, late)
    last_pass = figures(devices, devices - tolerated, tolerated)
    assert standing(limits, last_pass).success is PASS
    assert standing(limits, figures(devices, devices - tolerated - 1, tolerated)).success is WAIT
    # early: nothing but the failures is known, and it is over
    assert standing(limits, figures(devices, 0, tolerated)).success is WAIT
    assert standing(limits, figures(devices, 0, tolerated + 1)).success is BREACH
    assert standing(limits, figures(devices, devices - late, late)).time is PASS
    assert standing(limits, figures(devices, devices - late - 1, 0)).time is WAIT
    assert standing(limits, figures(devices, 0, late + 1)).time is BREACH


def test_the_second_final_failure_of_fifty_breaches_97_percent() -> None:
    limits = thresholds([(ONLINE, 50)], success_rate=97.0, breach_rate=97.0)
    assert standing(limits, figures(50, 48, 1)).success is WAIT
    assert standing(limits, figures(50, 49, 1)).success is PASS
    assert standing(limits, figures(50, 48, 2)).success is BREACH


def test_nothing_of_nothing_is_no_pass() -> None:
    limits = thresholds([], success_rate=95.0, breach_rate=95.0)
    assert standing(limits, Figures(classes=())) == Standing(success=BREACH, time=BREACH)


def test_a_breach_rate_above_the_success_rate_tolerates_less_and_requires_no_more() -> None:
    limits = thresholds([(ONLINE, 100)], success_rate=97.0, breach_rate=99.0)
    assert (limits.required, limits.tolerated) == (97, 1)
    assert standing(limits, figures(100, 97, 1)).success is PASS
    assert standing(limits, figures(100, 97, 2)).success is BREACH
    lower = thresholds([(ONLINE, 100)], success_rate=97.0, breach_rate=50.0)
    assert lower.tolerated == 3, "a lower breach rate changes nothing: below the success rate no pass is possible"


def test_each_site_class_has_to_comply_by_itself() -> None:
    limits = thresholds([(ONLINE, 100), (SiteClass.AIR_GAPPED, 2)], success_rate=95.0, breach_rate=95.0)
    online = ClassFigures(site_class=ONLINE, targeted=100, succeeded=100)
    slow = ClassFigures(site_class=SiteClass.AIR_GAPPED, targeted=2, succeeded=1, unknown=1)
    assert standing(limits, Figures(classes=(online, slow))) == Standing(success=PASS, time=WAIT)
    lost = ClassFigures(site_class=SiteClass.AIR_GAPPED, targeted=2, succeeded=1, failed=1)
    assert standing(limits, Figures(classes=(online, lost))) == Standing(success=PASS, time=BREACH)


def test_an_observation_is_news_when_the_standing_moves_or_the_time_has_come() -> None:
    limits = thresholds([(ONLINE, 50)], success_rate=97.0, breach_rate=97.0)
    open_ = Standing(success=WAIT, time=WAIT)
    mark = Mark(thresholds=limits, standing=open_, until=START + timedelta(hours=4))
    before = START + timedelta(hours=4, microseconds=-1)
    assert not crossed(mark, figures(50, 47), before)
    assert crossed(mark, figures(50, 48), before), "P95 is met"
    assert crossed(mark, figures(50, 0, 2), before), "the second failure"
    assert crossed(mark, figures(50, 47), START + timedelta(hours=4)), "the time has come"
    endless = Mark(thresholds=limits, standing=open_, until=None)
    assert not crossed(endless, figures(50, 47), START + timedelta(days=900))


def test_what_nobody_can_look_at_fails_with_its_deadline() -> None:
    sizes = [(ONLINE, 2), (SiteClass.AIR_GAPPED, 3)]
    assert unwatched(None, sizes, []) is None
    aged = unwatched(None, sizes, [ONLINE])
    assert aged is not None
    assert [(part.failed, part.unknown) for part in aged.classes] == [(2, 0), (0, 3)]
    seen = Figures(
        classes=(
            ClassFigures(site_class=ONLINE, targeted=4, succeeded=1, failed=1, in_progress=1, unknown=1),
            ClassFigures(site_class=SiteClass.AIR_GAPPED, targeted=1, in_progress=1),
        )
    )
    assert unwatched(seen, sizes, []) is seen
    aged = unwatched(seen, sizes, [ONLINE])
    assert aged is not None
    online, isolated = aged.classes
    assert (online.succeeded, online.failed, online.in_progress, online.unknown) == (1, 3, 0, 0)
    assert isolated == seen.classes[1]


@pytest.mark.parametrize(
    ("results", "combined"),
    [((), PASS), ((PASS,), PASS), ((PASS, WAIT), WAIT), ((WAIT, BREACH, PASS), BREACH), ((BREACH, WAIT), BREACH)],
)
def test_the_worst_result_counts(results: tuple[GateResult, ...], combined: GateResult) -> None:
    assert worst(results) is combined


def test_an_evaluation_has_no_unknown_check() -> None:
    with pytest.raises(KeyError, match="luck"):
        Evaluation(result=PASS, checks=()).check("luck")
