"""The API in this process, over HTTP, on a real database: who calls, what they upload, what is recorded beforehand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from temporalio.client import Client

from api.app import create_app
from eucora.domain.facts import DeploymentCreated, Fact
from eucora.domain.plan import Scope
from eucora.identity.development import DevelopmentIdentity
from eucora.ports.record import FactBatch
from eucora.runtime.client import DATA_CONVERTER
from eucora.settings import Settings
from eucora.signing.keys import new_private_key, public_key_base64, save_private_key
from eucora.store.engine import Database
from eucora.store.record import PostgresRecord
from tests.domain.world import World
from tests.evidence.builders import VENDOR_KEY, Case, as_bytes
from tests.store.histories import plan_of

BASE = "http://127.0.0.1:8000/api/v1"
NOBODY_HOME = "127.0.0.1:1"
RINGS = ("LAB", "CANARY", "PILOT", "DEPARTMENT", "GLOBAL")
PLANE = "ansible"


def development_settings(folder: Path, database_url: str, **changes: Any) -> Settings:
    """Settings of a development API with keys and blobs in ``folder``."""
    claims = folder / "claims.pem"
    if not claims.exists():
        save_private_key(claims, new_private_key())
    signers = folder / "signers.json"
    signers.write_text(json.dumps({"signers": [{"public_key": public_key_base64(VENDOR_KEY), "vendor": "Acme"}]}))
    values: dict[str, Any] = {
        "database_url": database_url,
        "database_pool_size": 5,
        "blob_url": str(folder / "blobs"),
        "claims_key_file": claims,
        "identity_secret_file": folder / "identity",
        "trusted_signers_file": signers,
        "temporal_wait_seconds": 5.0,
        **changes,
    }
    return Settings(**values)


async def unreachable_engine() -> Client:
    """A client of a Temporal that is not there."""
    return await Client.connect(NOBODY_HOME, lazy=True, data_converter=DATA_CONVERTER)


@dataclass
class Caller:
    """One person at the API. ``key=True`` draws an idempotency key."""

    service: Service
    actor: str

    async def request(
        self,
        method: str,
        path: str,
        *,
        key: str | bool = False,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.service.token(self.actor)}", **(headers or {})}
        if key:
            sent["Idempotency-Key"] = str(uuid4()) if key is True else key
        return await self.service.http.request(method, path, headers=sent, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.request("POST", path, json=body, **options)

    async def put(self, path: str, content: bytes, **options: Any) -> httpx.Response:
        return await self.request("PUT", path, content=content, **options)

    async def seal(self, case: Case | None = None, **changes: Any) -> str:
        """Upload everything and seal a pack; its digest."""
        answer = await self.draft(case, **changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["pack_digest"])

    async def draft(self, case: Case | None = None, key: str | bool = True, **changes: Any) -> httpx.Response:
        """Upload everything and post the draft, with top-level ``changes``."""
        case = case or Case()
        uploaded = await self.request("POST", "/evidence/artifacts", content=case.artifact)
        assert uploaded.status_code == 201, uploaded.text
        for document in (case.sbom, case.scan):
            uploaded = await self.request("POST", "/evidence/documents", content=as_bytes(document))
            assert uploaded.status_code == 201, uploaded.text
        return await self.post("/evidence", {**case.document(), **changes}, key=key)


@dataclass
class Service:
    """The running API."""

    app: FastAPI
    http: httpx.AsyncClient
    settings: Settings
    identity: DevelopmentIdentity
    database: Database
    _tokens: dict[str, str] = field(default_factory=dict)

    def as_(self, actor: str) -> Caller:
        """A person by name, see ``eucora.identity.development.PEOPLE``."""
        return Caller(self, actor)

    def token(self, actor: str) -> str:
        if actor not in self._tokens:
            self._tokens[actor] = self.identity.sign_in(actor).token
        return self._tokens[actor]

    async def record(self, world: World) -> str:
        """Store what happened in ``world``; the id of its deployment."""
        facts = tuple(world.facts)
        created = facts[0]
        assert isinstance(created, DeploymentCreated)
        record = PostgresRecord(self.database)
        await record.append(FactBatch(deployment_id=created.plan.deployment_id, first_sequence=1, facts=facts))
        return created.plan.deployment_id

    async def refusals(self, code: str) -> list[dict[str, Any]]:
        """Events of the stream ``security`` with that code."""
        answer = await self.as_("auditor-ava").get("/events", params={"stream": "security"})
        return [event for event in answer.json()["items"] if event["payload"]["code"] == code]


@asynccontextmanager
async def serve(settings: Settings, *, client: Client | None = None) -> AsyncIterator[Service]:
    """Serve the API within this process; without ``client`` Temporal is away."""
    async with AsyncExitStack() as stack:
        identity = DevelopmentIdentity(settings)
        app = create_app(settings, identity=identity, client=client or await unreachable_engine())
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=BASE))
        yield Service(app=app, http=http, settings=settings, identity=identity, database=app.state.services.database)


def deployment_request(pack_digest: str, **changes: Any) -> dict[str, Any]:
    """A request that is complete and holds, with ``changes``."""
    request: dict[str, Any] = {
        "evidence_pack": pack_digest,
        "rings": {
            name: {"targets": [{"plane": PLANE, "cohort": {"group": "lab", "take": take}}]}
            for name, take in zip(RINGS, (1, 2, 4, 8, 16), strict=True)
        },
    }
    return {**request, **changes}


def world(number: int = 1, *, scope: Scope | None = None, **options: Any) -> World:
    """A modelled deployment whose ids have the form of real ones, requested by Petra and packaged by Pia."""
    score = options.pop("score", 60)
    plan = replace(
        plan_of(number, **options),
        deployment_id=f"00000000-0000-8000-8000-{number:012d}",
        requester="publisher-petra",
        author="packager-pia",
        scope=scope or Scope(),
    )
    return World(plan=plan, score=score)


def facts_of(made: World) -> list[Fact]:
    """Everything that happened."""
    return made.facts


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and field of a refusal, which must be a proper problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:eucora:problem:{body['code']}"
    assert body["detail"]
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    return answer.status_code, body["code"], body.get("field")
