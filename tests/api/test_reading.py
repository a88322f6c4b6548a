"""Reading what is recorded: deployments, their rings and events, reviews and votes; pages and filters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from eucora.domain.approval import Conditions
from eucora.domain.vocabulary import CabDecision
from tests.api.service import Service, deployment_request, world
from tests.store.histories import to_review

READER = "auditor-ava"


async def pages(service: Service, path: str, limit: int, **parameters: Any) -> list[list[dict[str, Any]]]:
    """Every page of a list, to its end."""
    found, cursor = [], None
    while True:
        given = {**parameters, "limit": limit, **({"cursor": cursor} if cursor else {})}
        page = (await service.as_(READER).get(path, params=given)).json()
        found.append(page["items"])
        cursor = page.get("next_cursor")
        if cursor is None or not page["items"]:
            return found


async def test_a_deployment_shows_rings_planes_gates_and_risk(service: Service) -> None:
    made = world(rings=5, planes=("sim-windows", "sim-mac"))
    to_review(made)
    deployment_id = await service.record(made)
    shown = (await service.as_(READER).get(f"/deployments/{deployment_id}")).json()
    assert (shown["id"], shown["state"], shown["requester"]) == (deployment_id, made.state.state, "publisher-petra")
    assert shown["reason"]["code"] == made.state.reason.code
    assert [ring["name"] for ring in shown["rings"]] == ["LAB", "CANARY", "PILOT", "DEPARTMENT", "GLOBAL"]
    lab = shown["rings"][0]
    assert [plane["plane"] for plane in lab["planes"]] == ["sim-mac", "sim-windows"]
    assert all(plane["succeeded"] == plane["targeted"] == 10 for plane in lab["planes"])
    recorded = made.state.rings[0].gate
    assert recorded is not None
    assert lab["gate"]["result"] == recorded.result
    assert [check["sentence"] for check in lab["gate"]["checks"]] == [check.sentence for check in recorded.checks]
    assert {check["name"] for check in lab["gate"]["checks"]} >= {"success_rate", "time_to_compliance"}
    assert shown["rings"][4]["gate"] is None
    assert shown["risk"] == {"score": 60, "model": "v1.0", "model_version": "v1.0", "tier": "cab"}
    assert shown["sequence"] == len(made.facts)


async def test_the_events_of_a_deployment_are_its_facts_in_order(service: Service) -> None:
    made = world()
    made.run()
    deployment_id = await service.record(made)
    found = [event for page in await pages(service, f"/deployments/{deployment_id}/events", 4) for event in page]
    assert [event["type"] for event in found] == [fact.type for fact in made.facts]
    assert [event["sequence"] for event in found] == list(range(1, len(made.facts) + 1))
    assert all(event["previous_hash"] == before["hash"] for before, event in pairwise(found))
    later = (await service.as_(READER).get(f"/deployments/{deployment_id}/events", params={"after": 3})).json()
    assert later["items"][0]["sequence"] == 4


async def test_deployments_are_listed_newest_first_on_pages(service: Service) -> None:
    ids = [await service.record(world(number)) for number in range(1, 8)]
    found = await pages(service, "/deployments", 3)
    assert [len(page) for page in found] == [3, 3, 1]
    assert sorted(item["id"] for page in found for item in page) == ids


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"state": "COMPLETED"}, {1}),
        ({"state": ["COMPLETED", "AWAITING_CAB"]}, {1, 2}),
        ({"application": "editor-2"}, {2}),
        ({"requester": "publisher-petra"}, {1, 2}),
        ({"requester": "nobody"}, set()),
        ({"plane": "sim"}, {1}),
        ({"created_from": "2020-01-01T00:00:00Z"}, {1, 2}),
        ({"created_to": "2020-01-01T00:00:00+02:00"}, set()),
    ],
    ids=str,
)
async def test_deployments_are_filtered(service: Service, parameters: dict[str, Any], expected: set[int]) -> None:
    ended, waiting = world(1, score=40), world(2, planes=("other",), rings=3)
    ended.run()
    to_review(waiting)
    numbers = {await service.record(ended): 1, await service.record(waiting): 2}
    found = (await service.as_(READER).get("/deployments", params=parameters)).json()["items"]
    assert {numbers[item["id"]] for item in found} == expected


async def test_a_review_shows_what_is_voted_on_and_every_vote(service: Service) -> None:
    made = world(rings=3)
    to_review(made)
    made.vote("cab-ben", CabDecision.APPROVED, pack_digest="0" * 64)
    made.vote("cab-anna", CabDecision.CONDITIONAL, conditions=Conditions(min_success_rate=98.5), comment="watch it")
    deployment_id = await service.record(made)
    review = made.state.reviews[0]
    shown = (await service.as_("cab-chloe").get(f"/cab/{deployment_id}.1")).json()
    assert (shown["ring"], shown["covers"], shown["evidence_pack"]) == ("CANARY", ["CANARY"], review.pack_digest)
    assert (shown["application"], shown["risk_score"], shown["author"]) == ("Editor", 60, "packager-pia")
    first, second = shown["votes"]
    assert (first["voter"], first["outcome"], first["code"]) == ("cab-ben", "refused", "stale_digest")
    assert (second["voter"], second["outcome"], second["decision"]) == ("cab-anna", "accepted", "CONDITIONAL")
    assert second["conditions"]["min_success_rate"] == 98.5
    one = await service.as_("cab-chloe").get(f"/cab/{deployment_id}.1/votes/m-2")
    assert one.status_code == 422, "ids of votes that came through the API are UUIDs"


async def test_pending_reviews_and_those_of_my_requests(service: Service) -> None:
    waiting, ended = world(1, rings=3), world(2, rings=3)
    to_review(waiting)
    to_review(ended)
    ended.vote("cab-anna", CabDecision.REJECTED, comment="no")
    ended.run()
    ids = [f"{await service.record(made)}.1" for made in (waiting, ended)]
    pending = [review["id"] for page in await pages(service, "/cab/pending", 1) for review in page]
    assert pending == ids[:1]
    mine = (await service.as_("publisher-petra").get("/cab/my-requests")).json()["items"]
    assert sorted(review["id"] for review in mine) == ids
    assert (await service.as_("publisher-paco").get("/cab/my-requests")).json()["items"] == []


async def test_all_events_can_be_followed_and_filtered(service: Service) -> None:
    made = world(score=40)
    made.run()
    deployment_id = await service.record(made)
    found = [event for page in await pages(service, "/events", 5) for event in page]
    assert [event["type"] for event in found] == [fact.type for fact in made.facts]
    completed = await service.as_(READER).get(
        "/events", params={"type": ["DEPLOYMENT_COMPLETED"], "stream": f"deployment/{deployment_id}"}
    )
    assert len(completed.json()["items"]) == 1
    other = await service.as_(READER).get("/events", params={"correlation_id": "none"})
    assert other.json()["items"] == []


async def test_what_a_deployment_would_score_and_need(service: Service) -> None:
    pack = await service.as_("packager-pia").seal(
        attestations={
            "privilege_impact": "user_context_no_elevation",
            "exploitability": "no_listeners_no_scripting",
            "data_access": "scoped_to_app_directory",
            "operational_complexity": "online_no_reboot_lt_5min",
        }
    )
    answer = await service.as_("publisher-petra").post("/policy/assess", deployment_request(pack))
    found = answer.json()
    assert answer.status_code == 200, found
    by_key = {factor["key"]: factor for factor in found["factors"]}
    assert by_key["privilege_impact"]["basis"] == "attested"
    assert by_key["blast_radius"]["level"] == "lt_100" or by_key["blast_radius"]["value"] == "0.3"
    assert found["score"] <= 50
    assert found["tier"] == "automated"
    assert found["checkpoints"] == []
    worst = await service.as_("packager-pia").seal()
    cab = (await service.as_("publisher-petra").post("/policy/assess", deployment_request(worst))).json()
    assert cab["score"] > 50
    assert cab["tier"] == "cab"
    assert cab["checkpoints"] == ["CANARY", "PILOT"]


async def test_the_risk_model_is_shown_as_it_ships(service: Service) -> None:
    model = (await service.as_(READER).get("/policy/risk-model")).json()
    assert (model["model_id"], model["threshold"]) == ("v1.0", 50)
    assert sum(float(factor["weight"]) for factor in model["document"]["factors"]) == 100
    named = (await service.as_(READER).get("/policy/risk-model", params={"name": "quality-5"})).json()
    assert named["model_id"] == "quality-5"
