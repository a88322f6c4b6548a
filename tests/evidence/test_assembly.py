"""Assembling checks everything on the stored bytes, and each refusal has its own code and field."""

from collections.abc import Callable
from typing import Any

import pytest

from eucora.domain.errors import InvalidInput
from eucora.domain.risk.evidence import Provenance, Signing
from eucora.evidence.assembly import DOCUMENT_LIMIT
from eucora.evidence.canonical import sha256_hex
from eucora.evidence.errors import EvidenceIncomplete, EvidenceInvalid
from eucora.evidence.findings import MalwareResult
from eucora.evidence.pack import blockers
from eucora.evidence.sections import DEFAULT_EXIT_CODES, ScanDecision
from eucora.ports.blobs import BlobCorrupt
from eucora.signing.detached import sign_artifact
from tests.evidence.builders import (
    ARTIFACT,
    AUTHOR,
    NOW,
    SBOM,
    SELF_MADE_KEY,
    VENDOR_KEY,
    Case,
    as_bytes,
    shared,
    trivy,
    unsigned_exception,
    vulnerability,
    vulnerability_exception,
)

ABSENT = "0" * 64


async def refusal(case: Case, document: dict[str, Any] | None = None) -> tuple[str, str | None]:
    with pytest.raises(EvidenceInvalid) as refused:
        await case.assemble(document)
    assert refused.value.sentence
    return refused.value.code, refused.value.field


def changed(change: Callable[[dict[str, Any]], None], case: Case | None = None) -> dict[str, Any]:
    document = (case or Case()).document()
    change(document)
    return document


async def test_a_draft_that_holds_becomes_version_one_of_a_pack() -> None:
    pack = await Case().assemble()
    assert (pack.artifact.sha256, pack.artifact.size) == (sha256_hex(ARTIFACT), len(ARTIFACT))
    assert (pack.artifact.signing.result, pack.artifact.signing.vendor) == (Signing.SIGNED_KNOWN_VENDOR, "Acme")
    assert (pack.sbom.component_count, pack.sbom.licences) == (1, ("MIT",))
    assert pack.vulnerability_scan.decision is ScanDecision.PASS
    assert pack.vulnerability_scan.malware.result is MalwareResult.NOT_SCANNED
    assert pack.installation.exit_codes == DEFAULT_EXIT_CODES
    metadata = pack.metadata
    assert (metadata.pack_version, metadata.author, metadata.sealed_at) == (1, AUTHOR, NOW)
    assert (metadata.retention_days, metadata.previous_pack_digest) == (2555, None)
    assert blockers(pack) == []


async def test_real_documents_become_a_pack() -> None:
    case = Case(sbom=shared("sboms/cyclonedx-dropwizard-1.3.15.json"), scan=shared("scans/trivy-ubuntu-vm.json"))
    pack = await case.assemble()
    assert pack.sbom.component_count == 167
    assert [finding.id for finding in pack.vulnerability_scan.blocking] == ["CVE-2022-3715"]
    assert pack.vulnerability_scan.decision is ScanDecision.FAIL


async def test_an_incomplete_draft_names_everything_that_is_missing() -> None:
    def without(document: dict[str, Any]) -> None:
        del document["application"]["vendor"], document["sbom"]

    with pytest.raises(EvidenceIncomplete) as refused:
        await Case().assemble(changed(without))
    assert refused.value.missing == ("application.vendor", "sbom.kind", "sbom.sha256")
    assert (refused.value.code, refused.value.field) == ("evidence_incomplete", "application.vendor")
    assert isinstance(refused.value, InvalidInput)


@pytest.mark.parametrize(
    ("section", "field", "value", "code"),
    [
        ("artifact", "sha256", ABSENT, "artifact_unknown"),
        ("artifact", "size", len(ARTIFACT) + 1, "artifact_size_differs"),
        ("sbom", "sha256", ABSENT, "sbom_unknown"),
        ("sbom", "kind", "spdx", "sbom_invalid"),
        ("sbom", "sha256", sha256_hex(ARTIFACT), "sbom_invalid"),
        ("vulnerability_scan", "sha256", ABSENT, "scan_unknown"),
        ("vulnerability_scan", "sha256", sha256_hex(as_bytes(SBOM)), "scan_invalid"),
        ("application", "version", "one two", "version_malformed"),
        ("application", "version", "../1", "version_malformed"),
        ("application", "version", ".1", "version_malformed"),
        ("application", "version", "1" * 129, "version_malformed"),
        ("rollback_plan", "target_version", "?", "version_malformed"),
    ],
)
async def test_each_wrong_reference_has_its_own_code(section: str, field: str, value: Any, code: str) -> None:
    document = Case().document()
    document[section][field] = value
    named = "sbom.sha256" if field == "kind" else f"{section}.{field}"
    if section == "artifact" and field == "sha256":
        del document["artifact"]["signature"]
    assert await refusal(Case(), document) == (code, named)


async def test_an_error_inside_a_document_is_named_by_field_and_json_pointer() -> None:
    broken = shared("sboms/broken/cyclonedx-bad-licence-expression.json")
    assert await refusal(Case(sbom=broken)) == ("sbom_invalid", "sbom.sha256#/components/0/licenses/0/expression")
    scan = trivy(vulnerability(severity=7))  # type: ignore[arg-type]
    assert await refusal(Case(scan=scan)) == (
        "scan_invalid",
        "vulnerability_scan.sha256#/Results/0/Vulnerabilities/0/Severity",
    )


async def test_a_document_over_the_limit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DOCUMENT_LIMIT == 64 * 1024 * 1024
    monkeypatch.setattr("eucora.evidence.assembly.DOCUMENT_LIMIT", len(as_bytes(SBOM)) - 1)
    assert await refusal(Case()) == ("document_too_large", "sbom.sha256")


async def test_an_artifact_that_changed_in_the_store_is_never_sealed() -> None:
    case = Case()
    await case.blobs.put_bytes(ARTIFACT)
    case.blobs.damage(case.artifact_sha256, b"the bytes of a WHEEL")
    with pytest.raises(BlobCorrupt):
        await case.assemble()


async def test_an_unsigned_artifact_is_sealed_as_such_and_blocks() -> None:
    pack = await Case().assemble(changed(lambda document: document["artifact"].pop("signature")))
    assert pack.artifact.signing.result is Signing.UNSIGNED
    assert [blocker.code for blocker in blockers(pack)] == ["artifact_unsigned"]


async def test_a_key_that_nobody_vouches_for_blocks_like_no_signature() -> None:
    own = sign_artifact(SELF_MADE_KEY, artifact_sha256=sha256_hex(ARTIFACT)).model_dump()
    pack = await Case().assemble(changed(lambda document: document["artifact"].update(signature=own)))
    assert pack.artifact.signing.result is Signing.SELF_SIGNED
    assert [blocker.code for blocker in blockers(pack)] == ["artifact_unsigned"]


async def test_a_signature_over_other_bytes_is_refused() -> None:
    other = sign_artifact(VENDOR_KEY, artifact_sha256=ABSENT).model_dump()
    document = changed(lambda draft: draft["artifact"].update(signature=other))
    assert await refusal(Case(), document) == ("signature_invalid", "artifact.signature.artifact_sha256")
    forged = other | {"artifact_sha256": sha256_hex(ARTIFACT)}
    document = changed(lambda draft: draft["artifact"].update(signature=forged))
    assert await refusal(Case(), document) == ("signature_invalid", "artifact.signature.signature")


async def test_the_time_of_a_scan_comes_from_the_draft_only_where_the_report_has_none() -> None:
    def said(document: dict[str, Any]) -> None:
        document["vulnerability_scan"]["scanned_at"] = "2025-01-01T00:00:00Z"

    dated = await Case().assemble(changed(said))
    assert dated.vulnerability_scan.scanned_at.isoformat() == "2026-02-28T07:00:00.123456+00:00"
    undated = Case(scan=trivy(CreatedAt=None))
    assert (await undated.assemble(changed(said, undated))).vulnerability_scan.scanned_at.year == 2025
    with pytest.raises(EvidenceIncomplete) as refused:
        await undated.assemble()
    assert refused.value.missing == ("vulnerability_scan.scanned_at",)


async def test_malware_in_the_report_overrides_what_the_draft_says() -> None:
    clean = {"result": "clean", "scanner": "clamav 1.4", "scanned_at": "2026-02-28T09:00:00Z"}
    case = Case()
    pack = await case.assemble(changed(lambda draft: draft["vulnerability_scan"].update(malware=clean), case))
    assert pack.vulnerability_scan.malware.result is MalwareResult.CLEAN
    case = Case(scan=trivy(vulnerability("MAL-2026-1", "UNKNOWN")))
    pack = await case.assemble(changed(lambda draft: draft["vulnerability_scan"].update(malware=clean), case))
    assert pack.vulnerability_scan.malware.result is MalwareResult.DETECTED
    assert pack.vulnerability_scan.decision is ScanDecision.FAIL
    assert [blocker.code for blocker in blockers(pack)] == ["malware_detected"]


async def test_no_exception_covers_malware() -> None:
    case = Case(
        scan=trivy(vulnerability("MAL-2026-1", "CRITICAL")),
        exceptions=(vulnerability_exception("MAL-2026-1"), unsigned_exception()),
    )
    pack = await case.assemble()
    assert pack.vulnerability_scan.decision is ScanDecision.FAIL
    assert [blocker.code for blocker in blockers(pack)] == ["malware_detected"]


async def test_an_exception_that_is_not_in_force_cannot_be_cited() -> None:
    document = changed(lambda draft: draft.update(exceptions=["exc-unheard-of"]))
    assert await refusal(Case(), document) == ("exception_not_in_force", "exceptions[0]")
    expired = Case(exceptions=(vulnerability_exception("CVE-1", days=0),))
    assert await refusal(expired) == ("exception_not_in_force", "exceptions[0]")


def statement(sha256: str) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "wheel", "digest": {"sha256": sha256}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": {}, "runDetails": {"builder": {"id": "https://ci.example.org/builder"}}},
    }


def with_statement(case: Case, key: Any = None) -> dict[str, Any]:
    sha256 = sha256_hex(as_bytes(case.statement))
    document = case.document()
    document["artifact"]["provenance"] = {"source": "git+https://example.org/left-pad", "statement_sha256": sha256}
    if key is not None:
        signature = sign_artifact(key, artifact_sha256=sha256).model_dump()
        document["artifact"]["provenance"]["statement_signature"] = signature
    return document


@pytest.mark.parametrize(
    ("key", "level"),
    [(None, Provenance.WEAK), (SELF_MADE_KEY, Provenance.WEAK), (VENDOR_KEY, Provenance.VERIFIED)],
    ids=["unsigned", "self made", "known vendor"],
)
async def test_provenance_is_as_good_as_the_signature_under_its_statement(key: Any, level: Provenance) -> None:
    case = Case(statement=statement(sha256_hex(ARTIFACT)))
    provenance = (await case.assemble(with_statement(case, key))).artifact.provenance
    assert (provenance.level, provenance.builder) == (level, "https://ci.example.org/builder")


async def test_a_source_that_is_only_said_is_uncertain_provenance() -> None:
    said = {"source": "git+https://example.org/left-pad", "revision": "abc"}
    pack = await Case().assemble(changed(lambda draft: draft["artifact"].update(provenance=said)))
    assert pack.artifact.provenance.level is Provenance.UNCERTAIN
    assert pack.artifact.provenance.source == said["source"]


async def test_a_statement_about_another_artifact_or_none_at_all_is_refused() -> None:
    field = "artifact.provenance.statement_sha256"
    other = Case(statement=statement(ABSENT))
    assert await refusal(other, with_statement(other)) == ("provenance_invalid", f"{field}#/subject")
    strange = Case(statement={"_type": "x"})
    assert await refusal(strange, with_statement(strange)) == ("provenance_invalid", f"{field}#/_type")
    good = Case(statement=statement(sha256_hex(ARTIFACT)))
    document = with_statement(good, VENDOR_KEY)
    document["artifact"]["provenance"]["statement_sha256"] = ABSENT
    assert await refusal(good, document) == ("provenance_unknown", field)
    del document["artifact"]["provenance"]["statement_sha256"]
    assert await refusal(good, document) == ("provenance_invalid", field)
