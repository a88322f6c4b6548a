"""From facts of the evidence pack and of the fleet to the measured inputs of model v1.0 (domain.md §2, §3).

What is measured here: signature and provenance, findings, cohort size, history. What can only be stated by people
(privilege impact, exploitability, data access, operational complexity) is handed through as declared or attested.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from eucora.domain.risk.errors import InvalidFactorInput
from eucora.domain.risk.inputs import Basis, FactorInput

SUPPLY_CHAIN_TRUST = "supply_chain_trust"
SBOM_VULNERABILITY = "sbom_vulnerability"
BLAST_RADIUS = "blast_radius"
HISTORY = "history"


class Signing(StrEnum):
    """What the check of the artifact's signature found."""

    SIGNED_KNOWN_VENDOR = "signed_known_vendor"
    SIGNED_UNKNOWN_VENDOR = "signed_unknown_vendor"
    SELF_SIGNED = "self_signed"
    UNSIGNED = "unsigned"


class Provenance(StrEnum):
    """How well it is known where the artifact comes from: proven, plausible, or not known."""

    VERIFIED = "verified"
    WEAK = "weak"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyChainFacts:
    """Result of the signature and provenance checks; ``reference`` names the check or the pack's section."""

    signing: Signing
    provenance: Provenance
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityFacts:
    """Findings of the scan by severity, after VEX.

    ``critical_excepted`` counts the critical findings that an active exception names, ``high_compensated`` the high
    ones under compensating controls (an active exception has some). ``exception_ids`` are those exceptions.
    """

    critical: int
    high: int
    medium: int
    low: int
    reference: str
    critical_excepted: int = 0
    high_compensated: int = 0
    exception_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortFacts:
    """The devices of the whole ring plan as resolved at submission."""

    devices: int
    critical_infrastructure: bool
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFacts:
    """Past rollouts of the application: ``successes`` out of ``total``; 0 of 0 says that there were none."""

    successes: int
    total: int
    security_breach: bool
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEvidence:
    """Everything model v1.0 scores. ``None`` says that it was not measured; the worst value then applies.

    ``statements`` are the declared and attested inputs, of any factor.
    """

    supply_chain: SupplyChainFacts | None
    vulnerabilities: VulnerabilityFacts | None
    cohort: CohortFacts | None
    history: HistoryFacts | None
    statements: tuple[FactorInput, ...] = ()


def inputs_from_evidence(evidence: RiskEvidence) -> tuple[FactorInput, ...]:
    """The inputs of model v1.0 for ``assess``.

    Raises:
        InvalidFactorInput: a statement claims to be measured, or counts contradict each other.
    """
    inputs: list[FactorInput] = []
    if evidence.supply_chain is not None:
        inputs.append(_supply_chain(evidence.supply_chain))
    if evidence.vulnerabilities is not None:
        inputs.append(_vulnerabilities(evidence.vulnerabilities))
    if evidence.cohort is not None:
        flags = ("critical_infrastructure",) if evidence.cohort.critical_infrastructure else ()
        inputs.append(
            FactorInput(
                key=BLAST_RADIUS,
                basis=Basis.MEASURED,
                number=evidence.cohort.devices,
                flags=flags,
                evidence_reference=evidence.cohort.reference,
            )
        )
    if evidence.history is not None:
        flags = ("prior_security_breach",) if evidence.history.security_breach else ()
        inputs.append(
            FactorInput(
                key=HISTORY,
                basis=Basis.MEASURED,
                number=evidence.history.successes,
                out_of=evidence.history.total,
                flags=flags,
                evidence_reference=evidence.history.reference,
            )
        )
    for statement in evidence.statements:
        if statement.basis not in {Basis.DECLARED, Basis.ATTESTED}:
            sentence = f"{statement.key}: a statement is declared or attested; only evidence is {statement.basis}."
            raise InvalidFactorInput(sentence, factor=statement.key)
        inputs.append(statement)
    return tuple(inputs)


def _supply_chain(facts: SupplyChainFacts) -> FactorInput:
    """The row for a signature and a provenance.

    A known vendor without provenance takes the row of weak provenance, the nearest there is. An artifact without a
    trusted signature is split by whether its provenance is verified.
    """
    match facts.signing:
        case Signing.SIGNED_KNOWN_VENDOR:
            verified = facts.provenance is Provenance.VERIFIED
            row = "signed_known_vendor_provenance" if verified else "signed_known_vendor_weak_provenance"
        case Signing.SIGNED_UNKNOWN_VENDOR:
            row = "signed_unknown_vendor"
        case Signing.SELF_SIGNED | Signing.UNSIGNED:
            verified = facts.provenance is Provenance.VERIFIED
            row = "unsigned_self_signed" if verified else "unsigned_uncertain_provenance"
        case _ as never:
            assert_never(never)
    return FactorInput(
        key=SUPPLY_CHAIN_TRUST,
        basis=Basis.MEASURED,
        rubric_key=row,
        evidence_reference=facts.reference,
        note=f"signature {facts.signing.replace('_', ' ')}, provenance {facts.provenance}",
    )


def _vulnerabilities(facts: VulnerabilityFacts) -> FactorInput:
    """The worst finding decides; one that nothing covers takes the last row, be it critical or high."""
    counts = (facts.critical, facts.high, facts.medium, facts.low, facts.critical_excepted, facts.high_compensated)
    if min(counts) < 0 or facts.critical_excepted > facts.critical or facts.high_compensated > facts.high:
        sentence = f"{SBOM_VULNERABILITY}: counts must be at least 0, and covered findings at most all of a severity."
        raise InvalidFactorInput(sentence, factor=SBOM_VULNERABILITY)
    if facts.critical_excepted and not facts.exception_ids:
        sentence = f"{SBOM_VULNERABILITY}: critical findings count as excepted, but no exception is named."
        raise InvalidFactorInput(sentence, factor=SBOM_VULNERABILITY)
    if facts.critical > facts.critical_excepted or facts.high > facts.high_compensated:
        row = "critical_no_exception"
    elif facts.critical:
        row = "critical_with_exception"
    elif facts.high:
        row = "high_with_compensating_controls"
    elif facts.medium or facts.low:
        row = "low_medium_only"
    else:
        row = "no_high_critical"
    note = (
        f"{facts.critical} critical of which {facts.critical_excepted} excepted, {facts.high} high of which "
        f"{facts.high_compensated} compensated, {facts.medium} medium, {facts.low} low"
    )
    if facts.exception_ids:
        note += f"; exceptions {', '.join(sorted(set(facts.exception_ids)))}"
    return FactorInput(
        key=SBOM_VULNERABILITY,
        basis=Basis.MEASURED,
        rubric_key=row,
        evidence_reference=facts.reference,
        note=note,
    )
