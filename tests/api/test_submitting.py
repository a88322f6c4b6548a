"""Submitting through the API: accepted, kept without a worker, refused, repeated, and while Temporal is away."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.api.engine import PETRA, Engine
from tests.api.service import Service, deployment_request, problem, serve

engine_test = pytest.mark.asyncio(loop_scope="session")


@engine_test
async def test_a_submission_is_accepted_with_its_score_and_runs_to_its_end(engine: Engine) -> None:
    async with engine.workers():
        answer = await engine.submit(await engine.pack())
        submitted = answer.json()
        assert answer.status_code == 201, submitted
        assert (submitted["outcome"], submitted["tier"], submitted["checkpoints"]) == ("accepted", "automated", [])
        assert 0 < submitted["risk_score"] <= 50
        assert answer.headers["location"] == f"/api/v1/deployments/{submitted['deployment_id']}"
        UUID(submitted["correlation_id"])
        ended = await engine.until(submitted["deployment_id"], "COMPLETED", "FAILED", "ROLLED_BACK", "REJECTED")
    assert ended["state"] == "COMPLETED", ended["reason"]
    assert ended["correlation_id"] == submitted["correlation_id"]
    assert [ring["status"] for ring in ended["rings"]] == ["promoted", "soaking"] or ended["ring"] == "CANARY"
    assert all(plane["succeeded"] == 2 for ring in ended["rings"] for plane in ring["planes"])


@engine_test
async def test_the_same_request_gives_the_same_answer_and_starts_nothing_twice(engine: Engine) -> None:
    key = str(uuid4())  # the engine is shared by all tests: its workflows must not meet
    pack = await engine.pack(attested=False)
    async with engine.workers():
        first, *others = await asyncio.gather(*(engine.submit(pack, key=key) for _ in range(4)))
        assert first.status_code == 201, first.text
        assert all(answer.json() == first.json() for answer in others)
        deployment_id = first.json()["deployment_id"]
        review = await engine.review(deployment_id)
        vote = {"pack_digest": review["evidence_pack"], "comment": "no"}
        await engine.service.as_("cab-anna").post(f"/cab/{deployment_id}.1/reject", vote)
        await engine.until(deployment_id, "REJECTED")
    again = await engine.submit(pack, key=key)
    assert (again.status_code, again.json()) == (201, first.json()), "also after the end, with no worker"
    assert len((await engine.service.as_(PETRA).get("/deployments")).json()["items"]) == 1


@engine_test
async def test_without_a_worker_it_is_kept_and_proceeds_when_one_starts(engine: Engine) -> None:
    key = str(uuid4())  # the engine is shared by all tests: its workflows must not meet
    gateway = engine.service.app.state.services.gateway
    patience, gateway._wait = gateway._wait, timedelta(milliseconds=300)
    pack = await engine.pack(attested=False)
    kept = await engine.submit(pack, key=key)
    assert kept.status_code == 202, kept.text
    assert kept.json()["outcome"] == "pending"
    location = kept.headers["location"].removeprefix("/api/v1")
    waiting = await engine.service.as_(PETRA).get(location)
    assert (waiting.status_code, waiting.json()["state"]) == (202, "PENDING")
    again = await engine.submit(pack, key=key)
    assert (again.status_code, again.json()["deployment_id"]) == (202, kept.json()["deployment_id"])
    control = await engine.service.as_(PETRA).post(f"{location}/skip-soak", {"why": "now"})
    assert problem(control)[:2] == (503, "no_worker")
    async with engine.workers():
        await engine.review(kept.json()["deployment_id"])
        gateway._wait = patience
        accepted = await engine.submit(pack, key=key)
    assert accepted.status_code == 201
    assert accepted.json()["deployment_id"] == kept.json()["deployment_id"]
    assert accepted.json()["correlation_id"] == kept.json()["correlation_id"]


@engine_test
@pytest.mark.parametrize(
    ("cohort", "code"),
    [
        ({"group": "nobody"}, "cohort_unresolvable"),
        ({"devices": ["fake-999"]}, "cohort_unresolvable"),
        ({"devices": ["fake-000"]}, "cohort_empty"),
    ],
)
async def test_a_cohort_that_the_plane_does_not_know_is_refused_at_its_field(
    engine: Engine, cohort: dict[str, object], code: str
) -> None:
    key = str(uuid4())  # the engine is shared by all tests: its workflows must not meet
    lab = {"targets": [{"plane": engine.plane, "cohort": {"devices": ["fake-000"]}}]}
    request = engine.request(await engine.pack())
    request["rings"] = {"LAB": lab, "CANARY": {"targets": [{"plane": engine.plane, "cohort": cohort}]}}
    async with engine.workers():
        for _ in range(2):
            answer = await engine.service.as_(PETRA).post("/deployments", request, key=key)
            assert problem(answer) == (422, code, "rings.CANARY.targets[0].cohort")


@engine_test
async def test_a_second_change_of_the_same_application_is_refused_and_names_the_first(engine: Engine) -> None:
    key = str(uuid4())  # the engine is shared by all tests: its workflows must not meet
    pack = await engine.pack(attested=False)
    async with engine.workers():
        first = await engine.submit(pack)
        second = await engine.submit(pack, key=key)
        assert problem(second)[:2] == (409, "change_in_progress")
        assert second.json()["holder"] == first.json()["deployment_id"]
        again = await engine.submit(pack, key=key)
        assert (again.status_code, again.json()["holder"]) == (409, first.json()["deployment_id"])
        elsewhere = await engine.submit(pack, scope={"business_unit": "retail"})
        assert elsewhere.status_code == 201, elsewhere.text


async def test_while_temporal_is_away_nothing_is_half_written_and_a_retry_is_possible(service: Service) -> None:
    pack = await service.as_("packager-pia").seal()
    petra = service.as_(PETRA)
    for _ in range(2):
        answer = await petra.post("/deployments", deployment_request(pack), key="k1")
        assert problem(answer)[:2] == (503, "temporal_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert (await petra.get("/deployments")).json()["items"] == []


@engine_test
async def test_a_retry_after_temporal_came_back_resumes_the_same_deployment(engine: Engine) -> None:
    key = str(uuid4())  # the engine is shared by all tests: its workflows must not meet
    away = engine.service.settings
    pack = await engine.pack(attested=False)
    async with serve(away) as without:
        petra, request = without.as_(PETRA), engine.request(pack)
        headers = {"X-Correlation-ID": "11111111-2222-4333-8444-555555555555"}
        first = await petra.post("/deployments", request, key=key, headers=headers)
        assert problem(first)[:2] == (503, "temporal_unavailable")
    async with engine.workers():
        second = await engine.service.as_(PETRA).post("/deployments", request, key=key)
        assert second.status_code == 201, second.text
        assert second.json()["correlation_id"] == headers["X-Correlation-ID"]
        assert second.headers["x-correlation-id"] != headers["X-Correlation-ID"], "that one is this request's own"
