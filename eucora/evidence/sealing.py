"""Sealing: from a complete draft and what was measured about it to the first version of a pack. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from eucora.evidence.draft import EvidenceDraft, complete
from eucora.evidence.errors import EvidenceIncomplete, EvidenceInvalid
from eucora.evidence.findings import MalwareResult, ScanSummary, Severity
from eucora.evidence.pack import EvidencePack, decide_scan
from eucora.evidence.sbom import SbomSummary
from eucora.evidence.sections import (
    DEFAULT_EXIT_CODES,
    Application,
    Artifact,
    ArtifactProvenance,
    ArtifactSigning,
    Attestation,
    ExceptionReference,
    Installation,
    MalwareScan,
    Metadata,
    RollbackPlan,
    RolloutPlan,
    TestEvidence,
    VulnerabilityScan,
)

__all__ = ["check_draft", "seal"]

# Versions are free text of vendors (dates, git descriptions, one letter), but one word: file names are made of them.
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~:-]{0,127}")
_BLOCKING = frozenset({Severity.CRITICAL, Severity.HIGH})


def check_draft(draft: EvidenceDraft) -> None:
    """Return if ``draft`` has all it needs. Raises ``EvidenceIncomplete``, or ``EvidenceInvalid`` for the version."""
    missing = complete(draft)
    if missing:
        raise EvidenceIncomplete(missing)
    for field, version in (
        ("application.version", draft.application.version),
        ("rollback_plan.target_version", draft.rollback_plan.target_version),
    ):
        if version and not _VERSION.fullmatch(version):
            sentence = f"{version!r} is not a version: 1 to 128 of A-Z a-z 0-9 . + _ ~ : -, a letter or digit first."
            raise EvidenceInvalid(field, sentence, code="version_malformed")


def seal(
    draft: EvidenceDraft,
    *,
    sbom: SbomSummary,
    scan: ScanSummary,
    signing: ArtifactSigning,
    provenance: ArtifactProvenance,
    exceptions: Mapping[str, ExceptionReference],
    author: str,
    sealed_at: datetime,
) -> EvidencePack:
    """The first version of the pack for ``draft``.

    ``sbom``, ``scan``, ``signing`` and ``provenance`` are what was read and measured; ``exceptions`` are approved
    exceptions by id, of which the draft cites some. Raises ``EvidenceIncomplete`` and ``EvidenceInvalid``.
    """
    check_draft(draft)
    cited = _cited(draft, exceptions, sealed_at)
    return EvidencePack(
        application=Application(**draft.application.model_dump()),
        artifact=Artifact.model_validate(
            {
                "sha256": draft.artifact.sha256,
                "size": draft.artifact.size,
                "file_name": draft.artifact.file_name,
                "signing": signing,
                "provenance": provenance,
            }
        ),
        sbom=sbom,
        vulnerability_scan=_scan_section(draft, scan, cited),
        installation=_installation(draft),
        rollout_plan=RolloutPlan(
            planes=draft.rollout_plan.planes,
            target_ring=draft.rollout_plan.target_ring,
            notes=draft.rollout_plan.notes or None,
        ),
        rollback_plan=RollbackPlan(
            strategies=draft.rollback_plan.strategies,
            target_version=draft.rollback_plan.target_version or None,
            steps=draft.rollback_plan.steps,
        ),
        test_evidence=TestEvidence(pre_release=draft.pre_release_tests),
        exceptions=cited,
        metadata=Metadata(pack_version=1, author=author, sealed_at=sealed_at),
        attestations=tuple(Attestation(factor=factor, row=row) for factor, row in sorted(draft.attestations.items()))
        or None,
    )


def _cited(
    draft: EvidenceDraft, exceptions: Mapping[str, ExceptionReference], at: datetime
) -> tuple[ExceptionReference, ...]:
    cited: list[ExceptionReference] = []
    for index, identifier in enumerate(dict.fromkeys(draft.exceptions)):
        exception = exceptions.get(identifier)
        if exception is None or not exception.in_force(at):
            sentence = f"The exception {identifier!r} is not in force."
            raise EvidenceInvalid(f"exceptions[{index}]", sentence, code="exception_not_in_force")
        cited.append(exception)
    return tuple(cited)


def _scan_section(
    draft: EvidenceDraft, scan: ScanSummary, exceptions: Sequence[ExceptionReference]
) -> VulnerabilityScan:
    scanned_at = scan.scanned_at or draft.vulnerability_scan.scanned_at
    if scanned_at is None:
        # The report does not say when it was made: only now is it known that the draft must.
        raise EvidenceIncomplete(["vulnerability_scan.scanned_at"])
    malware = draft.vulnerability_scan.malware or MalwareScan(result=MalwareResult.NOT_SCANNED)
    if scan.malware is MalwareResult.DETECTED:
        malware = MalwareScan(result=MalwareResult.DETECTED, scanner=scan.scanner.value, scanned_at=scanned_at)
    blocking = tuple(finding for finding in scan.findings if finding.severity in _BLOCKING)
    return VulnerabilityScan(
        format=scan.scanner,
        document_sha256=scan.digest,
        scanner_version=scan.scanner_version,
        scanned_at=scanned_at,
        counts=scan.counts,
        blocking=blocking,
        suppressed=scan.suppressed,
        other_findings=scan.other_findings,
        malware=malware,
        decision=decide_scan(blocking, malware.result, exceptions),
    )


def _installation(draft: EvidenceDraft) -> Installation:
    wanted = draft.installation
    if wanted.reboot is None:
        raise EvidenceIncomplete(["installation.reboot"])
    codes = DEFAULT_EXIT_CODES if wanted.exit_codes is None else wanted.exit_codes
    return Installation(
        install_command=wanted.install_command,
        uninstall_command=wanted.uninstall_command,
        detection=dict(wanted.detection),
        reboot=wanted.reboot,
        exit_codes=tuple(sorted(codes, key=lambda entry: entry.code)),
        settings=dict(wanted.settings),
    )
