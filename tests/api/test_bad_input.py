"""One row for each bad input: status, stable code, and the field at fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eucora.settings import Settings
from tests.api.service import Service, deployment_request, problem, serve, world
from tests.domain.world import World
from tests.evidence.builders import Case, trivy, vulnerability
from tests.store.histories import to_review

PETRA = "publisher-petra"


def cohort(value: dict[str, Any], plane: str = "ansible") -> dict[str, Any]:
    """Rings up to CANARY, CANARY with this cohort."""
    lab = {"targets": [{"plane": "ansible", "cohort": {"group": "lab", "take": 1}}]}
    return {
        "target_ring": "CANARY",
        "rings": {"LAB": lab, "CANARY": {"targets": [{"plane": plane, "cohort": value}]}},
    }


FIRST = "rings.CANARY.targets[0]"
BAD: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "an unknown field": ({"colour": "red"}, 422, "unknown_field", "colour"),
    "an unknown field within": (cohort({"group": "lab", "all": True}), 422, "unknown_field", f"{FIRST}.cohort.all"),
    "no rings": ({"rings": {}}, 422, "field_invalid", "rings"),
    "rings left out": ({"rings": None}, 422, "field_invalid", "rings"),
    "an unknown ring": ({"target_ring": "MOON"}, 422, "unknown_ring", "target_ring"),
    "an unknown plane": (cohort({"group": "lab"}, "moon"), 422, "unknown_plane", f"{FIRST}.plane"),
    "an empty cohort": (cohort({}), 422, "cohort_empty", f"{FIRST}.cohort"),
    "a cohort of nothing": (cohort({"group": "lab", "take": 0}), 422, "field_invalid", f"{FIRST}.cohort.take"),
    "a cohort twice over": (cohort({"group": "lab", "devices": ["d"]}), 422, "cohort_ambiguous", f"{FIRST}.cohort"),
    "a digest that is none": ({"evidence_pack": "newest"}, 422, "field_invalid", "evidence_pack"),
    "a digest that does not exist": ({"evidence_pack": "0" * 64}, 422, "evidence_unknown", "evidence_pack"),
    "an unknown gate policy": ({"gate_policy": "lax"}, 422, "unknown_gate_policy", "gate_policy"),
    "an unknown preset": ({"checkpoints": "none"}, 422, "unknown_checkpoint_preset", "checkpoints"),
    "an unknown strategy": ({"rollback": {"ansible": "pray"}}, 422, "field_invalid", "rollback.ansible"),
    "urgency without a reason": ({"urgent": True}, 422, "urgency_without_justification", "urgent_justification"),
    "a declared factor that is none": ({"risk": {"beauty": "high"}}, 422, "invalid_factor_input", "risk.beauty"),
    "a declared row that is none": (
        {"risk": {"data_access": "some"}},
        422,
        "invalid_factor_input",
        "risk.data_access",
    ),
    "a text with control characters": (
        {"urgent": True, "urgent_justification": "a\u0000b"},
        422,
        "field_invalid",
        "urgent_justification",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_submission_is_refused_at_its_field(service: Service, case: str) -> None:
    changes, *expected = BAD[case]
    pack = await service.as_("packager-pia").seal()
    answer = await service.as_(PETRA).post("/deployments", deployment_request(pack, **changes), key=True)
    assert problem(answer) == tuple(expected)
    assert (await service.as_(PETRA).get("/deployments")).json()["items"] == [], "nothing was half-written"


async def test_every_field_at_fault_is_named(service: Service) -> None:
    request = deployment_request("x", colour="red", urgent="perhaps")
    answer = await service.as_(PETRA).post("/deployments", request, key=True)
    assert [error["field"] for error in answer.json()["errors"]] == ["evidence_pack", "urgent", "colour"]


async def test_an_unsigned_or_vulnerable_release_is_refused(service: Service) -> None:
    pia = service.as_("packager-pia")
    vulnerable = await pia.seal(Case(scan=trivy(vulnerability(severity="CRITICAL"))))
    answer = await service.as_(PETRA).post("/deployments", deployment_request(vulnerable), key=True)
    assert problem(answer) == (422, "critical_finding", "evidence_pack.vulnerability_scan.blocking")
    artifact = {**Case().document()["artifact"], "signature": None}
    unsigned = await pia.seal(artifact=artifact)
    answer = await service.as_(PETRA).post("/deployments", deployment_request(unsigned), key=True)
    assert problem(answer) == (422, "artifact_unsigned", "evidence_pack.artifact.signing")


async def test_the_author_of_the_pack_cannot_submit_it(service: Service) -> None:
    pia = service.as_("packager-pia")
    answer = await pia.post("/deployments", deployment_request(await pia.seal()), key=True)
    assert problem(answer) == (409, "separation_of_duties", "evidence_pack")


async def test_a_submission_needs_an_idempotency_key(service: Service) -> None:
    answer = await service.as_(PETRA).post("/deployments", deployment_request("0" * 64))
    assert problem(answer) == (422, "idempotency_key_missing", "Idempotency-Key")
    answer = await service.as_("packager-pia").post("/evidence", Case().document())
    assert problem(answer) == (422, "idempotency_key_missing", "Idempotency-Key")


@pytest.mark.parametrize("key", ["k" * 256, "two words", "\u00fc"])
async def test_a_malformed_idempotency_key_is_refused(service: Service, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    answer = await service.as_(PETRA).post("/deployments", deployment_request("0" * 64), headers=headers)
    assert problem(answer) == (422, "idempotency_key_malformed", "Idempotency-Key")


@pytest.mark.parametrize("given", ["mine", "", "00000000-0000-4000-8000-00000000000g", "{0}" * 9])
async def test_a_bad_correlation_id_is_refused(service: Service, given: str) -> None:
    answer = await service.as_(PETRA).get("/deployments", headers={"X-Correlation-ID": given})
    assert problem(answer) == (422, "correlation_id_invalid", "X-Correlation-ID")


async def test_a_correlation_id_of_another_deployment_is_a_conflict(service: Service) -> None:
    deployed = world()
    await service.record(deployed)
    pack = await service.as_("packager-pia").seal()
    answer = await service.as_(PETRA).post(
        "/deployments",
        deployment_request(pack),
        key=True,
        headers={"X-Correlation-ID": deployed.plan.correlation_id},
    )
    assert problem(answer) == (409, "correlation_id_taken", "X-Correlation-ID")


async def test_a_correlation_id_of_another_request_is_a_conflict(service: Service) -> None:
    pack = await service.as_("packager-pia").seal()
    headers = {"X-Correlation-ID": "11111111-2222-4333-8444-555555555555"}
    petra, request = service.as_(PETRA), deployment_request(pack)
    assert (await petra.post("/deployments", request, key="k1", headers=headers)).status_code == 503
    answer = await petra.post("/deployments", request, key="k2", headers=headers)
    assert problem(answer) == (409, "correlation_id_taken", "X-Correlation-ID")


async def test_the_same_key_with_another_body_is_a_conflict(service: Service) -> None:
    pack = await service.as_("packager-pia").seal()
    petra = service.as_(PETRA)
    assert (await petra.post("/deployments", deployment_request(pack), key="k1")).status_code == 503
    answer = await petra.post("/deployments", deployment_request(pack, checkpoints="every_ring"), key="k1")
    assert problem(answer) == (409, "idempotency_key_reused", "Idempotency-Key")


async def test_a_risk_score_of_the_caller_is_ignored(service: Service) -> None:
    pack = await service.as_("packager-pia").seal()
    petra = service.as_(PETRA)
    for score in (1, "none", None):
        answer = await petra.post("/deployments", deployment_request(pack, risk_score=score), key="k1")
        assert problem(answer)[1] == "temporal_unavailable", "it is neither refused nor part of the request"


async def body(size: int) -> AsyncIterator[bytes]:
    yield b'{"why": "'
    for _ in range(size):
        yield b"x"
    yield b'"}'


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_declared_or_not(settings: Settings, declared: bool) -> None:
    async with serve(settings.model_copy(update={"body_limit_bytes": 2048})) as service:
        content: Any = b'{"why": "' + b"x" * 2048 + b'"}' if declared else body(2048)
        answer = await service.as_(PETRA).request("POST", "/deployments", content=content, key=True)
        assert problem(answer) == (413, "body_too_large", None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"why": NaN'])
async def test_a_body_that_is_no_json_object_is_refused(service: Service, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await service.as_(PETRA).request("POST", "/deployments", content=content, headers=headers, key=True)
    status, code, _ = problem(answer)
    assert status == 422
    assert code in ("json_malformed", "field_invalid", "field_missing")


@pytest.mark.parametrize(
    ("parameters", "code", "field"),
    [
        ({"limit": "0"}, "field_invalid", "limit"),
        ({"limit": "1001"}, "field_invalid", "limit"),
        ({"limit": "many"}, "field_invalid", "limit"),
        ({"cursor": "nonsense"}, "invalid_cursor", "cursor"),
        ({"state": "ASLEEP"}, "field_invalid", "state[0]"),
        ({"created_from": "2026-01-01T00:00:00"}, "field_invalid", "created_from"),
    ],
)
async def test_a_bad_filter_is_refused_at_its_parameter(
    service: Service, parameters: dict[str, str], code: str, field: str
) -> None:
    answer = await service.as_(PETRA).get("/deployments", params=parameters)
    assert problem(answer) == (422, code, field)


async def test_what_does_not_exist_is_not_found(service: Service) -> None:
    nothing = "00000000-0000-8000-8000-000000000009"
    petra = service.as_(PETRA)
    assert problem(await petra.get(f"/deployments/{nothing}")) == (404, "deployment_not_found", None)
    assert problem(await petra.get(f"/deployments/{nothing}/events")) == (404, "deployment_not_found", None)
    answer = await petra.post(f"/deployments/{nothing}/hold", {"why": "wait"})
    assert problem(answer) == (404, "deployment_not_found", None)
    assert problem(await petra.get(f"/cab/{nothing}.1")) == (404, "cab_request_not_found", None)
    assert problem(await petra.get("/nowhere")) == (404, "path_not_found", None)
    assert problem(await petra.request("DELETE", "/deployments")) == (405, "method_not_allowed", None)
    assert problem(await petra.get("/policy/risk-model", params={"name": "v0"})) == (404, "risk_model_unknown", None)


@pytest.mark.parametrize("control", ["hold", "release", "promote", "retry", "skip-soak", "roll-back", "cancel"])
@pytest.mark.parametrize("why", [None, "", "   ", "x" * 2001])
async def test_a_control_needs_a_reason(service: Service, control: str, why: str | None) -> None:
    deployment_id = await service.record(reviewed())
    actor = "ops-olga" if control == "retry" else PETRA
    body = {} if why is None else {"why": why}
    answer = await service.as_(actor).post(f"/deployments/{deployment_id}/{control}", body)
    assert problem(answer) == (422, "field_missing" if why is None else "field_invalid", "why")


def reviewed(number: int = 1) -> World:
    """A deployment whose first review takes votes."""
    made = world(number, rings=3)
    to_review(made)
    return made


VOTES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no digest": ({}, "field_missing", "pack_digest"),
    "a digest that is none": ({"pack_digest": "newest"}, "field_invalid", "pack_digest"),
    "a percentage over 100": (
        {"pack_digest": "1" * 64, "conditions": {"min_success_rate": 101}},
        "field_invalid",
        "conditions.min_success_rate",
    ),
    "a time without a zone": (
        {"pack_digest": "1" * 64, "conditions": {"not_after": "2026-01-01T00:00:00"}},
        "field_invalid",
        "conditions.not_after",
    ),
    "a ring that is none": (
        {"pack_digest": "1" * 64, "conditions": {"max_ring": "MOON"}},
        "unknown_ring",
        "conditions.max_ring",
    ),
    "a condition that no machine knows": (
        {"pack_digest": "1" * 64, "conditions": {"full_moon": True}},
        "unknown_field",
        "conditions.full_moon",
    ),
}


@pytest.mark.parametrize("case", VOTES)
async def test_a_bad_vote_is_refused_at_its_field(service: Service, case: str) -> None:
    deployment_id = await service.record(reviewed())
    body, code, field = VOTES[case]
    answer = await service.as_("cab-anna").post(f"/cab/{deployment_id}.1/approve", body)
    assert problem(answer) == (422, code, field)


async def test_a_rejection_says_why(service: Service) -> None:
    deployment_id = await service.record(reviewed())
    answer = await service.as_("cab-anna").post(f"/cab/{deployment_id}.1/reject", {"pack_digest": "1" * 64})
    assert problem(answer) == (422, "field_missing", "comment")
