"""The evidence pack: immutable, versioned, named by its digest (domain.md §3).

A pack's document is its canonical JSON (RFC 8785) without fields that are None, and its ``pack_digest`` is the
SHA-256 of that document: stored as a blob, a pack's digest is its address. ``release_digest`` is over the sections
that say what is released and how; later versions of a pack, which append test evidence, keep it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError as PydanticError

from eucora.domain.risk.evidence import Signing
from eucora.evidence.canonical import canonical_json, digest, sha256_hex
from eucora.evidence.document import load_json
from eucora.evidence.draft import EvidenceDraft, complete
from eucora.evidence.errors import EvidenceInvalid, EvidenceTampered
from eucora.evidence.findings import Finding, MalwareResult, Severity
from eucora.evidence.sbom import SbomSummary
from eucora.evidence.sections import (
    Application,
    Artifact,
    Attestation,
    ExceptionReference,
    ExceptionType,
    Frozen,
    Installation,
    Metadata,
    RollbackPlan,
    RolloutPlan,
    ScanDecision,
    TestEvidence,
    VulnerabilityScan,
)

__all__ = [
    "RELEASE_SECTIONS",
    "Blocker",
    "EvidenceDraft",
    "EvidencePack",
    "blockers",
    "complete",
    "decide_scan",
    "pack_document",
    "read_pack",
    "with_test_evidence",
]

RELEASE_SECTIONS = (
    "application",
    "artifact",
    "sbom",
    "vulnerability_scan",
    "installation",
    "rollout_plan",
    "rollback_plan",
)
"""The sections that ``release_digest`` covers."""


class EvidencePack(Frozen):
    """A sealed pack. Both digests are computed from the sections, never stored beside them."""

    application: Application
    artifact: Artifact
    sbom: SbomSummary
    vulnerability_scan: VulnerabilityScan
    installation: Installation
    rollout_plan: RolloutPlan
    rollback_plan: RollbackPlan
    test_evidence: TestEvidence
    exceptions: tuple[ExceptionReference, ...]
    metadata: Metadata
    attestations: tuple[Attestation, ...] | None = None
    """Risk factors that the author vouches for."""

    @property
    def release_digest(self) -> str:
        """SHA-256 (hex) over application, artifact, SBOM, scan, installation, rollout plan and rollback plan."""
        return digest(self.model_dump(mode="json", include=set(RELEASE_SECTIONS), exclude_none=True))

    @property
    def pack_digest(self) -> str:
        """SHA-256 (hex) over everything; the address of ``pack_document``."""
        return sha256_hex(pack_document(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Why a deployment with this pack is refused; ``field`` is a dotted name of the pack."""

    code: str
    field: str
    sentence: str


def pack_document(pack: EvidencePack) -> bytes:
    """The bytes to store for ``pack``: its canonical JSON."""
    return canonical_json(pack.model_dump(mode="json", exclude_none=True))


def read_pack(data: bytes, *, expected_digest: str) -> EvidencePack:
    """The pack in ``data``, which must have that pack digest.

    Raises ``EvidenceTampered`` for other bytes, and ``EvidenceInvalid`` for the right bytes that this version cannot
    read.
    """
    actual = sha256_hex(data)
    if actual != expected_digest:
        raise EvidenceTampered(expected=expected_digest, actual=actual)
    document: Any = load_json(data, what="evidence pack")
    try:
        return EvidencePack.model_validate(document)
    except PydanticError as error:
        sentence = f"The evidence pack {expected_digest} has a shape that this version does not know."
        raise EvidenceInvalid("", sentence, code="evidence_unreadable") from error


def with_test_evidence(pack: EvidencePack, evidence: TestEvidence, *, sealed_at: datetime) -> EvidencePack:
    """The next version of ``pack``: ``evidence`` appended to what it holds, everything else as it was.

    It has the same ``release_digest`` and the same author; ``sealed_at`` must be aware.
    """
    before = pack.test_evidence
    metadata = pack.metadata.model_dump() | {
        "pack_version": pack.metadata.pack_version + 1,
        "previous_pack_digest": pack.pack_digest,
        "sealed_at": sealed_at,
    }
    appended = TestEvidence(
        pre_release=before.pre_release + evidence.pre_release,
        ring_results=before.ring_results + evidence.ring_results,
        rehearsals=before.rehearsals + evidence.rehearsals,
    )
    return pack.model_copy(update={"test_evidence": appended, "metadata": Metadata.model_validate(metadata)})


def decide_scan(
    blocking: Sequence[Finding], malware: MalwareResult, exceptions: Sequence[ExceptionReference]
) -> ScanDecision:
    """The decision on a scan with these critical and high findings (domain.md §3).

    ``fail`` for malware, which no exception covers, or a finding that no exception names; ``exception`` when every
    finding is named by one; ``pass`` when there is none.
    """
    if malware is MalwareResult.DETECTED or any(not _named(finding, exceptions) for finding in blocking):
        return ScanDecision.FAIL
    return ScanDecision.EXCEPTION if blocking else ScanDecision.PASS


def blockers(pack: EvidencePack) -> list[Blocker]:
    """What stands against a deployment with ``pack``; empty when nothing does.

    Codes: ``malware_detected``, ``critical_finding``, ``high_finding``, ``artifact_unsigned``.
    """
    found: list[Blocker] = []
    scan = pack.vulnerability_scan
    if scan.malware.result is MalwareResult.DETECTED:
        sentence = "Malware was found in the artifact; no exception can allow it."
        found.append(Blocker(code="malware_detected", field="vulnerability_scan.malware", sentence=sentence))
    found.extend(_finding_blockers(scan.blocking, pack.exceptions))
    unsigned_allowed = any(entry.type is ExceptionType.UNSIGNED_PACKAGE for entry in pack.exceptions)
    if pack.artifact.signing.result in {Signing.UNSIGNED, Signing.SELF_SIGNED} and not unsigned_allowed:
        how = (
            "unsigned"
            if pack.artifact.signing.result is Signing.UNSIGNED
            else "signed with a key that nobody vouches for"
        )
        sentence = f"The artifact is {how}; sign it with a trusted key or ask for an unsigned_package exception."
        found.append(Blocker(code="artifact_unsigned", field="artifact.signing", sentence=sentence))
    return found


def _finding_blockers(blocking: Sequence[Finding], exceptions: Sequence[ExceptionReference]) -> list[Blocker]:
    """One blocker for each vulnerability that no exception names, critical ones first."""
    components: dict[tuple[str, Severity], list[str]] = defaultdict(list)
    for finding in blocking:
        if not _named(finding, exceptions):
            components[finding.id, finding.severity].append(f"{finding.component} {finding.version}".strip())
    ordered = sorted(components.items(), key=lambda item: (item[0][1] is not Severity.CRITICAL, item[0][0]))
    return [
        Blocker(
            code=f"{severity.value}_finding",
            field="vulnerability_scan.blocking",
            sentence=(
                f"{identifier} ({severity.value}) in {', '.join(sorted(set(names))[:5])} is named by no exception; "
                "mend it or ask a security reviewer for a vulnerability exception."
            ),
        )
        for (identifier, severity), names in ordered
    ]


def _named(finding: Finding, exceptions: Sequence[ExceptionReference]) -> bool:
    return any(entry.names(finding.id) for entry in exceptions)
