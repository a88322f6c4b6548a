"""Every fact and state survives its JSON form, byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.facts import Fact
from eucora.domain.rollout import fold
from eucora.evidence.canonical import canonical_json
from models.messages.codec import (
    fact_from_json,
    fact_to_json,
    state_from_text,
    state_to_text,
    time_from_text,
    time_to_text,
)
from tests.store.histories import completed, rejected, rolled_back, small

st.register_type_strategy(str, st.text(st.characters(codec="utf-8"), max_size=4))
st.register_type_strategy(int, st.integers(-(2**53) + 1, 2**53 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(
    datetime,
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
)


# All kinds in one property: each gets its share of the profile's examples.
FACTS = st.one_of([st.builds(kind, type=st.just(kind.__dataclass_fields__["type"].default)) for kind in get_args(Fact)])


@given(fact=FACTS)
def test_any_fact_comes_back_equal_and_is_written_the_same_again(fact: Any) -> None:
    written = fact_to_json(fact)
    read = fact_from_json(json.loads(canonical_json(written)))
    assert read == fact
    assert json.dumps(fact_to_json(read)) == json.dumps(written)


@pytest.mark.parametrize("history", [small, completed, rejected, rolled_back])
def test_a_state_comes_back_equal_at_every_step(history: Any) -> None:
    facts = history()
    for count in range(1, len(facts) + 1, 3):
        state = fold(facts[:count])
        written = state_to_text(state)
        read = state_from_text(written)
        assert read == state
        assert state_to_text(read) == written


def test_every_fact_has_a_type_of_its_own() -> None:
    types = [kind.__dataclass_fields__["type"].default for kind in get_args(Fact)]
    assert len(set(types)) == len(types)


def test_a_whole_number_is_written_alike_as_integer_and_as_float() -> None:
    fact = next(fact for fact in completed() if fact.type == "CAB_CONDITIONAL")
    conditions = fact.conditions
    forms = {
        json.dumps(fact_to_json(replace(fact, conditions=replace(conditions, min_success_rate=value))))
        for value in (97, 97.0)
    }
    assert len(forms) == 1


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        time_to_text(datetime(2026, 1, 5))  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        time_from_text("2026-01-05T00:00:00")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "APPROVED"])
def test_a_value_that_is_not_of_its_field_is_refused(value: Any) -> None:
    fact = next(fact for fact in completed() if fact.type == "CAB_CONDITIONAL")
    with pytest.raises(ValueError, match=r"no JSON form|serialized value may not be as expected"):
        fact_to_json(replace(fact, conditions=replace(fact.conditions, min_success_rate=value)))


def test_facts_of_another_release_are_read() -> None:
    written = fact_to_json(small()[-1])
    assert fact_from_json({**written, "added_later": 1}) == small()[-1]
    del written["error_class"]
    assert fact_from_json(written) == small()[-1]
