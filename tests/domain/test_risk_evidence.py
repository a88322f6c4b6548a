"""Facts of the pack and of the fleet become measured inputs of model v1.0 (domain.md §2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.risk import (
    Basis,
    CohortFacts,
    FactorInput,
    HistoryFacts,
    InvalidFactorInput,
    Provenance,
    RiskAssessment,
    RiskEvidence,
    Signing,
    SupplyChainFacts,
    VulnerabilityFacts,
    assess,
    inputs_from_evidence,
)
from eucora.policy.library import shipped_risk_models

MODEL = shipped_risk_models()["v1.0"]
AT = datetime(2025, 3, 1, tzinfo=UTC)
CLEAN = VulnerabilityFacts(critical=0, high=0, medium=0, low=0, reference="pack:1#scan")


def attested(key: str, row: str) -> FactorInput:
    return FactorInput(key=key, basis=Basis.ATTESTED, rubric_key=row, attested_by="ada", attested_at=AT)


def evidence(
    *,
    signing: Signing = Signing.SIGNED_KNOWN_VENDOR,
    provenance: Provenance = Provenance.VERIFIED,
    vulnerabilities: VulnerabilityFacts | None = CLEAN,
    statements: tuple[FactorInput, ...] = (),
) -> RiskEvidence:
    return RiskEvidence(
        supply_chain=SupplyChainFacts(signing=signing, provenance=provenance, reference="pack:1#artifact"),
        vulnerabilities=vulnerabilities,
        cohort=CohortFacts(devices=31, critical_infrastructure=False, reference="cohort:1"),
        history=HistoryFacts(successes=1_000, total=1_000, security_breach=False, reference="history:1"),
        statements=statements,
    )


def level(assessment: RiskAssessment, key: str) -> str:
    return next(factor.level for factor in assessment.factors if factor.key == key)


def assessed(facts: RiskEvidence) -> RiskAssessment:
    return assess(MODEL, inputs_from_evidence(facts), submitter="sam")


def test_a_well_known_tool_is_scored_like_the_first_golden_vector() -> None:
    statements = (
        attested("privilege_impact", "user_context_no_elevation"),
        attested("exploitability", "no_listeners_no_scripting"),
        attested("data_access", "scoped_to_app_directory"),
        attested("operational_complexity", "online_no_reboot_lt_5min"),
    )
    assessment = assessed(evidence(statements=statements))
    assert (assessment.raw_score, assessment.score, assessment.label) == ("13.5", 14, "low")
    assert {factor.basis for factor in assessment.factors} == {Basis.MEASURED, Basis.ATTESTED}


@pytest.mark.parametrize(
    ("signing", "provenance", "row"),
    [
        (Signing.SIGNED_KNOWN_VENDOR, Provenance.VERIFIED, "signed_known_vendor_provenance"),
        (Signing.SIGNED_KNOWN_VENDOR, Provenance.WEAK, "signed_known_vendor_weak_provenance"),
        (Signing.SIGNED_KNOWN_VENDOR, Provenance.UNCERTAIN, "signed_known_vendor_weak_provenance"),
        (Signing.SIGNED_UNKNOWN_VENDOR, Provenance.VERIFIED, "signed_unknown_vendor"),
        (Signing.SIGNED_UNKNOWN_VENDOR, Provenance.WEAK, "signed_unknown_vendor"),
        (Signing.SIGNED_UNKNOWN_VENDOR, Provenance.UNCERTAIN, "signed_unknown_vendor"),
        (Signing.SELF_SIGNED, Provenance.VERIFIED, "unsigned_self_signed"),
        (Signing.SELF_SIGNED, Provenance.WEAK, "unsigned_uncertain_provenance"),
        (Signing.SELF_SIGNED, Provenance.UNCERTAIN, "unsigned_uncertain_provenance"),
        (Signing.UNSIGNED, Provenance.VERIFIED, "unsigned_self_signed"),
        (Signing.UNSIGNED, Provenance.WEAK, "unsigned_uncertain_provenance"),
        (Signing.UNSIGNED, Provenance.UNCERTAIN, "unsigned_uncertain_provenance"),
    ],
)
def test_signature_and_provenance_choose_the_row(signing: Signing, provenance: Provenance, row: str) -> None:
    assert level(assessed(evidence(signing=signing, provenance=provenance)), "supply_chain_trust") == row


@pytest.mark.parametrize(
    ("critical", "excepted", "high", "compensated", "medium", "low", "row"),
    [
        (0, 0, 0, 0, 0, 0, "no_high_critical"),
        (0, 0, 0, 0, 0, 1, "low_medium_only"),
        (0, 0, 0, 0, 1, 0, "low_medium_only"),
        (0, 0, 1, 1, 0, 0, "high_with_compensating_controls"),
        (0, 0, 2, 1, 0, 0, "critical_no_exception"),
        (1, 1, 0, 0, 5, 5, "critical_with_exception"),
        (1, 1, 1, 1, 0, 0, "critical_with_exception"),
        (1, 1, 1, 0, 0, 0, "critical_no_exception"),
        (1, 0, 0, 0, 0, 0, "critical_no_exception"),
        (2, 1, 0, 0, 0, 0, "critical_no_exception"),
    ],
)
def test_the_worst_finding_decides(  # noqa: PLR0917 - the columns of a table
    critical: int, excepted: int, high: int, compensated: int, medium: int, low: int, row: str
) -> None:
    facts = VulnerabilityFacts(
        critical=critical,
        high=high,
        medium=medium,
        low=low,
        critical_excepted=excepted,
        high_compensated=compensated,
        exception_ids=("EX-1",) if excepted or compensated else (),
        reference="pack:1#scan",
    )
    assert level(assessed(evidence(vulnerabilities=facts)), "sbom_vulnerability") == row


def test_the_rationale_counts_findings_and_names_exceptions_and_scan() -> None:
    facts = VulnerabilityFacts(
        critical=1,
        high=2,
        medium=3,
        low=4,
        critical_excepted=1,
        high_compensated=2,
        exception_ids=("EX-9", "EX-1", "EX-9"),
        reference="pack:1#scan",
    )
    assessment = assessed(evidence(vulnerabilities=facts))
    assert assessment.factors[4].rationale == (
        "Critical findings, all under exceptions (1 critical of which 1 excepted, 2 high of which 2 compensated, "
        "3 medium, 4 low; exceptions EX-1, EX-9), measured from pack:1#scan."
    )


@pytest.mark.parametrize(
    "facts",
    [
        VulnerabilityFacts(critical=-1, high=0, medium=0, low=0, reference="s"),
        VulnerabilityFacts(critical=0, high=0, medium=0, low=0, critical_excepted=1, reference="s"),
        VulnerabilityFacts(critical=0, high=1, medium=0, low=0, high_compensated=2, reference="s"),
        VulnerabilityFacts(critical=1, high=0, medium=0, low=0, critical_excepted=1, reference="s"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(facts: VulnerabilityFacts) -> None:
    with pytest.raises(InvalidFactorInput) as refusal:
        inputs_from_evidence(evidence(vulnerabilities=facts))
    assert refusal.value.factor == "sbom_vulnerability"


def test_cohort_and_history_carry_their_flags() -> None:
    facts = RiskEvidence(
        supply_chain=None,
        vulnerabilities=None,
        cohort=CohortFacts(devices=500, critical_infrastructure=True, reference="cohort:1"),
        history=HistoryFacts(successes=9, total=9, security_breach=True, reference="history:1"),
    )
    assessment = assessed(facts)
    assert level(assessment, "blast_radius") == "fewer_than_1000_critical_infrastructure"
    assert level(assessment, "history") == "prior_security_breach"


def test_what_was_not_measured_takes_the_worst_value() -> None:
    nothing = RiskEvidence(supply_chain=None, vulnerabilities=None, cohort=None, history=None)
    assert inputs_from_evidence(nothing) == ()
    assert {factor.basis for factor in assessed(nothing).factors} == {Basis.WORST_CASE}


@pytest.mark.parametrize("basis", [Basis.MEASURED, Basis.WORST_CASE])
def test_a_statement_that_claims_to_be_a_measurement_is_refused(basis: Basis) -> None:
    claim = FactorInput(
        key="data_access", basis=basis, rubric_key="scoped_to_app_directory", evidence_reference="trust me"
    )
    with pytest.raises(InvalidFactorInput, match="a statement is declared or attested"):
        inputs_from_evidence(evidence(statements=(claim,)))


def scan(counts: list[int], *, excepted: int, compensated: int) -> VulnerabilityFacts:
    critical, high, medium, low = counts
    return VulnerabilityFacts(
        critical=critical,
        high=high,
        medium=medium,
        low=low,
        critical_excepted=excepted,
        high_compensated=compensated,
        exception_ids=("EX-1",),
        reference="scan:1",
    )


@given(st.tuples(*[st.integers(0, 3)] * 4), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_one_finding_more_never_lowers_the_score(
    counts: tuple[int, ...], excepted: int, compensated: int, index: int
) -> None:
    excepted, compensated = min(excepted, counts[0]), min(compensated, counts[1])
    more = [count + (position == index) for position, count in enumerate(counts)]
    before, after = (
        assessed(evidence(vulnerabilities=scan(each, excepted=excepted, compensated=compensated)))
        for each in (list(counts), more)
    )
    assert before.score <= after.score
