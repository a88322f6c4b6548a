"""SIGKILL of the worker while it is at work: each rollout goes on from where it was, and no effect takes place twice.

One kill strikes rollouts at different steps. The fleet keeps each of them there by an answer that does not come: the
effect is applied, and the worker that caused it dies before it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from eucora.audit.report import VerifyReport
from tests.faults.live import KEYED, NAIVE, Live, started, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

KEPT_WAITING = 100.0
"""Seconds: longer than it takes to bring all rollouts to their steps."""
SLOW_CANARY = {"groups": {"canary": {"latency": [KEPT_WAITING, KEPT_WAITING]}}}
STEPS = {
    "publish": ("publish", "COMPLETED"),
    "assign": ("assign", "COMPLETED"),
    "assign, with an answer lost before": ("assign", "COMPLETED"),
    "observe": ("observe", "COMPLETED"),
    "rehearse": ("roll_back", "COMPLETED"),
    "roll back": ("roll_back", "ROLLED_BACK"),
}
"""Step -> (the activity that dies, how the rollout must end)."""
step = pytest.mark.parametrize("step", STEPS)


@dataclass(frozen=True, slots=True)
class Survivors:
    """The deployments by the step at which the kill struck, all ended, and what the verifier says."""

    deployments: Mapping[str, str]
    trail: VerifyReport


def stop_after(live: Live, action: str) -> None:
    """The next effect of that kind on the naive plane is applied, and its answer does not come."""
    live.faults({"plane": NAIVE, "action": action, "kind": "delay_after", "delay_seconds": KEPT_WAITING})


def struck(live: Live) -> None:
    """Return once every fault that was set has struck."""
    wait_for("the fault to strike", lambda: not live.waiting_faults())


def in_rollback(live: Live) -> str:
    deployment = live.begin("Killed in rollback", profile=SLOW_CANARY)
    for plane in (KEYED, NAIVE):
        live.reached(deployment, "PLANE_ASSIGNED", "CANARY", plane=plane)
    stop_after(live, "uninstall")
    live.petra.post(f"/deployments/{deployment}/roll-back", {"why": "it stops the line"}).raise_for_status()
    struck(live)
    return deployment


def in_publish(live: Live) -> str:
    stop_after(live, "create_app")
    deployment = live.begin("Killed in publish")
    live.applied(deployment, NAIVE, "create_app")
    return deployment


def in_assign(live: Live) -> str:
    stop_after(live, "assign")
    deployment = live.begin("Killed in assign")
    live.applied(deployment, NAIVE, "assign")
    return deployment


def in_assign_with_a_lost_answer(live: Live) -> str:
    live.faults({"plane": NAIVE, "action": "assign", "kind": "lose_after"})
    deployment = live.begin("Killed after a lost answer")
    live.applied(deployment, NAIVE, "assign")
    # The next attempt begins by looking for what the first one did; it dies while it looks.
    live.faults({"plane": NAIVE, "action": "find", "kind": "delay_before", "delay_seconds": KEPT_WAITING})
    struck(live)
    return deployment


def in_rehearsal(live: Live) -> str:
    stop_after(live, "uninstall")
    deployment = live.begin("Killed in rehearsal")
    live.applied(deployment, NAIVE, "uninstall")
    return deployment


def in_observation(live: Live) -> str:
    stop_after(live, "statuses")
    deployment = live.begin("Killed in observation")
    struck(live)
    return deployment


@pytest.fixture(scope="module")
def survivors(live: Live) -> Survivors:
    deployments = {
        "roll back": in_rollback(live),
        "publish": in_publish(live),
        "assign": in_assign(live),
        "assign, with an answer lost before": in_assign_with_a_lost_answer(live),
        "rehearse": in_rehearsal(live),
        "observe": in_observation(live),
    }
    with live.without("worker"):
        live.faults()
    for at, deployment in deployments.items():
        live.until(deployment, STEPS[at][1])
    return Survivors(deployments, live.verify())


@step
def test_what_died_was_tried_again_by_the_next_worker(live: Live, survivors: Survivors, step: str) -> None:
    attempts = started(live.history(survivors.deployments[step]), STEPS[step][0])
    assert max(attempts) > 1, attempts


@step
def test_no_effect_takes_place_twice(live: Live, survivors: Survivors, step: str) -> None:
    effects = live.effects(survivors.deployments[step])
    assert effects
    assert [one for one in effects if one.applied != 1] == []


@pytest.mark.parametrize("step", [step for step, (_, end) in STEPS.items() if end == "COMPLETED"])
def test_no_effect_is_left_out(live: Live, survivors: Survivors, step: str) -> None:
    assert live.amiss(survivors.deployments[step]) == []


def test_a_rollback_reaches_every_ring_and_plane(live: Live, survivors: Survivors) -> None:
    effects = live.effects(survivors.deployments["roll back"])
    places = {(one.ring, one.plane) for one in effects if one.operation == "roll_back"}
    assert places == {(ring, plane) for ring in ("LAB", "CANARY") for plane in (KEYED, NAIVE)}


def test_the_fleet_counts_no_duplicate(live: Live, survivors: Survivors) -> None:
    assert live.duplicates() == 0


def test_the_trail_of_all_of_them_holds(survivors: Survivors) -> None:
    assert survivors.trail.first_problem is None
    assert survivors.trail.ok
