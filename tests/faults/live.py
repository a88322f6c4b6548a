"""The local stack as it is shipped, to be broken: real servers and processes, people at the API, a fleet's ledger."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from eucora.audit.report import VerifyReport
from eucora.cli.audit import verify_all
from eucora.cli.client import ApiClient
from eucora.demo.ledgers import Effect, Fleet, duplicated, missing_effects
from eucora.signing.keys import public_key_base64
from eucora.stack import FleetPlan, Folder, Stack, StackInfo, supervisor
from eucora.stack.ports import PREFERRED
from eucora.stack.postgres import ADMIN
from tests.evidence.builders import VENDOR_KEY, Case, as_bytes
from workflows.ids import deployment_workflow_id

ROOT = Path(__file__).resolve().parents[2]
KEYED, NAIVE = "sim-windows", "sim-mac"
PLAN = FleetPlan(planes={KEYED: "keyed", NAIVE: "naive"}, devices=240, seed=7)
RINGS = ("LAB", "CANARY", "PILOT")
BOARD = ("cab-anna", "cab-ben")
AUTOMATED = {
    "privilege_impact": "user_context_no_elevation",
    "exploitability": "no_listeners_no_scripting",
    "data_access": "scoped_to_app_directory",
    "operational_complexity": "online_no_reboot_lt_5min",
}
"""What the author vouches for so that no board is asked."""
PROMPT: dict[str, Any] = {
    "latency": [0.05, 0.2],
    "uninstall_latency": [0.05, 0.2],
    "attempt_failure_rate": 0.0,
    "offline": {},
}
"""Devices that are always online, never fail and answer at once."""
FINAL = frozenset({"COMPLETED", "REJECTED", "ROLLED_BACK", "FAILED", "CANCELLED"})
SECONDS = 120.0

Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], *, seconds: float = SECONDS) -> Found:
    """What ``look`` finds, once it finds anything. The only place of these tests that waits for time to pass."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not there after {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return found


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the development identity provider, over a connection of their own for each call."""

    http: httpx.Client
    token: str

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.http.get(path, params=params, headers=self._headers(None))

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        return self.http.post(path, json=body, headers=self._headers(key))

    def upload(self, path: str, content: bytes) -> None:
        self.http.post(path, content=content, headers=self._headers(None)).raise_for_status()

    def _headers(self, key: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **({} if key is None else {"Idempotency-Key": key})}


@dataclass
class Live:
    """The running stack, and how tests act on it and look at it."""

    stack: Stack
    http: httpx.Client
    engine: httpx.Client
    """Temporal's own HTTP API: what the engine says is no word of ours."""
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def info(self) -> StackInfo:
        return self.stack.info

    # -- people ------------------------------------------------------------------------------------------------------

    def as_(self, actor: str) -> Person:
        if actor not in self._tokens:
            answer = self.http.post("/auth/login", json={"user": actor})
            answer.raise_for_status()
            self._tokens[actor] = answer.json()["token"]
        return Person(self.http, self._tokens[actor])

    @property
    def petra(self) -> Person:
        """Who submits and controls."""
        return self.as_("publisher-petra")

    def request(self, application: str, *, board: bool = False, rings: tuple[str, ...] = RINGS[:2]) -> dict[str, Any]:
        """Seal evidence of ``application``; the body that submits it to two devices of each plane in each ring.

        With ``board`` nobody vouches for anything, so the CAB is asked before CANARY.
        """
        case, author = Case(), self.as_("packager-pia")
        author.upload("/evidence/artifacts", case.artifact)
        for document in (case.sbom, case.scan):
            author.upload("/evidence/documents", as_bytes(document))
        draft = {
            **case.document(),
            "attestations": {} if board else AUTOMATED,
            "rollout_plan": {"planes": [KEYED, NAIVE], "target_ring": rings[-1]},
            "rollback_plan": {
                "strategies": [{"plane": plane, "strategy": "assignment_remove"} for plane in (KEYED, NAIVE)],
                "target_version": "1.2.0",
                "steps": ["take it off again"],
            },
        }
        draft["application"] = {**draft["application"], "name": application}
        sealed = author.post("/evidence", draft, key=str(uuid4()))
        assert sealed.status_code == HTTPStatus.CREATED, sealed.text
        return {
            "evidence_pack": sealed.json()["pack_digest"],
            "rings": {
                ring: {
                    "targets": [
                        {"plane": plane, "cohort": {"group": ring.lower(), "take": 2}} for plane in (KEYED, NAIVE)
                    ]
                }
                for ring in rings
            },
            "target_ring": rings[-1],
            "gate_policy": "demo",
        }

    def begin(self, application: str, *, profile: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Submit ``application``, whose devices behave by ``profile``; its deployment's id."""
        self.behave(application, **(profile or {}))
        answer = self.petra.post("/deployments", self.request(application, **options), key=str(uuid4()))
        assert answer.status_code in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED), answer.text
        return str(answer.json()["deployment_id"])

    def vote(self, deployment: str, actor: str, *, ring: int = 1, key: str | None = None) -> httpx.Response:
        """Approve on the pack that the review shows."""
        review = self.review(deployment, ring=ring)
        body = {"pack_digest": review["evidence_pack"], "comment": "yes"}
        return self.as_(actor).post(f"/cab/{review['id']}/approve", body, key=key)

    # -- looking -----------------------------------------------------------------------------------------------------

    def view(self, deployment: str) -> dict[str, Any] | None:
        """The deployment; None while it is not recorded or the API cannot say."""
        answer = self.as_("auditor-ava").get(f"/deployments/{deployment}")
        return dict(answer.json()) if answer.status_code == HTTPStatus.OK else None

    def until(self, deployment: str, state: str) -> dict[str, Any]:
        """The deployment in that state; fails when it ends in another."""

        def look() -> dict[str, Any] | None:
            view = self.view(deployment)
            if view is not None and view["state"] in FINAL - {state}:
                pytest.fail(f"{deployment} ended {view['state']}, not {state}: {view['reason']}")
            return view if view is not None and view["state"] == state else None

        return wait_for(f"{deployment} {state}", look)

    def review(self, deployment: str, *, ring: int = 1) -> dict[str, Any]:
        """The review before the ring of that order, once it takes votes."""

        def look() -> dict[str, Any] | None:
            answer = self.as_("cab-anna").get(f"/cab/{deployment}.{ring}")
            return dict(answer.json()) if answer.is_success and answer.json()["status"] == "open" else None

        return wait_for(f"the review of {deployment}", look)

    def events(self, deployment: str, *types: str) -> list[dict[str, Any]]:
        """The deployment's facts of those types, or all."""
        answer = self.as_("auditor-ava").get(f"/deployments/{deployment}/events", limit=1000)
        answer.raise_for_status()
        return [event for event in answer.json()["items"] if not types or event["type"] in types]

    def reached(self, deployment: str, kind: str, ring: str, *, plane: str = "") -> None:
        """Return once a fact of that type is recorded of the ring, and of the plane when one is named."""

        def look() -> list[dict[str, Any]]:
            facts = self.events(deployment, kind)
            return [fact for fact in facts if fact["ring"] == ring and plane in ("", fact["plane"])]

        wait_for(f"{kind} of {ring} {plane}", look)

    def rows(self, query: str, *values: str) -> list[dict[str, Any]]:
        """What the database holds, whatever the API says of it."""
        with psycopg.connect(self.stack.database_url(ADMIN), row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def execution(self, deployment: str) -> dict[str, Any]:
        """What Temporal says of the deployment's workflow."""
        answer = self.engine.get(f"/workflows/{deployment_workflow_id(deployment)}")
        answer.raise_for_status()
        return dict(answer.json())

    def failing(self, deployment: str) -> set[str]:
        """Types of the failures for which activities of the deployment are being tried again."""
        failures = (one.get("lastFailure", {}) for one in self.execution(deployment).get("pendingActivities", ()))
        return {kind for one in failures if (kind := one.get("applicationFailureInfo", {}).get("type"))} - {"not_yet"}

    def history(self, deployment: str) -> list[dict[str, Any]]:
        """Temporal's history of the deployment's workflow, at most its first thousand events."""
        path = f"/workflows/{deployment_workflow_id(deployment)}/history"
        answer = self.engine.get(path, params={"maximumPageSize": 1000})
        answer.raise_for_status()
        return list(answer.json()["history"]["events"])

    def verify(self) -> VerifyReport:
        """Hash and decide the whole record again, from an export."""
        auditor = self.as_("auditor-ava")
        with ApiClient(self.info.urls["api"], token=lambda _refused: auditor.token) as client:
            return verify_all(client)

    # -- the fleet ---------------------------------------------------------------------------------------------------

    def behave(self, application: str, **profile: Any) -> None:
        """How the devices take ``application``; without more, promptly and well."""
        answer = self._control("PUT", f"/profiles/{application}", json={**PROMPT, **profile})
        answer.raise_for_status()

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Switch these faults on, and those before them off."""
        self._control("PUT", "/faults", json={"faults": list(faults)}).raise_for_status()

    def waiting_faults(self) -> list[dict[str, Any]]:
        """The faults that have not struck yet."""
        answer = self._control("GET", "/faults")
        answer.raise_for_status()
        return list(answer.json()["faults"])

    def received(self, deployment: str, *, plane: str, action: str) -> list[dict[str, Any]]:
        """Entries of the ledger about calls that were received, applied or not."""
        answer = self._control("GET", "/ledger", params={"deployment": deployment, "plane": plane})
        answer.raise_for_status()
        return [entry for entry in answer.json()["entries"] if entry["action"] == action]

    def effects(self, deployment: str) -> list[Effect]:
        """What the fleet applied of a deployment, and how often."""
        with closing(Fleet(self.info.urls["fleet"])) as fleet:
            return fleet.effects(deployment)

    def duplicates(self) -> int:
        """Effects of any deployment that were applied more than once, as the fleet itself counts them."""
        with closing(Fleet(self.info.urls["fleet"])) as fleet:
            return fleet.duplicates()

    def applied(self, deployment: str, plane: str, action: str) -> None:
        """Return once the ledger has a call of that kind."""
        wait_for(f"{action} on {plane}", lambda: self.received(deployment, plane=plane, action=action))

    def amiss(self, deployment: str, *, rings: tuple[str, ...] = RINGS[:2]) -> list[str]:
        """What the ledger shows of a complete rollout that took place twice, or not at all."""
        effects = self.effects(deployment)
        twice = [f"{one.ring}/{one.plane}/{one.operation} {one.applied} times" for one in duplicated(effects)]
        return twice + missing_effects(effects, rings=dict.fromkeys(rings, (KEYED, NAIVE)))

    def _control(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"{self.info.urls['fleet']}/control{path}", trust_env=False, timeout=30, **options)

    # -- breaking ----------------------------------------------------------------------------------------------------

    @contextmanager
    def without(self, *services: str) -> Iterator[None]:
        """SIGKILL those services, and start them again when the body is done."""
        for name in services:
            self.stack.kill(name)
        try:
            yield
        finally:
            for name in services:
                self.stack.restart(name)

    def ask_worker_to_end(self) -> int:
        """SIGTERM the worker, and return its exit status."""
        child = self.stack._processes.get("worker")
        assert child is not None
        os.kill(child.pid, signal.SIGTERM)
        return child.process.wait(timeout=SECONDS)


@contextmanager
def running(
    root: Path, *, preferred: Mapping[str, int] | None = None, say: Callable[[str], None] = lambda _sentence: None
) -> Iterator[Live]:
    """The whole stack in ``root``, on the preferred ports or else any, whatever this shell points at."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "EUCORA_DATABASE_OWNER_URL", "TEMPORAL_ADDRESS"):
            patch.delenv(name, raising=False)
        patch.setattr(supervisor, "PREFERRED", preferred or dict.fromkeys(PREFERRED, 0))
        signers = root / "trusted-signers.json"
        signers.write_text(json.dumps({"signers": [{"public_key": public_key_base64(VENDOR_KEY), "vendor": "Acme"}]}))
        environment = {
            "PYTHONPATH": str(ROOT),
            "EUCORA_TRUSTED_SIGNERS_FILE": str(signers),
            "EUCORA_TEMPORAL_WAIT_SECONDS": "2",
            "EUCORA_FLEET_TIMEOUT_SECONDS": "200",  # an answer that a fault delays is waited for
        }
        with Stack(root, fleet=PLAN, environment=environment) as stack:
            info = stack.start(say)
            no_reuse = httpx.Limits(max_keepalive_connections=0)  # who is killed leaves no half-open connections
            options: dict[str, Any] = {"trust_env": False, "timeout": 60, "limits": no_reuse}
            engine = f"http://127.0.0.1:{info.ports['temporal-http']}/api/v1/namespaces/default"
            with (
                httpx.Client(base_url=f"{info.urls['api']}/api/v1", **options) as http,
                httpx.Client(base_url=engine, **options) as engine_http,
            ):
                yield Live(stack=stack, http=http, engine=engine_http)


def started(history: list[dict[str, Any]], activity: str, *, queue: str = "") -> Counter[int]:
    """At which attempt each activity of that type was done, on ``queue`` or on all: attempt to how many."""
    scheduled = {
        event["eventId"]: event["activityTaskScheduledEventAttributes"]
        for event in history
        if "activityTaskScheduledEventAttributes" in event
    }
    wanted = {
        number
        for number, one in scheduled.items()
        if one["activityType"]["name"] == activity and queue in ("", one["taskQueue"]["name"])
    }
    found = (event.get("activityTaskStartedEventAttributes", {}) for event in history)
    return Counter(int(one["attempt"]) for one in found if one.get("scheduledEventId") in wanted)


def log_of(folder: Folder, service: str) -> str:
    """What a service has written since the stack started."""
    return folder.log(service).read_text(encoding="utf-8", errors="replace")
