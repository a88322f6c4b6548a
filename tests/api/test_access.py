"""Who may do what at the API: every role at every endpoint, strangers, and what is recorded of refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends

from api.app import NOUNS, UndeclaredRoute, check_declared, create_app
from api.deps import Allows, anonymous
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import Role
from eucora.identity.development import PEOPLE
from eucora.identity.permissions import PERMISSIONS, Permission
from eucora.identity.principal import Principal
from eucora.settings import Environment, MissingSetting, Settings
from tests.api.service import BASE, Service, development_settings, problem, serve, unreachable_engine, world
from tests.store.histories import to_review

SOMEBODY = {role: next(person.actor for person in PEOPLE if role in person.roles) for role in Role if role != "system"}
DEPLOYMENT = "00000000-0000-8000-8000-000000000009"
ANONYMOUS = {("get", "/health/live"), ("get", "/health/ready"), ("post", "/auth/login"), ("get", "/auth/people")}


def declared() -> Iterator[tuple[str, str, Permission | None]]:
    """Method, path and permission of every route, aliases too."""
    for noun in NOUNS:
        for route in noun.router.routes:
            calls = [part.call for part in route.dependant.dependencies]
            permission = next((call.permission for call in calls if isinstance(call, Allows)), None)
            for method in route.methods:
                yield method.lower(), route.path, permission


ROUTES = list(declared())


def filled(path: str) -> str:
    values = {
        "{deployment_id}": DEPLOYMENT,
        "{review_id}": f"{DEPLOYMENT}.1",
        "{message_id}": DEPLOYMENT,
        "{sha256}": "0" * 64,
        "{pack_digest}": "0" * 64,
        "{plane}": "ansible",
    }
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def test_only_the_few_routes_of_the_domain_are_anonymous() -> None:
    assert {(method, path) for method, path, permission in ROUTES if permission is None} == ANONYMOUS


@pytest.mark.parametrize("role", SOMEBODY)
async def test_a_role_reaches_what_the_table_grants_and_nothing_else(service: Service, role: Role) -> None:
    caller = service.as_(SOMEBODY[role])
    for method, path, permission in ROUTES:
        if permission is None:
            continue
        answer = await caller.request(method.upper(), filled(path))
        if role in PERMISSIONS[permission]:
            assert answer.status_code not in (401, 403), f"{role} {method} {path}: {answer.text}"
        else:
            assert problem(answer)[:2] == (403, "role_missing"), f"{role} {method} {path}"
            assert permission.value in answer.json()["detail"]


async def test_a_stranger_reaches_nothing_but_the_anonymous_routes(service: Service) -> None:
    for method, path, permission in ROUTES:
        answer = await service.http.request(method.upper(), filled(path))
        if permission is None:
            assert answer.status_code not in (401, 403), f"{method} {path}"
        else:
            assert problem(answer) == (401, "unauthenticated", None), f"{method} {path}"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["Bearer", "Bearer  ", "Basic YTpi", "token", ""])
async def test_a_header_that_is_no_bearer_token_is_refused(service: Service, given: str) -> None:
    answer = await service.http.get("/auth/me", headers={"Authorization": given})
    assert problem(answer)[:2] == (401, "unauthenticated")


async def test_a_token_that_does_not_hold_is_refused_without_being_quoted(service: Service) -> None:
    answer = await service.http.get("/auth/me", headers={"Authorization": "Bearer sesame.open.now"})
    assert problem(answer)[:2] == (401, "token_invalid")
    assert "sesame" not in answer.text


async def test_a_refusal_is_an_event_of_the_stream_security(service: Service) -> None:
    answer = await service.as_("auditor-ava").post(f"/deployments/{DEPLOYMENT}/hold", {"why": "because"})
    assert problem(answer)[:2] == (403, "role_missing")
    (event,) = await service.refusals("role_missing")
    assert (event["type"], event["actor"], event["role"]) == ("ACCESS_DENIED", "auditor-ava", "auditor")
    assert event["correlation_id"] == answer.headers["x-correlation-id"]
    assert event["payload"]["message"] == "POST /deployments/{deployment_id}/hold"


async def test_strangers_are_recorded_but_cannot_fill_the_record(service: Service) -> None:
    for _ in range(50):
        await service.http.get("/auth/me")
    events = await service.refusals("unauthenticated")
    assert len(events) == 20
    service.app.state.services.security._clock = lambda: datetime.now(UTC) + timedelta(minutes=2)
    await service.http.get("/auth/me")
    events = await service.refusals("unauthenticated")
    assert len(events) == 21
    assert sum(event["payload"]["count"] for event in events) == 51


async def test_a_refusal_stays_a_refusal_when_the_record_is_away(tmp_path: Path) -> None:
    settings = development_settings(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    async with serve(settings) as service:
        answer = await service.as_("auditor-ava").post(f"/deployments/{DEPLOYMENT}/hold", {"why": "because"})
        assert problem(answer)[:2] == (403, "role_missing")


async def test_signing_in_in_development(service: Service) -> None:
    people = (await service.http.get("/auth/people")).json()
    assert {person["actor"] for person in people} == {person.actor for person in PEOPLE}
    answer = await service.http.post("/auth/login", json={"user": "cab-anna"})
    token = answer.json()
    me = await service.http.get("/auth/me", headers={"Authorization": f"Bearer {token['token']}"})
    assert me.json() == token["person"]
    assert (me.json()["roles"], me.json()["identity"]) == (["cab_member"], "development")
    answer = await service.http.post("/auth/login", json={"user": "mallory"})
    assert problem(answer) == (422, "unknown_person", "user")


async def test_every_answer_admits_to_the_development_identity(service: Service) -> None:
    for path in ("/health/live", "/auth/me", "/nowhere", "/deployments/"):
        assert (await service.http.get(path)).headers["x-eucora-identity"] == "development"
    assert "DEVELOPMENT IDENTITY" in (await service.http.get("http://127.0.0.1:8000/api/docs")).text


@pytest.mark.parametrize(
    ("client", "host"), [("192.0.2.7", "127.0.0.1:8000"), ("127.0.0.1", "evil.example"), ("127.0.0.1", "192.0.2.1")]
)
async def test_the_development_identity_answers_this_machine_only(service: Service, client: str, host: str) -> None:
    transport = httpx.ASGITransport(app=service.app, client=(client, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"Host": host}) as elsewhere:
        for answer in (
            await elsewhere.post("/auth/login", json={"user": "cab-anna"}),
            await elsewhere.get("/auth/people"),
            await elsewhere.get("/auth/me", headers={"Authorization": f"Bearer {service.token('cab-anna')}"}),
        ):
            assert problem(answer)[:2] == (403, "development_identity_loopback_only")


def test_elsewhere_the_api_does_not_start_without_an_identity_provider(tmp_path: Path) -> None:
    settings = development_settings(tmp_path, "postgresql://x/y", environment=Environment.PRODUCTION)
    with pytest.raises(MissingSetting, match="EUCORA_ENTRA_TENANT"):
        create_app(settings)


class Entra:
    """Stands for an identity provider of production: one publisher of one business unit."""

    development = False

    def __init__(self, *, roles: tuple[Role, ...] = (Role.PUBLISHER,), scope: Scope | None = None) -> None:
        self.principal = Principal(actor="oid-1", name="Petra", roles=roles, scope=scope or Scope())

    async def authenticate(self, token: str) -> Principal:
        return self.principal

    async def aclose(self) -> None:
        pass


async def elsewhere(
    settings: Settings, identity: Entra, path: str, method: str = "GET", **options: Any
) -> httpx.Response:
    """Ask the API as it is in production."""
    production = settings.model_copy(update={"environment": Environment.PRODUCTION})
    app = create_app(production, identity=identity, client=await unreachable_engine())
    transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 1))
    headers = {"Authorization": "Bearer x", "Host": "eucora.example"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://eucora.example") as client,
    ):
        return await client.request(method, path, headers=headers, **options)


async def test_in_production_nobody_signs_in_as_somebody_invented(settings: Settings) -> None:
    for method, path in (("POST", "/api/v1/auth/login"), ("GET", "/api/v1/auth/people")):
        answer = await elsewhere(settings, Entra(), path, method, json={"user": "cab-anna"})
        assert problem(answer)[:2] == (404, "path_not_found")
        assert "x-eucora-identity" not in answer.headers
    me = await elsewhere(settings, Entra(), "/api/v1/auth/me")
    assert (me.json()["actor"], me.json()["identity"]) == ("oid-1", "entra")


async def test_in_production_the_schema_is_for_those_who_may_call(settings: Settings) -> None:
    assert (await elsewhere(settings, Entra(), "/api/schema")).status_code == 200
    for path in ("/api/schema", "/api/docs"):
        answer = await elsewhere(settings, Entra(roles=()), path)
        assert problem(answer)[:2] == (403, "role_missing")


async def test_the_demo_gates_do_not_exist_in_production(settings: Settings) -> None:
    async with serve(settings) as service:
        pack = await service.as_("packager-pia").seal()
        body = {"evidence_pack": pack, "gate_policy": "demo", "rings": {"LAB": {"targets": []}}}
    headers = {"json": body}
    answer = await elsewhere(settings, Entra(), "/api/v1/policy/assess", "POST", **headers)
    assert problem(answer) == (422, "unknown_gate_policy", "gate_policy")


async def test_nobody_sees_or_creates_beyond_their_scope(settings: Settings) -> None:
    retail, finance = Scope(business_unit="retail"), Scope(business_unit="finance")
    async with serve(settings) as service:
        pack = await service.as_("packager-pia").seal()
        reviewed = world(1, scope=finance, rings=3)
        to_review(reviewed)
        deployment_id = await service.record(reviewed)
        assert (await service.as_("publisher-petra").get(f"/deployments/{deployment_id}")).is_success
    for path in (f"deployments/{deployment_id}", f"deployments/{deployment_id}/events", f"cab/{deployment_id}.1"):
        assert (await elsewhere(settings, Entra(scope=retail), f"/api/v1/{path}")).status_code == 404
        assert (await elsewhere(settings, Entra(scope=finance), f"/api/v1/{path}")).status_code == 200
    for path in ("deployments", "cab/pending"):
        assert (await elsewhere(settings, Entra(scope=retail), f"/api/v1/{path}")).json()["items"] == []
        assert len((await elsewhere(settings, Entra(scope=finance), f"/api/v1/{path}")).json()["items"]) == 1
    lab = {"targets": [{"plane": "ansible", "cohort": {"group": "lab"}}]}
    body = {"evidence_pack": pack, "target_ring": "LAB", "rings": {"LAB": lab}, "scope": {"business_unit": "finance"}}
    answer = await elsewhere(settings, Entra(scope=retail), "/api/v1/policy/assess", "POST", json=body)
    assert problem(answer) == (403, "out_of_scope", "scope")
    assert (await elsewhere(settings, Entra(scope=finance), "/api/v1/policy/assess", "POST", json=body)).is_success


def test_a_route_that_declares_nothing_keeps_the_api_from_starting() -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> str:
        return "open"

    with pytest.raises(UndeclaredRoute, match="/open"):
        check_declared(router)


def test_a_route_that_declares_twice_keeps_the_api_from_starting() -> None:
    router = APIRouter()

    @router.get("/both", dependencies=[Depends(anonymous)])
    async def both(_: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_READ))]) -> str:
        return "both"

    with pytest.raises(UndeclaredRoute, match="/both"):
        check_declared(router)
