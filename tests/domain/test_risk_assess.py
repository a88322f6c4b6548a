"""Measured wins, attestation needs somebody else, a declaration alone never lowers a score (domain.md §2)."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from eucora.domain.errors import InvalidInput
from eucora.domain.risk import (
    AttestedBySubmitter,
    Basis,
    DeclaredBetterThanMeasured,
    FactorAssessment,
    FactorInput,
    InvalidFactorInput,
    RiskAssessment,
    assess,
    rederive,
)
from eucora.policy.library import shipped_risk_models

MODELS = shipped_risk_models()
MODEL = MODELS["v1.0"]
ASSESSMENT = TypeAdapter(RiskAssessment)
AT = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
VALUES = {
    "user_context_no_elevation": 2,
    "user_context_optional_admin": 5,
    "service_elevated_runtime": 10,
    "kernel_driver_extension": 10,
    "signed_known_vendor_provenance": 1,
    "signed_unknown_vendor": 4,
    "unsigned_uncertain_provenance": 9,
    "no_listeners_no_scripting": 2,
    "embedded_scripting_macros": 6,
    "privileged_listener_elevated": 10,
}
"""Tenths of each row below, from the table."""
ROWS = {
    "privilege_impact": list(VALUES)[:4],
    "supply_chain_trust": list(VALUES)[4:7],
    "exploitability": list(VALUES)[7:],
}


def stated(basis: Basis, key: str, row: str, *, by: str = "ada") -> FactorInput:
    """An input with all that its basis asks for."""
    if basis is Basis.ATTESTED:
        return FactorInput(key=key, basis=basis, rubric_key=row, attested_by=by, attested_at=AT)
    reference = "pack:1" if basis is Basis.MEASURED else None
    return FactorInput(key=key, basis=basis, rubric_key=row, evidence_reference=reference)


def factor(assessment: RiskAssessment, key: str) -> FactorAssessment:
    return next(each for each in assessment.factors if each.key == key)


def measured(key: str, number: int, out_of: int | None = None, flags: tuple[str, ...] = ()) -> FactorInput:
    return FactorInput(
        key=key, basis=Basis.MEASURED, number=number, out_of=out_of, flags=flags, evidence_reference="record:1"
    )


def as_inputs(drawn: tuple[FactorInput | None, ...]) -> list[FactorInput]:
    return [entry for entry in drawn if entry is not None]


COHORTS = [
    measured("blast_radius", devices, flags=flags)
    for devices in (0, 9, 10, 99, 100, 999, 1_000, 10_000, 10_001)
    for flags in ((), ("critical_infrastructure",))
]
HISTORIES = [
    measured("history", successes, total) for successes, total in [(0, 0), (0, 1), (1, 1), (6, 7), (990, 1_000)]
]
statements = st.tuples(
    *(
        st.sampled_from([None, *(stated(basis, key, row) for row in rows)])
        for key, rows in ROWS.items()
        for basis in (Basis.MEASURED, Basis.ATTESTED, Basis.DECLARED)
    ),
    st.sampled_from([None, *COHORTS]),
    st.sampled_from([None, *HISTORIES]),
).map(as_inputs)
"""Inputs of five factors that can only be refused for a declaration that is better than a measurement."""


def assess_or_refusal(entries: list[FactorInput]) -> RiskAssessment | str:
    try:
        return assess(MODEL, entries, submitter="sam")
    except DeclaredBetterThanMeasured as refusal:
        return refusal.code


def test_nothing_known_takes_the_worst_value_of_every_factor_and_says_so() -> None:
    assessment = assess(MODEL, [], submitter="sam")
    assert (assessment.score, assessment.raw_score, assessment.label) == (99, "98.5", "high")
    assert {each.basis for each in assessment.factors} == {Basis.WORST_CASE}
    assert factor(assessment, "data_access").rationale == (
        "Neither measured nor attested: the worst value applies (Reaches the wide file system and credentials)."
    )
    assert factor(assessment, "supply_chain_trust").rationale == (
        "Not measured, as it must be: the worst value applies (Unsigned or self-signed, provenance uncertain)."
    )


def test_a_measured_factor_names_its_evidence() -> None:
    entry = FactorInput(
        key="blast_radius",
        basis=Basis.MEASURED,
        number=42,
        flags=("critical_infrastructure",),
        evidence_reference="cohort:7",
        note="windows and mac",
    )
    assert factor(assess(MODEL, [entry], submitter="sam"), "blast_radius") == FactorAssessment(
        key="blast_radius",
        title="Blast radius",
        level="fewer_than_100_critical_infrastructure",
        value="0.36",
        weight="10",
        contribution="3.6",
        basis=Basis.MEASURED,
        rationale=(
            "Fewer than 100 devices, holds critical infrastructure (×1.2, at most 1) (42 devices; windows and mac), "
            "measured from cohort:7."
        ),
    )


def test_an_attestation_counts_and_names_who_and_when() -> None:
    entry = replace(
        stated(Basis.ATTESTED, "privilege_impact", "user_context_no_elevation"), evidence_reference="pack:1"
    )
    impact = factor(assess(MODEL, [entry], submitter="sam"), "privilege_impact")
    assert (impact.value, impact.contribution, impact.basis) == ("0.2", "4", Basis.ATTESTED)
    assert impact.rationale == (
        "Runs as the user, without elevation, attested by ada at 2025-03-01 09:30 UTC on pack:1."
    )


def test_a_declaration_alone_does_not_lower_the_score() -> None:
    entry = stated(Basis.DECLARED, "privilege_impact", "user_context_no_elevation")
    impact = factor(assess(MODEL, [entry], submitter="sam"), "privilege_impact")
    assert (impact.value, impact.basis) == ("1", Basis.WORST_CASE)
    assert impact.rationale == (
        "Neither measured nor attested (declared as 0.2): the worst value applies (Runs as an elevated service)."
    )


def test_a_declaration_of_the_worst_value_stands_as_declared() -> None:
    entry = stated(Basis.DECLARED, "privilege_impact", "kernel_driver_extension")
    impact = factor(assess(MODEL, [entry], submitter="sam"), "privilege_impact")
    assert (impact.level, impact.value, impact.basis) == ("kernel_driver_extension", "1", Basis.DECLARED)
    assert impact.rationale == "Loads a kernel driver or extension, declared by the submitter: the worst value."


def test_a_declaration_better_than_the_measurement_is_refused() -> None:
    entries = [
        stated(Basis.MEASURED, "supply_chain_trust", "signed_unknown_vendor"),
        stated(Basis.DECLARED, "supply_chain_trust", "signed_known_vendor_provenance"),
    ]
    with pytest.raises(DeclaredBetterThanMeasured) as refusal:
        assess(MODEL, entries, submitter="sam")
    assert (refusal.value.factor, refusal.value.declared, refusal.value.measured) == (
        "supply_chain_trust",
        "0.1",
        "0.4",
    )
    assert refusal.value.field == "supply_chain_trust"
    assert str(refusal.value).startswith("supply_chain_trust: the declared value 0.1 is better than the measured")


@pytest.mark.parametrize("basis", [Basis.DECLARED, Basis.ATTESTED])
def test_the_measurement_wins_over_a_worse_statement(basis: Basis) -> None:
    entries = [
        stated(Basis.MEASURED, "supply_chain_trust", "signed_unknown_vendor"),
        stated(basis, "supply_chain_trust", "unsigned_uncertain_provenance"),
    ]
    trust = factor(assess(MODEL, entries, submitter="sam"), "supply_chain_trust")
    assert (trust.value, trust.basis) == ("0.4", Basis.MEASURED)
    assert trust.rationale.endswith(f"{basis.capitalize()} as 0.9; the measured value counts.")


def test_the_attestation_wins_over_the_declaration() -> None:
    entries = [
        stated(Basis.ATTESTED, "privilege_impact", "admin_install_user_runtime"),
        stated(Basis.DECLARED, "privilege_impact", "user_context_no_elevation"),
    ]
    impact = factor(assess(MODEL, entries, submitter="sam"), "privilege_impact")
    assert (impact.value, impact.basis) == ("0.7", Basis.ATTESTED)
    assert impact.rationale.endswith("Declared as 0.2; the attested value counts.")


@pytest.mark.parametrize("basis", [Basis.DECLARED, Basis.ATTESTED])
def test_what_must_be_measured_is_not_replaced_by_a_statement(basis: Basis) -> None:
    entry = stated(basis, "sbom_vulnerability", "no_high_critical")
    findings = factor(assess(MODEL, [entry], submitter="sam"), "sbom_vulnerability")
    assert (findings.value, findings.basis) == ("1", Basis.WORST_CASE)
    assert findings.rationale.startswith(f"Not measured, as it must be ({basis} as 0): the worst value applies")


@pytest.mark.parametrize("key", ["supply_chain_trust", "sbom_vulnerability", "blast_radius", "history"])
def test_signature_findings_cohort_and_history_must_always_be_measured(key: str) -> None:
    assert MODEL.factor_by_key[key].always_measured


def test_exactly_four_factors_can_be_attested() -> None:
    assert [each.key for each in MODEL.factors if not each.always_measured] == [
        "privilege_impact",
        "exploitability",
        "data_access",
        "operational_complexity",
    ]


@pytest.mark.parametrize(("submitter", "attester"), [("ada", "ada"), ("ADA", "ada"), ("ada", "Ada"), (" ada", "ada ")])
def test_the_submitter_cannot_attest(submitter: str, attester: str) -> None:
    entry = stated(Basis.ATTESTED, "privilege_impact", "user_context_no_elevation", by=attester)
    with pytest.raises(AttestedBySubmitter) as refusal:
        assess(MODEL, [entry], submitter=submitter)
    assert (refusal.value.code, refusal.value.factor) == ("attested_by_submitter", "privilege_impact")


GOOD = stated(Basis.ATTESTED, "data_access", "scoped_to_app_directory")


@pytest.mark.parametrize(
    "entry",
    [
        replace(GOOD, key="no_such_factor"),
        replace(GOOD, attested_by=None),
        replace(GOOD, attested_by=" "),
        replace(GOOD, attested_at=None),
        replace(GOOD, attested_at=AT.replace(tzinfo=None)),
        replace(GOOD, attested_at=AT.astimezone(timezone(timedelta(hours=2)))),
        replace(GOOD, basis=Basis.DECLARED),
        replace(GOOD, basis=Basis.MEASURED, evidence_reference="pack:1"),
        replace(GOOD, basis=Basis.MEASURED, attested_by=None, attested_at=None),
        replace(GOOD, basis=Basis.MEASURED, attested_by=None, attested_at=None, evidence_reference=" "),
        replace(GOOD, basis=Basis.WORST_CASE, attested_by=None, attested_at=None),
    ],
)
def test_an_input_whose_word_is_worth_nothing_is_refused(entry: FactorInput) -> None:
    assess(MODEL, [GOOD], submitter="sam")
    with pytest.raises(InvalidFactorInput) as refusal:
        assess(MODEL, [entry], submitter="sam")
    assert refusal.value.factor == entry.key


def test_two_inputs_on_the_same_basis_are_refused() -> None:
    with pytest.raises(InvalidFactorInput, match="two attested inputs"):
        assess(MODEL, [GOOD, replace(GOOD, attested_by="bob")], submitter="sam")


def test_a_malformed_statement_is_refused_even_when_a_measurement_exists() -> None:
    entries = [
        stated(Basis.MEASURED, "supply_chain_trust", "signed_unknown_vendor"),
        stated(Basis.DECLARED, "supply_chain_trust", "no_such_row"),
    ]
    with pytest.raises(InvalidFactorInput, match="no_such_row"):
        assess(MODEL, entries, submitter="sam")


def test_an_assessment_needs_a_submitter() -> None:
    with pytest.raises(InvalidInput) as refusal:
        assess(MODEL, [], submitter=" ")
    assert refusal.value.code == "missing_submitter"


def test_an_assessment_is_rederived_only_with_its_own_model() -> None:
    assessment = assess(MODEL, [], submitter="sam")
    for other in (MODELS["quality-5"], replace(MODEL, version="v1.1")):
        with pytest.raises(InvalidInput) as refusal:
            rederive(other, assessment)
        assert refusal.value.code == "other_risk_model"


@pytest.mark.parametrize(
    ("score", "label"), [(0, "low"), (50, "low"), (51, "elevated"), (75, "elevated"), (76, "high")]
)
def test_labels_follow_the_tiers(score: int, label: str) -> None:
    assert MODEL.label_of(score) == label


@given(statements)
def test_the_stored_assessment_rederives_byte_for_byte(entries: list[FactorInput]) -> None:
    assessment = assess_or_refusal(entries)
    if isinstance(assessment, str):
        return
    stored = ASSESSMENT.dump_json(assessment)
    loaded = ASSESSMENT.validate_json(stored)
    assert loaded == assessment
    assert ASSESSMENT.dump_json(rederive(MODEL, loaded)) == stored


@given(statements, st.integers(0))
def test_the_order_of_inputs_is_irrelevant(entries: list[FactorInput], seed: int) -> None:
    expected = assess_or_refusal(entries)
    shuffled = list(entries)
    random.Random(seed).shuffle(shuffled)
    assert assess_or_refusal(shuffled) == expected
    assert assess_or_refusal(entries) == expected


@given(statements)
def test_contributions_add_up_to_the_score(entries: list[FactorInput]) -> None:
    assessment = assess_or_refusal(entries)
    if isinstance(assessment, str):
        return
    total = sum(Fraction(each.contribution) for each in assessment.factors)
    assert total == Fraction(assessment.raw_score)
    assert assessment.score == math.floor(total + Fraction(1, 2))
    assert all(
        Fraction(each.contribution) == Fraction(each.weight) * Fraction(each.value) for each in assessment.factors
    )


@given(statements, st.sampled_from([(key, row) for key, rows in ROWS.items() for row in rows]))
def test_a_declaration_never_changes_the_score(entries: list[FactorInput], declared: tuple[str, str]) -> None:
    key, row = declared
    without = [entry for entry in entries if (entry.key, entry.basis) != (key, Basis.DECLARED)]
    before = assess_or_refusal(without)
    after = assess_or_refusal([*without, stated(Basis.DECLARED, key, row)])
    if isinstance(before, RiskAssessment) and isinstance(after, RiskAssessment):
        assert after.raw_score == before.raw_score


@given(statements)
def test_a_declaration_is_refused_exactly_when_it_is_better_than_the_measurement(entries: list[FactorInput]) -> None:
    value = {(entry.key, entry.basis): VALUES.get(entry.rubric_key or "", 0) for entry in entries}
    better = any(
        (key, Basis.MEASURED) in value
        and (key, Basis.DECLARED) in value
        and value[key, Basis.DECLARED] < value[key, Basis.MEASURED]
        for key in ROWS
    )
    assert (assess_or_refusal(entries) == "declared_better_than_measured") == better
