"""SIGKILL of the database, and of a plane's service, under a running rollout: it waits, says so, and goes on."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest

from tests.faults.live import KEYED, NAIVE, Live, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

UNDER_WAY = {"groups": {"canary": {"latency": [5.0, 5.0]}}}


def under_way(live: Live, application: str) -> str:
    """A rollout that CANARY's devices keep busy for some seconds."""
    deployment = live.begin(application, profile=UNDER_WAY)
    for plane in (KEYED, NAIVE):
        live.reached(deployment, "PLANE_ASSIGNED", "CANARY", plane=plane)
    return deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What the API answered without its database, and the rollout, which has ended since."""

    deployment: str
    read: httpx.Response
    write: httpx.Response
    ready: httpx.Response
    live: httpx.Response
    failures: set[str]


@pytest.fixture(scope="module")
def outage(live: Live) -> Outage:
    deployment = under_way(live, "Without Postgres")
    request = live.request("Submitted without Postgres")
    with live.without("postgres"):
        read = live.petra.get(f"/deployments/{deployment}")
        write = live.petra.post("/deployments", request, key="without-postgres")
        ready, alive = live.http.get("/health/ready"), live.http.get("/health/live")
        failures = wait_for("an activity to fail without the database", lambda: live.failing(deployment))
    live.until(deployment, "COMPLETED")
    return Outage(deployment=deployment, read=read, write=write, ready=ready, live=alive, failures=failures)


@pytest.mark.parametrize("request_", ["read", "write"])
def test_without_postgres_the_api_says_503_as_a_problem(outage: Outage, request_: str) -> None:
    answer: httpx.Response = getattr(outage, request_)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "database_unavailable"
    assert int(answer.headers["retry-after"]) >= 1


def test_without_postgres_the_api_lives_and_is_not_ready(outage: Outage) -> None:
    assert (outage.live.status_code, outage.ready.status_code) == (200, 503)


def test_a_rollout_waits_for_postgres(outage: Outage) -> None:
    assert outage.failures == {"database_unavailable"}


def test_a_rollout_goes_on_when_postgres_is_back(live: Live, outage: Outage) -> None:
    assert live.amiss(outage.deployment) == []


def test_the_trail_holds_after_postgres_was_killed(live: Live, outage: Outage) -> None:
    report = live.verify()
    assert report.first_problem is None
    assert report.ok


@pytest.fixture(scope="module")
def without_fleet(live: Live) -> tuple[str, set[str], httpx.Response]:
    """A rollout that outlived its planes, why its activities failed meanwhile, and what the API said."""
    deployment = under_way(live, "Without a fleet")
    with live.without("fleet"):
        failures = wait_for("an activity to fail without the fleet", lambda: live.failing(deployment))
        view = live.petra.get(f"/deployments/{deployment}")
    live.until(deployment, "COMPLETED")
    return deployment, failures, view


def test_a_rollout_waits_for_its_planes(without_fleet: tuple[str, set[str], httpx.Response]) -> None:
    _, failures, view = without_fleet
    assert failures == {"plane_transient"}
    assert (view.status_code, view.json()["state"]) == (200, "DEPLOYING")


def test_a_rollout_goes_on_when_its_planes_are_back(
    live: Live, without_fleet: tuple[str, set[str], httpx.Response]
) -> None:
    assert live.amiss(without_fleet[0]) == []
    assert live.duplicates() == 0
