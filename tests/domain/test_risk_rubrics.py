"""Every row of the tables of domain.md §2, on its boundaries, in the shipped models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.risk import Basis, FactorInput, InvalidFactorInput, RiskModel, assess
from eucora.policy.library import shipped_risk_models

MODELS = shipped_risk_models()
KEYED = {
    ("v1.0", "privilege_impact"): {
        "user_context_no_elevation": "0.2",
        "user_context_optional_admin": "0.5",
        "admin_install_user_runtime": "0.7",
        "service_elevated_runtime": "1",
        "kernel_driver_extension": "1",
    },
    ("v1.0", "supply_chain_trust"): {
        "signed_known_vendor_provenance": "0.1",
        "signed_known_vendor_weak_provenance": "0.3",
        "signed_unknown_vendor": "0.4",
        "unsigned_self_signed": "0.7",
        "unsigned_uncertain_provenance": "0.9",
    },
    ("v1.0", "exploitability"): {
        "no_listeners_no_scripting": "0.2",
        "user_listener_non_privileged": "0.5",
        "embedded_scripting_macros": "0.6",
        "user_listener_plus_scripting": "0.8",
        "privileged_listener_elevated": "1",
    },
    ("v1.0", "data_access"): {
        "scoped_to_app_directory": "0.1",
        "read_user_documents_desktop": "0.4",
        "read_write_user_profile": "0.6",
        "credential_store_access": "0.9",
        "wide_filesystem_plus_credentials": "1",
    },
    ("v1.0", "sbom_vulnerability"): {
        "no_high_critical": "0",
        "low_medium_only": "0.3",
        "high_with_compensating_controls": "0.7",
        "critical_with_exception": "0.9",
        "critical_no_exception": "1",
    },
    ("v1.0", "operational_complexity"): {
        "online_no_reboot_lt_5min": "0.1",
        "online_no_reboot_5_15min": "0.3",
        "requires_reboot_user_initiated": "0.5",
        "reboot_plus_sequencing": "0.7",
        "offline_import_reboot_sequencing": "1",
    },
    ("deployment-8", "privilege_elevation"): {"requires_admin": "1", "requests_elevation": "0.5", "no_elevation": "0"},
    ("deployment-8", "blast_radius"): {"lab": "0", "canary": "0.2", "pilot": "0.4", "department": "0.7", "global": "1"},
    ("deployment-8", "rollback_complexity"): {"plan_tested": "0", "plan": "0.5", "none": "1"},
    ("deployment-8", "vulnerability_severity"): {"critical": "1", "high": "0.7", "medium": "0.3", "none": "0"},
    ("quality-5", "manual_testing"): {"done": "0", "in_progress": "0.3", "not_started": "0.5"},
    ("quality-5", "rollback_validation"): {"validated": "0", "missing": "0.5"},
}
WEIGHTS = {
    "v1.0": [20, 15, 10, 10, 15, 10, 10, 10],
    "deployment-8": [15, 20, 15, 20, 10, 5, 10, 5],
    "quality-5": [25, 25, 15, 15, 20],
}


def measured(
    key: str,
    *,
    rubric_key: str | None = None,
    number: int | None = None,
    out_of: int | None = None,
    tags: tuple[str, ...] | None = None,
    flags: tuple[str, ...] = (),
) -> FactorInput:
    return FactorInput(
        key=key,
        basis=Basis.MEASURED,
        rubric_key=rubric_key,
        number=number,
        out_of=out_of,
        tags=tags,
        flags=flags,
        evidence_reference="pack:1",
    )


def value_of(model: RiskModel, entry: FactorInput) -> str:
    assessment = assess(model, [entry], submitter="sam")
    return next(factor.value for factor in assessment.factors if factor.key == entry.key)


@pytest.mark.parametrize("model_id", MODELS)
def test_the_weights_are_those_of_the_table(model_id: str) -> None:
    assert [int(factor.weight) for factor in MODELS[model_id].factors] == WEIGHTS[model_id]


def test_three_models_ship_in_their_first_version() -> None:
    assert {name: (model.model_id, model.version) for name, model in MODELS.items()} == {
        "v1.0": ("v1.0", "v1.0"),
        "deployment-8": ("deployment-8", "v1.0"),
        "quality-5": ("quality-5", "v1.0"),
    }


@pytest.mark.parametrize(
    ("model_id", "factor", "row", "value"),
    [(model, factor, row, value) for (model, factor), rows in KEYED.items() for row, value in rows.items()],
)
def test_keyed_rows(model_id: str, factor: str, row: str, value: str) -> None:
    assert value_of(MODELS[model_id], measured(factor, rubric_key=row)) == value


@pytest.mark.parametrize(("model_id", "factor"), KEYED)
def test_keyed_rubrics_have_no_further_rows(model_id: str, factor: str) -> None:
    with pytest.raises(InvalidFactorInput) as refusal:
        value_of(MODELS[model_id], measured(factor, rubric_key="no_such_row"))
    rows = str(refusal.value).split("its rows are ")[1].rstrip(".").split(", ")
    assert set(rows) == KEYED[model_id, factor].keys()


@pytest.mark.parametrize(
    ("devices", "value", "with_infrastructure"),
    [
        (0, "0.1", "0.12"),
        (9, "0.1", "0.12"),
        (10, "0.3", "0.36"),
        (99, "0.3", "0.36"),
        (100, "0.5", "0.6"),
        (999, "0.5", "0.6"),
        (1_000, "0.7", "0.84"),
        (10_000, "0.7", "0.84"),
        (10_001, "1", "1"),
        (100_000, "1", "1"),
    ],
)
def test_blast_radius_by_devices(devices: int, value: str, with_infrastructure: str) -> None:
    model = MODELS["v1.0"]
    assert value_of(model, measured("blast_radius", number=devices)) == value
    flagged = measured("blast_radius", number=devices, flags=("critical_infrastructure",))
    assert value_of(model, flagged) == with_infrastructure


@pytest.mark.parametrize(
    ("successes", "total", "value"),
    [
        (1_000, 1_000, "0.1"),
        (99_001, 100_000, "0.1"),
        (990, 1_000, "0.3"),
        (989, 1_000, "0.3"),
        (950, 1_000, "0.3"),
        (949, 1_000, "0.6"),
        (900, 1_000, "0.6"),
        (899, 1_000, "0.9"),
        (0, 1, "0.9"),
        (0, 0, "0.5"),
        (990_000_000_000_000_001, 1_000_000_000_000_000_000, "0.1"),
    ],
)
def test_history_by_success_rate(successes: int, total: int, value: str) -> None:
    assert value_of(MODELS["v1.0"], measured("history", number=successes, out_of=total)) == value


@pytest.mark.parametrize(("successes", "total"), [(1, 1), (0, 0), (0, 5)])
def test_a_prior_security_breach_is_the_worst_history(successes: int, total: int) -> None:
    entry = measured("history", number=successes, out_of=total, flags=("prior_security_breach",))
    assert value_of(MODELS["v1.0"], entry) == "1"


def test_no_past_rollout_says_so() -> None:
    assessment = assess(MODELS["v1.0"], [measured("history", number=0, out_of=0)], submitter="sam")
    history = assessment.factors[-1]
    assert history.rationale == (
        "No past rollout of the application (0 of 0 past installations succeeded), measured from pack:1."
    )


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        (("sox",), "1"),
        (("HIPAA",), "1"),
        (("pci", "sox"), "1"),
        (("pci",), "0.7"),
        (("gdpr", "PCI "), "0.7"),
        (("gdpr",), "0.3"),
        ((), "0"),
    ],
)
def test_compliance_impact_by_tags(tags: tuple[str, ...], value: str) -> None:
    assert value_of(MODELS["deployment-8"], measured("compliance_impact", tags=tags)) == value


@pytest.mark.parametrize(
    ("count", "value"),
    [(0, "1"), (1, "0.7"), (2, "0.7"), (3, "0.4"), (5, "0.4"), (6, "0.2"), (10, "0.2"), (11, "0")],
)
def test_deployment_frequency(count: int, value: str) -> None:
    assert value_of(MODELS["deployment-8"], measured("deployment_frequency", number=count)) == value


@pytest.mark.parametrize(
    ("missing", "value"), [(0, "0"), (1, "0.25"), (2, "0.5"), (3, "0.75"), (4, "1"), (5, "1"), (10**30, "1")]
)
def test_evidence_completeness_counts_missing_parts_over_four(missing: int, value: str) -> None:
    assert value_of(MODELS["deployment-8"], measured("evidence_completeness", number=missing)) == value


@pytest.mark.parametrize(
    ("successes", "value"),
    [
        (100, "0"),
        (99, "0"),
        (98, "0.1"),
        (90, "0.1"),
        (89, "0.3"),
        (75, "0.3"),
        (74, "0.6"),
        (50, "0.6"),
        (49, "1"),
        (0, "1"),
    ],
)
def test_historical_success_rate(successes: int, value: str) -> None:
    entry = measured("historical_success_rate", number=successes, out_of=100)
    assert value_of(MODELS["deployment-8"], entry) == value


def test_historical_success_rate_without_deployments() -> None:
    assert value_of(MODELS["deployment-8"], measured("historical_success_rate", number=0, out_of=0)) == "0.5"


@pytest.mark.parametrize(("covered", "value"), [(1000, "0"), (901, "0"), (900, "0.1"), (800, "0.1"), (799, "0.3")])
def test_test_coverage(covered: int, value: str) -> None:
    assert value_of(MODELS["quality-5"], measured("test_coverage", number=covered, out_of=1000)) == value


@pytest.mark.parametrize(("issues", "value"), [(0, "0"), (1, "0.2"), (2, "0.2"), (3, "0.5")])
def test_security_issues(issues: int, value: str) -> None:
    assert value_of(MODELS["quality-5"], measured("security_issues", number=issues)) == value


@pytest.mark.parametrize(("scope", "value"), [(0, "0"), (4, "0"), (5, "0.2"), (10, "0.2"), (11, "0.4")])
def test_change_scope(scope: int, value: str) -> None:
    assert value_of(MODELS["quality-5"], measured("change_scope", number=scope)) == value


@pytest.mark.parametrize(
    ("model_id", "entry"),
    [
        ("v1.0", measured("privilege_impact")),
        ("v1.0", measured("privilege_impact", number=1)),
        ("v1.0", measured("privilege_impact", rubric_key="kernel_driver_extension", number=1)),
        ("v1.0", measured("privilege_impact", rubric_key="kernel_driver_extension", tags=())),
        ("v1.0", measured("privilege_impact", rubric_key="kernel_driver_extension", flags=("loud",))),
        ("v1.0", measured("blast_radius", rubric_key="fewer_than_10")),
        ("v1.0", measured("blast_radius", number=-1)),
        ("v1.0", measured("blast_radius", number=1, out_of=2)),
        ("v1.0", measured("blast_radius", number=1, flags=("prior_security_breach",))),
        ("v1.0", measured("history", number=2, out_of=1)),
        ("v1.0", measured("history", number=-1, out_of=1)),
        ("v1.0", measured("history", number=1)),
        ("quality-5", measured("test_coverage", number=0, out_of=0)),
        ("deployment-8", measured("compliance_impact")),
        ("deployment-8", measured("compliance_impact", tags=("sox",), number=1)),
        ("deployment-8", measured("compliance_impact", tags=(" ",))),
        ("deployment-8", measured("compliance_impact", tags=(), flags=("loud",))),
        ("deployment-8", measured("evidence_completeness", number=-1)),
        ("deployment-8", measured("evidence_completeness", number=1, out_of=4)),
        ("deployment-8", measured("evidence_completeness", number=1, tags=())),
    ],
)
def test_a_shape_the_rubric_does_not_take_is_refused(model_id: str, entry: FactorInput) -> None:
    with pytest.raises(InvalidFactorInput) as refusal:
        assess(MODELS[model_id], [entry], submitter="sam")
    assert refusal.value.factor == entry.key


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_more_devices_never_lower_the_score(devices: int, further: int, infrastructure: bool) -> None:
    flags = ("critical_infrastructure",) if infrastructure else ()
    few = assess(MODELS["v1.0"], [measured("blast_radius", number=devices, flags=flags)], submitter="sam")
    many = assess(MODELS["v1.0"], [measured("blast_radius", number=devices + further, flags=flags)], submitter="sam")
    assert few.score <= many.score


@given(st.integers(1, 10**6).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_more_successes_never_raise_the_score(history: tuple[int, int]) -> None:
    successes, total = history
    before = assess(MODELS["v1.0"], [measured("history", number=successes, out_of=total)], submitter="sam")
    entry = measured("history", number=min(successes + 1, total), out_of=total)
    assert assess(MODELS["v1.0"], [entry], submitter="sam").score <= before.score
