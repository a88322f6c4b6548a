"""SIGKILL of the Temporal server, then of the API: nothing is half-written, and nothing acknowledged is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.faults.live import NAIVE, RINGS, Live, wait_for
from workflows.ids import deployment_workflow_id

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

UNDER_WAY = {"groups": {"canary": {"latency": [6.0, 6.0]}}}
KEY = "while-temporal-is-down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What was acknowledged before, what was answered while Temporal was down, and what came of it afterwards."""

    hold: httpx.Response
    post: httpx.Response
    deployments: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    vote: httpx.Response
    view: httpx.Response
    health: httpx.Response
    retried: httpx.Response
    held: dict[str, Any]
    voted: str


@pytest.fixture(scope="module")
def outage(live: Live) -> Outage:
    reviewed = live.begin("Reviewed meanwhile", board=True)
    live.review(reviewed)
    live.behave("Submitted meanwhile")
    request = live.request("Submitted meanwhile")
    under_way = live.begin("Under way meanwhile", profile=UNDER_WAY)
    held = live.begin("Held meanwhile", profile=UNDER_WAY, rings=RINGS)
    for deployment in (under_way, held):
        live.reached(deployment, "PLANE_ASSIGNED", "CANARY", plane=NAIVE)
    hold = live.petra.post(f"/deployments/{held}/hold", {"why": "look at it first"})
    with live.without("temporal"):
        post = live.petra.post("/deployments", request, key=KEY)
        deployments = live.rows("SELECT id FROM deployment WHERE application_name = 'Submitted meanwhile'")
        keys = live.rows("SELECT resource_id, response_status FROM idempotency_key WHERE key = %s", KEY)
        vote = live.vote(reviewed, "cab-anna", key="annas-vote")
        view = live.petra.get(f"/deployments/{held}")
        health = live.as_("auditor-ava").get("/health")
        live.stack.kill("api")
    live.stack.restart("api")
    retried = wait_for("the submission to be taken", lambda: _created(live, request))
    wait_for("the vote to be taken", lambda: live.vote(reviewed, "cab-anna", key="annas-vote").is_success or None)
    for deployment in (retried.json()["deployment_id"], under_way, reviewed):
        live.until(deployment, "COMPLETED")
    live.reached(held, "GATE_EVALUATED", "CANARY")
    standing = live.view(held)
    assert standing is not None
    wait_for("the release", lambda: _released(live, held))
    live.until(held, "COMPLETED")
    return Outage(
        hold=hold,
        post=post,
        deployments=deployments,
        keys=keys,
        vote=vote,
        view=view,
        health=health,
        retried=retried,
        held=standing,
        voted=reviewed,
    )


def _created(live: Live, request: dict[str, Any]) -> httpx.Response | None:
    """The same request again; 503 and 202 say that it may be sent once more."""
    answer = live.petra.post("/deployments", request, key=KEY)
    assert answer.status_code in (201, 202, 503), answer.text
    return answer if answer.status_code == 201 else None


def _released(live: Live, deployment: str) -> bool:
    return live.petra.post(f"/deployments/{deployment}/release", {"why": "seen"}).is_success


def test_a_submission_is_answered_503_and_when_to_try_again(outage: Outage) -> None:
    assert (outage.post.status_code, outage.post.json()["code"]) == (503, "temporal_unavailable")
    assert outage.post.headers["content-type"] == "application/problem+json"
    assert int(outage.post.headers["retry-after"]) >= 1


def test_nothing_is_half_written(outage: Outage) -> None:
    assert outage.deployments == []


def test_the_request_is_remembered_and_unanswered(outage: Outage) -> None:
    assert [row["response_status"] for row in outage.keys] == [None]


def test_a_vote_is_answered_503(outage: Outage) -> None:
    assert (outage.vote.status_code, outage.vote.json()["code"]) == (503, "temporal_unavailable")
    assert int(outage.vote.headers["retry-after"]) >= 1


def test_reading_works(outage: Outage) -> None:
    assert (outage.view.status_code, outage.view.json()["state"]) == (200, "DEPLOYING")


def test_health_names_what_is_down(outage: Outage) -> None:
    states = {part["name"]: part["state"] for part in outage.health.json()["parts"]}
    assert (states["temporal"], states["database"]) == ("down", "ok")


def test_the_same_submission_later_is_the_deployment_that_was_promised(outage: Outage) -> None:
    assert outage.retried.json()["deployment_id"] == outage.keys[0]["resource_id"]


def test_it_started_exactly_one_workflow(live: Live, outage: Outage) -> None:
    deployment = outage.retried.json()["deployment_id"]
    query = f"WorkflowId = '{deployment_workflow_id(deployment)}'"
    assert len(live.engine.get("/workflows", params={"query": query}).json()["executions"]) == 1
    assert len(live.events(deployment, "DEPLOYMENT_CREATED")) == 1
    assert live.amiss(deployment) == []


def test_the_vote_sent_again_counts_once(live: Live, outage: Outage) -> None:
    votes = live.events(outage.voted, "CAB_VOTED", "CAB_VOTE_REFUSED")
    assert [(event["type"], event["actor"]) for event in votes] == [("CAB_VOTED", "cab-anna")]


def test_a_hold_that_was_acknowledged_survives(outage: Outage) -> None:
    assert outage.hold.status_code == 200, outage.hold.text
    assert [(hold["kind"], hold["who"]) for hold in outage.held["holds"]] == [("operator", "publisher-petra")]


def test_the_held_deployment_was_not_promoted_before_its_release(live: Live, outage: Outage) -> None:
    facts = [(event["type"], event["ring"]) for event in live.events(outage.held["id"])]
    assert facts.index(("DEPLOYMENT_RELEASED", None)) < facts.index(("RING_STARTED", "PILOT"))
    assert live.amiss(outage.held["id"], rings=RINGS) == []


def test_no_effect_took_place_twice(live: Live, outage: Outage) -> None:
    assert live.duplicates() == 0
