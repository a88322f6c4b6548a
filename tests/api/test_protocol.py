"""What holds for every request: correlation ids, slashes, errors, schema, metrics, health."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from api.services import Services
from eucora.settings import Settings
from models.wire.health import Health
from tests.api.service import Service, development_settings, problem, serve

GIVEN = "11111111-2222-4333-8444-555555555555"


async def test_a_correlation_id_is_made_or_taken_and_returned(service: Service) -> None:
    made = await service.http.get("/health/live")
    UUID(made.headers["x-correlation-id"])
    taken = await service.http.get("/health/live", headers={"X-Correlation-ID": GIVEN.upper().replace("A", "a")})
    assert taken.headers["x-correlation-id"] == GIVEN
    refused = await service.http.get("/deployments", headers={"X-Correlation-ID": GIVEN})
    assert refused.json()["correlation_id"] == refused.headers["x-correlation-id"] == GIVEN


@pytest.mark.parametrize("path", ["/deployments", "/cab/pending", "/events", "/health", "/auth/me", "/connectors"])
async def test_a_trailing_slash_makes_no_difference(service: Service, path: str) -> None:
    caller = service.as_("auditor-ava")
    without, with_ = await caller.get(path), await caller.get(f"{path}/")
    assert (without.status_code, with_.status_code) == (200, 200)
    assert without.json() == with_.json()


@pytest.mark.parametrize("path", ["/deployments/list", "/deployments/list/", "/events/list", "/events/list/"])
async def test_aliases_of_older_clients_answer_without_redirect(service: Service, path: str) -> None:
    answer = await service.as_("auditor-ava").get(path)
    assert answer.status_code == 200
    assert answer.json()["items"] == []


async def test_the_alias_of_promote_answers(service: Service) -> None:
    path = "/deployments/00000000-0000-8000-8000-000000000009/promote_ring"
    answer = await service.as_("publisher-petra").post(path, {"why": "now"})
    assert problem(answer)[:2] == (404, "deployment_not_found")


async def test_a_bug_is_answered_without_telling_what_it_is(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_services: Services) -> Health:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("api.routes.health.examine", broken)
    answer = await service.as_("auditor-ava").get("/health")
    assert problem(answer) == (500, "internal_error", None)
    assert "hunter2" not in answer.text


async def test_the_schema_describes_every_route_and_its_roles(service: Service) -> None:
    schema = (await service.http.get("http://127.0.0.1:8000/api/schema")).json()
    assert schema["openapi"].startswith("3.1")
    hold = schema["paths"]["/api/v1/deployments/{deployment_id}/hold"]["post"]
    assert hold["x-roles"] == ["publisher", "endpoint_ops"]
    assert hold["responses"]["409"]["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    assert "/api/v1/deployments/list" not in schema["paths"]


async def test_the_documentation_loads_nothing_from_elsewhere(service: Service) -> None:
    page = (await service.http.get("http://127.0.0.1:8000/api/docs")).text
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "/api/v1/deployments/{deployment_id}/roll-back" in page


async def test_live_and_ready_are_one_word_each(service: Service) -> None:
    assert (await service.http.get("/health/live")).text == "live"
    assert (await service.http.get("/health/ready")).text == "ready"


async def test_without_the_database_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    settings = development_settings(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    async with serve(settings) as service:
        assert (await service.http.get("/health/live")).text == "live"
        ready = await service.http.get("/health/ready")
        assert (ready.status_code, ready.text, ready.headers["retry-after"]) == (503, "unready", "2")
        listed = await service.as_("auditor-ava").get("/deployments")
        assert problem(listed)[:2] == (503, "database_unavailable")
        assert int(listed.headers["retry-after"]) >= 1


async def test_health_says_what_is_away(service: Service) -> None:
    answer = (await service.as_("auditor-ava").get("/health")).json()
    parts = {part["name"]: part["state"] for part in answer["parts"]}
    assert answer["state"] == "down"
    assert parts == {"database": "ok", "temporal": "down", "queue eucora": "down", "queue plane-ansible": "down"}


async def test_a_plane_without_a_reachable_engine_is_down_and_an_unknown_one_is_not_found(service: Service) -> None:
    caller = service.as_("ops-olga")
    assert (await caller.get("/connectors/ansible/health")).json()["state"] == "down"
    assert problem(await caller.get("/connectors/moon/health"))[:2] == (404, "unknown_plane")
    assert (await caller.get("/connectors")).json() == [
        {"plane": "ansible", "connector": "somewhere-else", "rollback_strategies": []}
    ]


async def test_requests_are_counted_by_route_and_never_by_path(service: Service) -> None:
    for number in range(3):
        path = f"/deployments/00000000-0000-8000-8000-{number:012d}"
        assert (await service.as_("auditor-ava").get(path)).status_code == 404
        await service.http.get(f"/nowhere/{number}")
        await service.http.request(f"SMUGGLE{number}", "/deployments")
    text = service.app.state.metrics.exposition()[0].decode()
    counted = [line for line in text.splitlines() if line.startswith("eucora_http_requests_total{")]
    assert any('route="/deployments/{deployment_id}",status="404"} 3.0' in line for line in counted)
    assert not any("000000000001" in line or "nowhere" in line or "SMUGGLE" in line for line in counted)


async def test_origins_of_web_pages_are_a_setting_and_empty_by_default(settings: Settings) -> None:
    ask = {"Origin": "https://console.example", "Access-Control-Request-Method": "GET"}
    async with serve(settings) as service:
        answer = await service.http.options("/deployments", headers=ask)
        assert "access-control-allow-origin" not in answer.headers
    allowed = settings.model_copy(update={"cors_origins": ["https://console.example"]})
    async with serve(allowed) as service:
        answer = await service.http.options("/deployments", headers=ask)
        assert answer.headers["access-control-allow-origin"] == "https://console.example"
        other = await service.http.options("/deployments", headers={**ask, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
