"""SIGTERM to the worker: what can finish finishes, the rest is handed over, and the process ends well."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from eucora.stack.services import WORKER_GRACE_SECONDS
from tests.faults.live import KEYED, NAIVE, Live, log_of, started

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SOON, TOO_LATE = WORKER_GRACE_SECONDS / 3, 100.0
"""Seconds for which the fleet keeps an answer back: within the worker's grace period, and far beyond it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker's exit status and last words, and the rollout that another worker took to its end."""

    status: int
    log: str
    deployment: str


@pytest.fixture(scope="module")
def ended(live: Live) -> Ended:
    live.faults(
        {"plane": KEYED, "action": "assign", "kind": "delay_after", "delay_seconds": SOON},
        {"plane": NAIVE, "action": "assign", "kind": "delay_after", "delay_seconds": TOO_LATE},
    )
    deployment = live.begin("Under way at the end")
    for plane in (KEYED, NAIVE):
        live.applied(deployment, plane, "assign")
    status = live.ask_worker_to_end()
    log = log_of(live.stack.folder, "worker")
    live.faults()
    live.stack.restart("worker")
    live.until(deployment, "COMPLETED")
    return Ended(status, log, deployment)


def test_a_worker_that_is_asked_to_end_ends_well(ended: Ended) -> None:
    assert ended.status == 0
    assert "worker.stopped" in ended.log


def test_an_activity_that_can_finish_finishes(live: Live, ended: Ended) -> None:
    assert set(started(live.history(ended.deployment), "assign", queue=f"plane-{KEYED}")) == {1}


def test_an_activity_that_cannot_is_handed_over(live: Live, ended: Ended) -> None:
    assert max(started(live.history(ended.deployment), "assign", queue=f"plane-{NAIVE}")) > 1


def test_no_effect_takes_place_twice(live: Live, ended: Ended) -> None:
    assert live.amiss(ended.deployment) == []
    assert live.duplicates() == 0
