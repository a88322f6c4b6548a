"""Evidence through the API: uploads, packs, and what is wrong with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eucora.settings import Settings
from tests.api.service import Service, problem, serve
from tests.evidence.builders import Case, trivy, vulnerability


async def test_an_artifact_is_stored_by_its_sha256_and_comes_back_byte_for_byte(service: Service) -> None:
    pia, content = service.as_("packager-pia"), bytes(range(256)) * 5000
    sha256 = hashlib.sha256(content).hexdigest()
    for _ in range(2):
        answer = await pia.request("POST", "/evidence/artifacts", content=content)
        assert (answer.status_code, answer.json()) == (201, {"sha256": sha256, "size": len(content)})
    answer = await service.as_("auditor-ava").get(f"/evidence/artifacts/{sha256}")
    assert answer.content == content
    assert answer.headers["etag"] == f'"{sha256}"'


async def test_an_artifact_whose_sha256_differs_is_refused(service: Service) -> None:
    pia, sha256 = service.as_("packager-pia"), hashlib.sha256(b"what was meant").hexdigest()
    answer = await pia.put(f"/evidence/artifacts/{sha256}", b"what came")
    assert problem(answer) == (422, "artifact_sha256_differs", "sha256")
    assert (await pia.put(f"/evidence/artifacts/{sha256}", b"what was meant")).status_code == 201


async def test_an_artifact_that_nobody_uploaded_is_not_found(service: Service) -> None:
    answer = await service.as_("auditor-ava").get(f"/evidence/artifacts/{'0' * 64}")
    assert problem(answer) == (404, "blob_not_found", "sha256")


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1024


@pytest.mark.parametrize("declared", [True, False])
async def test_an_artifact_over_the_limit_is_refused_declared_or_not(settings: Settings, declared: bool) -> None:
    async with serve(settings.model_copy(update={"artifact_size_limit_bytes": 64 * 1024})) as service:
        content: Any = b"x" * (64 * 1024 + 1) if declared else chunks(65)
        answer = await service.as_("packager-pia").request("POST", "/evidence/artifacts", content=content)
        assert problem(answer) == (413, "body_too_large", None)
        assert (await service.as_("packager-pia").request("POST", "/evidence/artifacts", content=chunks(64))).is_success


async def test_a_pack_is_sealed_by_its_author_and_can_be_read(service: Service) -> None:
    answer = await service.as_("packager-pia").draft()
    assert answer.status_code == 201, answer.text
    sealed = answer.json()
    assert (sealed["author"], sealed["version"], sealed["blockers"]) == ("packager-pia", 1, [])
    assert sealed["pack"]["artifact"]["signing"]["result"] == "signed_known_vendor"
    read = await service.as_("cab-anna").get(f"/evidence/{sealed['pack_digest']}")
    assert read.json() == sealed
    assert answer.headers["location"] == f"/api/v1/evidence/{sealed['pack_digest']}"
    canonical = json.dumps(sealed["pack"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(canonical).hexdigest() == sealed["pack_digest"]


async def test_the_same_key_and_draft_give_the_same_pack_and_another_draft_is_a_conflict(service: Service) -> None:
    pia = service.as_("packager-pia")
    first, second = await pia.draft(key="k1"), await pia.draft(key="k1")
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    changed = await pia.draft(key="k1", attestations={"privilege_impact": "user_context_no_elevation"})
    assert problem(changed) == (409, "idempotency_key_reused", "Idempotency-Key")
    other = await service.as_("packager-paul").draft(key="k1")
    assert other.status_code == 201, "keys of different people have nothing to do with each other"
    assert other.json()["pack_digest"] != first.json()["pack_digest"]


async def test_a_refused_draft_can_be_mended_under_the_same_key(service: Service) -> None:
    pia = service.as_("packager-pia")
    assert problem(await pia.draft(key="k1", application={}))[1] == "evidence_incomplete"
    assert (await pia.draft(key="k1")).status_code == 201


async def test_the_authors_attestations_are_part_of_the_pack(service: Service) -> None:
    answer = await service.as_("packager-pia").draft(attestations={"exploitability": "no_listeners_no_scripting"})
    assert answer.json()["pack"]["attestations"] == [{"factor": "exploitability", "row": "no_listeners_no_scripting"}]


async def test_what_blocks_a_deployment_is_said_when_the_pack_is_sealed(service: Service) -> None:
    case = Case(scan=trivy(vulnerability(severity="CRITICAL")))
    answer = await service.as_("packager-pia").draft(case)
    assert [blocker["code"] for blocker in answer.json()["blockers"]] == ["critical_finding"]


APPLICATION = Case().document()["application"]
ARTIFACT = Case().document()["artifact"]
BAD: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "an unknown field": ({"colour": "red"}, 422, "unknown_field", "colour"),
    "an unknown field within": ({"application": {**APPLICATION, "risk": 1}}, 422, "unknown_field", "application.risk"),
    "nothing at all": (
        {"application": {}, "artifact": {}, "sbom": {}},
        422,
        "evidence_incomplete",
        "application.name",
    ),
    "a malformed version": (
        {"application": {**APPLICATION, "version": "1.0 beta!"}},
        422,
        "version_malformed",
        "application.version",
    ),
    "an artifact that is not there": (
        {"artifact": {**ARTIFACT, "sha256": "0" * 64, "signature": None}},
        422,
        "artifact_unknown",
        "artifact.sha256",
    ),
    "an artifact of another size": (
        {"artifact": {**ARTIFACT, "size": 1}},
        422,
        "artifact_size_differs",
        "artifact.size",
    ),
    "a signature of another artifact": (
        {"artifact": {**ARTIFACT, "signature": {**ARTIFACT["signature"], "artifact_sha256": "0" * 64}}},
        422,
        "signature_invalid",
        "artifact.signature.artifact_sha256",
    ),
    "an SBOM that is not there": (
        {"sbom": {"kind": "cyclonedx", "sha256": "0" * 64}},
        422,
        "sbom_unknown",
        "sbom.sha256",
    ),
    "an exception that is not in force": (
        {"exceptions": ["exc-7"]},
        422,
        "exception_not_in_force",
        "exceptions[0]",
    ),
    "an attestation of no factor": (
        {"attestations": {"beauty": "high"}},
        422,
        "invalid_factor_input",
        "attestations.beauty",
    ),
    "an attestation of no row": (
        {"attestations": {"privilege_impact": "none_at_all"}},
        422,
        "invalid_factor_input",
        "attestations.privilege_impact",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_draft_is_refused_at_its_field(service: Service, case: str) -> None:
    changes, *expected = BAD[case]
    assert problem(await service.as_("packager-pia").draft(**changes)) == tuple(expected)


async def test_an_sbom_that_is_none_is_refused_at_its_field(service: Service) -> None:
    answer = await service.as_("packager-pia").draft(Case(sbom={"hello": "world"}))
    status, code, field = problem(answer)
    assert (status, code) == (422, "sbom_invalid")
    assert field is not None
    assert field.startswith("sbom.sha256")


async def test_a_pack_that_nobody_sealed_is_not_found(service: Service) -> None:
    answer = await service.as_("cab-anna").get(f"/evidence/{'0' * 64}")
    assert problem(answer) == (404, "pack_not_found", "pack_digest")
