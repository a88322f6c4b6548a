"""What a pack says to the risk engine: measured values only (domain.md §2, basis ``measured``)."""

from __future__ import annotations

from dataclasses import dataclass

from eucora.domain.risk.evidence import SupplyChainFacts, VulnerabilityFacts
from eucora.evidence.findings import MalwareResult, Severity
from eucora.evidence.pack import EvidencePack
from eucora.evidence.sections import ExceptionType, Reboot

__all__ = ["PackRiskEvidence", "risk_evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRiskEvidence:
    """Measured values of a pack.

    ``supply_chain`` and ``vulnerabilities`` are the domain's own inputs; their references name pack and section. In
    ``vulnerabilities`` findings of unknown severity count as medium: more than nothing, and no block by guess;
    ``unknown`` says how many they are. ``worst`` is the worst band found, None when there is no finding.
    ``rollback_rehearsed`` is true when a rehearsal of this very artifact succeeded.
    """

    pack_digest: str
    supply_chain: SupplyChainFacts
    vulnerabilities: VulnerabilityFacts
    unknown: int
    worst: Severity | None
    malware: MalwareResult
    component_count: int
    reboot: Reboot
    rollback_rehearsed: bool


def risk_evidence(pack: EvidencePack) -> PackRiskEvidence:
    """The measured values of ``pack``."""
    reference = pack.pack_digest
    scan = pack.vulnerability_scan
    covering = [entry for entry in pack.exceptions if entry.type is ExceptionType.VULNERABILITY]
    covered = [finding for finding in scan.blocking if any(entry.names(finding.id) for entry in covering)]
    used = {entry.id for entry in covering if any(entry.names(finding.id) for finding in covered)}
    counts = scan.counts
    by_band = {severity: getattr(counts, severity.value) for severity in Severity}
    return PackRiskEvidence(
        pack_digest=reference,
        supply_chain=SupplyChainFacts(
            signing=pack.artifact.signing.result,
            provenance=pack.artifact.provenance.level,
            reference=f"evidence pack {reference}, artifact",
        ),
        vulnerabilities=VulnerabilityFacts(
            critical=counts.critical,
            high=counts.high,
            medium=counts.medium + counts.unknown,
            low=counts.low,
            reference=f"evidence pack {reference}, vulnerability_scan",
            critical_excepted=sum(finding.severity is Severity.CRITICAL for finding in covered),
            high_compensated=sum(finding.severity is Severity.HIGH for finding in covered),
            exception_ids=tuple(sorted(used)),
        ),
        unknown=counts.unknown,
        worst=next((severity for severity in Severity if by_band[severity]), None),
        malware=scan.malware.result,
        component_count=pack.sbom.component_count,
        reboot=pack.installation.reboot,
        rollback_rehearsed=any(
            rehearsal.succeeded and rehearsal.artifact_sha256 == pack.artifact.sha256
            for rehearsal in pack.test_evidence.rehearsals
        ),
    )
