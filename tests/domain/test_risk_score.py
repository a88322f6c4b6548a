"""The score is exact, half-up rounded, bounded and monotone (domain.md §2)."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.errors import InvalidInput
from eucora.domain.risk import RiskModel, parse_model, score_values
from eucora.policy.library import shipped_risk_models

MODEL = shipped_risk_models()["v1.0"]


def model_of(*weights: str) -> RiskModel:
    """A model of keyed factors with these weights."""
    rubric = {"kind": "keyed", "rows": [{"key": "row", "title": "Row", "value": 1}]}
    return parse_model(
        {
            "model_id": "made",
            "version": "v1.0",
            "title": "Made",
            "threshold": 50,
            "labels": [{"at_most": 100, "label": "any"}],
            "factors": [
                {"key": f"factor_{index}", "title": f"Factor {index}", "weight": weight, "rubric": rubric}
                for index, weight in enumerate(weights)
            ],
        }
    )


MODELS = (
    *shipped_risk_models().values(),
    model_of("100"),
    model_of("33.333333", "66.666667"),
    model_of("0.000001", "99.999999"),
    model_of(*["0.5"] * 3, *["12.3"] * 5, "1.75", "35.25"),
)
MOST_FACTORS = 10


def by_key(model: RiskModel, numbers: list[Decimal]) -> dict[str, Decimal]:
    return {factor.key: number for factor, number in zip(model.factors, numbers, strict=True)}


def as_case(drawn: tuple[RiskModel, tuple[int, ...], int]) -> tuple[RiskModel, list[Decimal]]:
    """Values in millionths, put on a grid of the drawn step: a coarse grid gives sums that end in exactly a half."""
    model, millionths, step = drawn
    return model, [Decimal(number - number % step) / 10**6 for number in millionths[: len(model.factors)]]


millionths = st.integers(0, 10**6)
cases = st.tuples(
    st.sampled_from(MODELS), st.tuples(*[millionths] * MOST_FACTORS), st.sampled_from([1, 5_000, 100_000])
).map(as_case)


@pytest.mark.parametrize(
    ("numbers", "raw", "rounded"),
    [
        ([".2", ".1", ".2", ".1", "0", ".3", ".1", ".1"], "13.5", 14),
        (["1", ".1", "1", "1", "0", "1", ".7", ".3"], "61.5", 62),
        ([".7", ".7", ".5", ".6", ".9", ".5", ".3", ".1"], "58", 58),
        (["1", ".1", ".6", ".2", "0", ".4", ".3", ".2"], "38.5", 39),
        ([".7", ".1", ".2", ".4", "0", ".5", ".5", ".3"], "34.5", 35),
    ],
)
def test_golden_vectors(numbers: list[str], raw: str, rounded: int) -> None:
    assert score_values(MODEL, by_key(MODEL, [Decimal(number) for number in numbers])) == (Decimal(raw), rounded)


def test_all_best_is_0_and_all_worst_is_100() -> None:
    assert score_values(MODEL, by_key(MODEL, [Decimal(0)] * 8)).rounded == 0
    assert score_values(MODEL, by_key(MODEL, [Decimal(1)] * 8)).rounded == 100


def test_the_callers_decimal_context_does_not_change_the_score() -> None:
    numbers = by_key(MODEL, [Decimal("0.123457")] * 8)
    expected = score_values(MODEL, numbers)
    with localcontext(prec=2):
        assert score_values(MODEL, numbers) == expected


@pytest.mark.parametrize("wrong", [{}, {"history": Decimal(0)}])
def test_values_of_other_factors_than_the_models_are_refused(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(InvalidInput, match="The values must be those of") as refusal:
        score_values(MODEL, wrong)
    assert refusal.value.code == "invalid_factor_values"


@pytest.mark.parametrize("wrong", ["-0.1", "1.000001", "NaN", "Infinity", "0.1234567"])
def test_a_value_outside_the_unit_interval_or_too_fine_is_refused(wrong: str) -> None:
    numbers = by_key(MODEL, [Decimal(0)] * 7 + [Decimal(wrong)])
    with pytest.raises(InvalidInput) as refusal:
        score_values(MODEL, numbers)
    assert refusal.value.field == "history"


@given(cases)
def test_the_score_is_the_fraction_oracles_and_lies_between_0_and_100(case: tuple[RiskModel, list[Decimal]]) -> None:
    model, numbers = case
    score = score_values(model, by_key(model, numbers))
    pairs = zip(model.factors, numbers, strict=True)
    oracle = sum((Fraction(factor.weight) * Fraction(number) for factor, number in pairs), Fraction(0))
    assert Fraction(score.raw) == oracle
    assert score.rounded == math.floor(oracle + Fraction(1, 2))
    assert 0 <= score.raw <= 100
    assert 0 <= score.rounded <= 100
    assert score_values(model, dict(reversed(by_key(model, numbers).items()))) == score


@given(cases, st.integers(0, MOST_FACTORS - 1), millionths)
def test_the_score_rises_with_each_value(case: tuple[RiskModel, list[Decimal]], index: int, more: int) -> None:
    model, numbers = case
    index %= len(numbers)
    worse = list(numbers)
    worse[index] = min(Decimal(1), numbers[index] + Decimal(more) / 10**6)
    before, after = (score_values(model, by_key(model, list(each))) for each in (numbers, worse))
    assert after.raw >= before.raw
    assert after.rounded >= before.rounded
    assert (after.raw > before.raw) == (worse[index] > numbers[index])


@given(st.integers(0, 200))
def test_halves_round_up(halves: int) -> None:
    model = model_of("100")
    assert score_values(model, {"factor_0": Decimal(halves) / 200}).rounded == (halves + 1) // 2
