"""Canonical JSON is that of RFC 8785, and everything without one is refused."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.errors import InvalidInput
from eucora.evidence.canonical import canonical_json, digest, sha256_hex
from eucora.evidence.errors import NotCanonicalJson

TEXT = st.text('ab"\\/\n\x00é€\ufb33\U0001f600', max_size=4)
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(min_value=-(2.0**53) + 1, max_value=2.0**53 - 1)
    | TEXT
)
FLAT = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(TEXT, SCALAR, max_size=3)
JSON = FLAT | st.lists(FLAT, max_size=3) | st.dictionaries(TEXT, FLAT, max_size=3)


def test_the_example_of_the_rfc() -> None:
    """RFC 8785 §3.2.2 to §3.2.4."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical_json(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf_16_code_units() -> None:
    """RFC 8785 §3.2.3: the emoji (a surrogate pair, D83D…) sorts before U+FB33."""
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical_json(value)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        "\ud800",
        {"\udfff": 1},
        {1: 1},
        b"x",
        {1, 2},
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
    ids=repr,
)
def test_a_value_without_a_canonical_form_is_refused(value: Any) -> None:
    for nested in (value, [value], {"a": value}):
        with pytest.raises(NotCanonicalJson) as refused:
            canonical_json(nested)
        assert isinstance(refused.value, InvalidInput)


def test_endless_nesting_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotCanonicalJson, match="nested"):
        digest(value)


@given(JSON)
def test_reading_and_writing_again_changes_no_byte(value: Any) -> None:
    data = canonical_json(value)
    assert canonical_json(json.loads(data)) == data
    assert digest(value) == sha256_hex(data) == hashlib.sha256(data).hexdigest()


@given(st.lists(st.tuples(TEXT, FLAT), max_size=4, unique_by=lambda pair: pair[0]))
def test_the_order_of_keys_does_not_matter(pairs: list[tuple[str, Any]]) -> None:
    assert digest(dict(pairs)) == digest(dict(reversed(pairs)))
