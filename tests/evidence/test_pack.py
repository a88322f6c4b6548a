"""Packs: named by their digest, checked when read, blocked by what no exception names, only ever appended to."""

import json
from datetime import timedelta
from typing import Any

import pytest

from eucora.domain.vocabulary import GateResult
from eucora.evidence.canonical import sha256_hex
from eucora.evidence.errors import EvidenceInvalid, EvidenceTampered
from eucora.evidence.pack import blockers, pack_document, read_pack, with_test_evidence
from eucora.evidence.sections import (
    PreReleaseTest,
    Rehearsal,
    RingResult,
    ScanDecision,
    TestEvidence,
    TestResult,
)
from tests.evidence.builders import (
    ARTIFACT,
    AUTHOR,
    NOW,
    Case,
    trivy,
    unsigned_exception,
    vulnerability,
    vulnerability_exception,
)

LATER = NOW + timedelta(days=1)
LAB = TestEvidence(
    ring_results=(
        RingResult(ring="LAB", decided_at=LATER, result=GateResult.PASS, targeted=5, succeeded=5, failed=0, unknown=0),
    ),
    rehearsals=(
        Rehearsal(
            ring="LAB",
            plane="ansible",
            device="lab-1",
            artifact_sha256=sha256_hex(ARTIFACT),
            succeeded=True,
            sentence="Rolled back, verified gone, installed again.",
            rehearsed_at=LATER,
        ),
    ),
)


async def test_a_pack_is_stored_under_its_digest_and_reads_back() -> None:
    pack = await Case(exceptions=(unsigned_exception(),)).assemble()
    data = pack_document(pack)
    assert sha256_hex(data) == pack.pack_digest
    assert read_pack(data, expected_digest=pack.pack_digest) == pack
    assert read_pack(data, expected_digest=pack.pack_digest).release_digest == pack.release_digest


async def test_a_pack_with_one_byte_changed_is_not_read() -> None:
    pack = await Case().assemble()
    data = pack_document(pack).replace(b'"Acme"', b'"acme"', 1)
    with pytest.raises(EvidenceTampered) as refused:
        read_pack(data, expected_digest=pack.pack_digest)
    assert (refused.value.code, refused.value.expected) == ("evidence_tampered", pack.pack_digest)
    assert refused.value.actual == sha256_hex(data)


async def test_a_pack_of_an_unknown_shape_is_unreadable_and_not_tampered() -> None:
    document = json.loads(pack_document(await Case().assemble())) | {"from_the_future": 1}
    data = json.dumps(document).encode()
    with pytest.raises(EvidenceInvalid) as refused:
        read_pack(data, expected_digest=sha256_hex(data))
    assert refused.value.code == "evidence_unreadable"


async def test_appending_test_evidence_makes_the_next_version_of_the_same_release() -> None:
    first = await Case().assemble()
    second = with_test_evidence(first, LAB, sealed_at=LATER)
    third = with_test_evidence(second, LAB, sealed_at=LATER)
    assert [pack.metadata.pack_version for pack in (first, second, third)] == [1, 2, 3]
    assert len({pack.release_digest for pack in (first, second, third)}) == 1
    assert len({pack.pack_digest for pack in (first, second, third)}) == 3
    assert second.metadata.previous_pack_digest == first.pack_digest
    assert third.metadata.previous_pack_digest == second.pack_digest
    assert third.test_evidence.rehearsals == LAB.rehearsals * 2
    assert (second.metadata.author, second.metadata.sealed_at) == (AUTHOR, LATER)
    assert first.test_evidence == TestEvidence()
    assert read_pack(pack_document(second), expected_digest=second.pack_digest) == second


async def test_tests_before_the_release_stay_in_front() -> None:
    case = Case()
    done = {
        "name": "smoke",
        "result": "passed",
        "performed_by": "lee@example.org",
        "performed_at": "2026-02-20T00:00:00Z",
    }
    first = await case.assemble(case.document() | {"pre_release_tests": [done]})
    more = PreReleaseTest(name="soak", result=TestResult.FAILED, performed_by="lee@example.org", performed_at=LATER)
    second = with_test_evidence(first, TestEvidence(pre_release=(more,)), sealed_at=LATER)
    assert [test.name for test in second.test_evidence.pre_release] == ["smoke", "soak"]


@pytest.mark.parametrize(
    ("findings", "named", "decision", "codes"),
    [
        ([], [], ScanDecision.PASS, []),
        ([("CVE-1", "MEDIUM"), ("CVE-2", "LOW"), ("CVE-3", "UNKNOWN")], [], ScanDecision.PASS, []),
        ([("CVE-1", "HIGH")], [], ScanDecision.FAIL, ["high_finding"]),
        ([("CVE-1", "HIGH")], ["cve-1"], ScanDecision.EXCEPTION, []),
        ([("CVE-2", "HIGH"), ("CVE-1", "CRITICAL")], [], ScanDecision.FAIL, ["critical_finding", "high_finding"]),
        ([("CVE-2", "HIGH"), ("CVE-1", "CRITICAL")], ["CVE-1"], ScanDecision.FAIL, ["high_finding"]),
        ([("CVE-2", "HIGH"), ("CVE-1", "CRITICAL")], ["CVE-1", "CVE-2"], ScanDecision.EXCEPTION, []),
        ([("CVE-1", "HIGH")], ["CVE-10"], ScanDecision.FAIL, ["high_finding"]),
    ],
)
async def test_a_critical_or_high_finding_needs_an_exception_that_names_it(
    findings: list[tuple[str, str]], named: list[str], decision: ScanDecision, codes: list[str]
) -> None:
    case = Case(
        scan=trivy(*(vulnerability(identifier, severity) for identifier, severity in findings)),
        exceptions=(vulnerability_exception(*named),) if named else (),
    )
    pack = await case.assemble()
    assert pack.vulnerability_scan.decision is decision
    assert [blocker.code for blocker in blockers(pack)] == codes


async def test_an_exception_of_another_type_names_nothing() -> None:
    case = Case(scan=trivy(vulnerability("CVE-1", "HIGH")), exceptions=(unsigned_exception(),))
    assert [blocker.code for blocker in blockers(await case.assemble())] == ["high_finding"]


async def test_one_vulnerability_in_many_components_is_one_blocker_that_names_them() -> None:
    scan = trivy(*(vulnerability("CVE-1", "CRITICAL", PkgName=f"part-{number}") for number in range(3)))
    [blocker] = blockers(await Case(scan=scan).assemble())
    assert (blocker.code, blocker.field) == ("critical_finding", "vulnerability_scan.blocking")
    assert "CVE-1 (critical) in part-0 1, part-1 1, part-2 1" in blocker.sentence


async def test_an_unsigned_artifact_passes_with_its_exception_only() -> None:
    for exceptions, codes in (
        ((), ["artifact_unsigned"]),
        ((vulnerability_exception("CVE-1"),), ["artifact_unsigned"]),
        ((unsigned_exception(),), []),
    ):
        case = Case(exceptions=exceptions)
        document: dict[str, Any] = case.document()
        del document["artifact"]["signature"]
        assert [blocker.code for blocker in blockers(await case.assemble(document))] == codes
