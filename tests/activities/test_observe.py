"""Observing: one look at a plane, its figures shown, and returned once they cross the mark, by the engine's time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from eucora.domain import gates
from eucora.domain.errors import PlaneThrottled
from eucora.domain.gates import Mark, Standing
from eucora.domain.vocabulary import GateResult, SiteClass
from models.messages import activities as a
from tests.activities.conftest import LATENCY, PLANE, WINDOW, Assigned, Site

WAITS = Standing(success=GateResult.WAIT, time=GateResult.WAIT)
LIMITS = gates.thresholds([(SiteClass.ONLINE, 6)], success_rate=95.0, breach_rate=95.0)
POLL = 900.0


def look(
    site: Site, on: Assigned, *, standing: Standing | None = WAITS, until: datetime | None = None
) -> a.ObservePlane:
    return a.ObservePlane(
        deployment_id=site.plan.deployment_id,
        ring="LAB",
        plane=PLANE,
        assignment_id=on.assignment_id,
        membership_digest=on.membership,
        started_at=on.at,
        windows=site.plan.rings[0].gate.compliance,
        max_attempts=3,
        poll_interval=POLL,
        mark=Mark(thresholds=LIMITS, standing=standing, until=until),
    )


async def test_asks_to_be_called_again_after_the_poll_interval(site: Site) -> None:
    on = await site.assigned()
    failure = await site.failure(site.planes.observe, look(site, on))
    assert (failure.type, failure.non_retryable) == ("not_yet", False)
    assert failure.next_retry_delay == timedelta(seconds=POLL)
    assert failure.message == "0 of 6 succeeded, 0 failed"


async def test_returns_the_figures_that_cross_the_mark(site: Site) -> None:
    on = await site.assigned()
    site.now += LATENCY
    figures = (await site.run(site.planes.observe, look(site, on))).figures
    assert (figures.targeted, figures.succeeded, figures.failed) == (6, 6, 0)
    assert figures.classes[0].p95_seconds == LATENCY.total_seconds()


async def test_a_mark_that_was_crossed_before_is_waited_for_again(site: Site) -> None:
    on = await site.assigned()
    site.now += LATENCY
    passed = Standing(success=GateResult.PASS, time=GateResult.PASS)
    assert (await site.failure(site.planes.observe, look(site, on, standing=passed))).type == "not_yet"
    assert (await site.run(site.planes.observe, look(site, on, standing=None))).figures.succeeded == 6


async def test_enough_final_failures_cross_the_mark_before_the_deadline(site: Site) -> None:
    site.world.failing = {"fake-001"}
    on = await site.assigned()
    site.now += LATENCY
    figures = (await site.run(site.planes.observe, look(site, on))).figures
    assert (figures.succeeded, figures.failed) == (5, 1)
    assert gates.standing(LIMITS, figures).success is GateResult.BREACH


async def test_time_is_that_of_the_attempt_and_never_this_machines_clock(site: Site) -> None:
    site.world.silent = {f"fake-{number:03d}" for number in range(6)}
    on = await site.assigned()
    site.now = on.at + WINDOW - timedelta(seconds=1)
    assert (await site.failure(site.planes.observe, look(site, on))).type == "not_yet", "a second before the deadline"
    site.now = on.at + WINDOW
    figures = (await site.run(site.planes.observe, look(site, on))).figures
    assert (figures.failed, figures.classes[0].unknown) == (6, 0), "silence is failure once the deadline passes"


async def test_the_time_of_the_mark_is_met_and_not_overslept(site: Site) -> None:
    on = await site.assigned()
    until = site.now + timedelta(seconds=60)
    failure = await site.failure(site.planes.observe, look(site, on, until=until))
    assert failure.next_retry_delay == timedelta(seconds=60)
    site.now = until - timedelta(microseconds=1)
    failure = await site.failure(site.planes.observe, look(site, on, until=until))
    assert failure.next_retry_delay == timedelta(seconds=0.05), "never zero: that would be the policy's own delay"
    site.now = until
    assert (await site.run(site.planes.observe, look(site, on, until=until))).figures.succeeded == 0


async def test_reads_every_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    on = await site.assigned()
    site.now += LATENCY
    status, limits = site.plane.status, []

    async def small(assignment_id: str, *, cursor: str | None = None, limit: int = 1000) -> object:
        limits.append(cursor)
        return await status(assignment_id, cursor=cursor, limit=4)

    monkeypatch.setattr(site.plane, "status", small)
    assert (await site.run(site.planes.observe, look(site, on))).figures.succeeded == 6
    assert limits == [None, "fake-003"]


async def test_what_the_plane_asks_for_comes_before_the_poll_interval(site: Site) -> None:
    on = await site.assigned()
    site.world.refuse("status", PlaneThrottled)
    failure = await site.failure(site.planes.observe, look(site, on))
    assert (failure.type, failure.next_retry_delay) == ("plane_throttled", timedelta(seconds=7))


async def test_an_assignment_that_is_gone_is_no_reason_to_look_again(site: Site) -> None:
    on = await site.assigned()
    site.world.assignments.clear()
    failure = await site.failure(site.planes.observe, look(site, on))
    assert (failure.type, failure.non_retryable) == ("unknown_assignment", True)


class TestProgress:
    @pytest.fixture
    def reader(self, module_database_url: str) -> Iterator[psycopg.Connection[dict[str, object]]]:
        with psycopg.connect(module_database_url, autocommit=True, row_factory=dict_row) as connection:
            yield connection

    async def test_every_look_is_shown_with_its_time(
        self, site: Site, reader: psycopg.Connection[dict[str, object]]
    ) -> None:
        site.world.silent = {"fake-000"}
        on = await site.assigned()
        for pause, succeeded in ((timedelta(seconds=1), 0), (LATENCY, 5)):
            site.now += pause
            await site.failure(site.planes.observe, look(site, on))
            query = "SELECT * FROM plane_run WHERE deployment_id = %s AND ring = 'LAB'"
            row = reader.execute(query, [site.plan.deployment_id]).fetchone()
            assert row is not None
            assert (row["succeeded"], row["failed"], row["observed_at"]) == (succeeded, 0, site.now)
