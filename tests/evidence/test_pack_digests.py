"""What the two digests cover, shown by changing every single value of a pack."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eucora.domain.risk.evidence import Provenance, Signing
from eucora.domain.vocabulary import GateResult, RollbackStrategy
from eucora.evidence.findings import Finding, MalwareResult, ScanFormat, Severity, SeverityCounts
from eucora.evidence.pack import RELEASE_SECTIONS, EvidencePack, pack_document, read_pack, with_test_evidence
from eucora.evidence.sbom import SbomFormat, SbomSummary
from eucora.evidence.sections import (
    DEFAULT_EXIT_CODES,
    Application,
    Artifact,
    ArtifactProvenance,
    ArtifactSigning,
    Attestation,
    ExceptionReference,
    ExceptionType,
    Installation,
    MalwareScan,
    Metadata,
    PlaneRollback,
    PreReleaseTest,
    Reboot,
    Rehearsal,
    RingResult,
    RollbackPlan,
    RolloutPlan,
    ScanDecision,
    TestEvidence,
    TestResult,
    VulnerabilityScan,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACK = EvidencePack(
    application=Application(name="Zürich Pad", version="1.3.0", vendor="Acme", category="office", support_tier="t2"),
    artifact=Artifact(
        sha256="a" * 64,
        size=20,
        file_name="pad.whl",
        signing=ArtifactSigning(result=Signing.SIGNED_KNOWN_VENDOR, key_id="0" * 16, vendor="Acme"),
        provenance=ArtifactProvenance(level=Provenance.WEAK, source="git", builder="ci", statement_sha256="b" * 64),
    ),
    sbom=SbomSummary(
        format=SbomFormat.CYCLONEDX, spec_version="1.6", component_count=2, licences=("ISC", "MIT"), digest="c" * 64
    ),
    vulnerability_scan=VulnerabilityScan(
        format=ScanFormat.TRIVY,
        document_sha256="d" * 64,
        scanner_version="0.60.0",
        scanned_at=AT,
        counts=SeverityCounts(high=1, low=3),
        blocking=(Finding(id="CVE-1", severity=Severity.HIGH, component="pad", version="1", cvss=7.0),),
        suppressed=0,
        other_findings=0,
        malware=MalwareScan(result=MalwareResult.CLEAN, scanner="clamav", scanned_at=AT),
        decision=ScanDecision.EXCEPTION,
    ),
    installation=Installation(
        install_command="install",
        uninstall_command="remove",
        detection={"command": "pad --version"},
        reboot=Reboot.NONE,
        exit_codes=DEFAULT_EXIT_CODES,
        settings={"python": "3.11"},
    ),
    rollout_plan=RolloutPlan(planes=("ansible",), target_ring="GLOBAL", notes="slowly"),
    rollback_plan=RollbackPlan(
        strategies=(PlaneRollback(plane="ansible", strategy=RollbackStrategy.PLAYBOOK),),
        target_version="1.2.0",
        steps=("install 1.2.0",),
    ),
    test_evidence=TestEvidence(
        pre_release=(PreReleaseTest(name="smoke", result=TestResult.PASSED, performed_by="lee", performed_at=AT),)
    ),
    exceptions=(
        ExceptionReference(id="e", revision=1, type=ExceptionType.VULNERABILITY, finding_ids=("CVE-1",), expires_at=AT),
    ),
    metadata=Metadata(pack_version=1, author="pat", sealed_at=AT),
)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, child in value.items() for leaf in leaves(child, (*path, key))]
    if isinstance(value, list | tuple):
        return [leaf for index, child in enumerate(value) for leaf in leaves(child, (*path, index))]
    return [path]


# The pack above stays as it is, with its pinned digests; sections added later are filled in here.
FULL = PACK.model_copy(update={"attestations": (Attestation(factor="data_access", row="read_write_user_profile"),)})
LEAVES = leaves(FULL.model_dump(mode="json", exclude_none=True))


def replaced(path: tuple[str | int, ...], value: Any) -> EvidencePack | None:
    """The pack with one value replaced; None when that value does not fit there."""
    document = FULL.model_dump(mode="json", exclude_none=True)
    here = document
    for part in path[:-1]:
        here = here[part]  # type: ignore[index]
    here[path[-1]] = value  # type: ignore[index]
    try:
        return EvidencePack.model_validate(document)
    except ValidationError:
        return None


@given(
    path=st.sampled_from(LEAVES),
    value=st.text(max_size=5)
    | st.integers(0, 10)
    | st.sampled_from(["e" * 64, "pass", "fail", "none", "required", "unsigned", "self_signed", "spdx", "grype", "low"])
    | st.just("2027-01-01T00:00:00Z"),
)
def test_a_change_in_a_release_section_changes_the_release_digest_and_any_change_the_pack_digest(
    path: tuple[str | int, ...], value: Any
) -> None:
    changed = replaced(path, value)
    if changed is None or changed == FULL:
        return
    assert changed.pack_digest != FULL.pack_digest
    assert (changed.release_digest != FULL.release_digest) is (path[0] in RELEASE_SECTIONS)


def test_every_section_is_in_the_release_or_known_not_to_be() -> None:
    assert set(EvidencePack.model_fields) - set(RELEASE_SECTIONS) == {
        "test_evidence",
        "exceptions",
        "metadata",
        "attestations",
    }
    assert {path[0] for path in LEAVES} == set(EvidencePack.model_fields)


TIMES = st.datetimes(timezones=st.just(UTC))
WORDS = st.text("aé€\U0001f600", min_size=1, max_size=3)
EVIDENCE = st.builds(
    TestEvidence,
    pre_release=st.lists(
        st.builds(PreReleaseTest, name=WORDS, performed_by=WORDS, performed_at=TIMES, report_sha256=st.none()),
        max_size=1,
    ).map(tuple),
    ring_results=st.lists(
        st.builds(
            RingResult,
            ring=WORDS,
            decided_at=TIMES,
            result=st.sampled_from(GateResult),
            targeted=st.integers(0, 10**6),
            succeeded=st.integers(0, 10**6),
            failed=st.integers(0, 10**6),
            unknown=st.integers(0, 10**6),
        ),
        max_size=1,
    ).map(tuple),
    rehearsals=st.lists(
        st.builds(
            Rehearsal,
            ring=WORDS,
            plane=WORDS,
            device=WORDS,
            artifact_sha256=st.just("a" * 64),
            sentence=WORDS,
            rehearsed_at=TIMES,
        ),
        max_size=1,
    ).map(tuple),
)


@given(evidence=EVIDENCE, sealed_at=TIMES)
def test_appending_test_evidence_never_changes_the_release_digest(evidence: TestEvidence, sealed_at: datetime) -> None:
    following = with_test_evidence(PACK, evidence, sealed_at=sealed_at)
    assert following.release_digest == PACK.release_digest
    assert following.pack_digest != PACK.pack_digest
    assert read_pack(pack_document(following), expected_digest=following.pack_digest) == following
    kept = following.test_evidence
    assert kept.pre_release[: len(PACK.test_evidence.pre_release)] == PACK.test_evidence.pre_release
    assert (kept.ring_results, kept.rehearsals) == (evidence.ring_results, evidence.rehearsals)


def test_the_digests_of_a_known_pack_never_change() -> None:
    """Pins the document's form: were it to change, stored packs would look tampered with, and approvals void."""
    assert PACK.release_digest == "3dd02df42d6473371d2a295c2e46eeb42782bd413828cb2cdb663e910015c538"
    assert PACK.pack_digest == "8a603e92e5b751818dfec962a51fce7d773ec99382c3d7a4f5f6304361f517aa"


def test_a_pack_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PACK.application.name = "other"  # type: ignore[misc]
