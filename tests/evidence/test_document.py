"""Documents are read strictly, and every refusal says where."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.evidence.document import Label, LooseModel, ReportedTime, Word, load_json, parse, pointer
from eucora.evidence.errors import EvidenceInvalid


def test_a_byte_order_mark_is_allowed() -> None:
    assert load_json(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}', what="report") == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"<bom/>", "XML"),
        (b'{"a": ', r"line 1, column \d+"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[" * 200_000, "nested"),
        (b'{"a": ' + b"9" * 5000 + b"}", "4300 digits"),
        (b'{"a": 1} x', "Extra data"),
    ],
)
def test_what_is_no_sound_json_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(EvidenceInvalid, match=words) as refused:
        load_json(data, what="report")
    assert refused.value.field == ""
    assert "The report" in refused.value.sentence


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with contextlib.suppress(EvidenceInvalid):
        load_json(data, what="report")


class Inner(LooseModel):
    name: Word
    note: Label = ""


class Outer(LooseModel):
    inner: list[Inner]
    at: ReportedTime | None = None


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], ""),
        ({}, "/inner"),
        ({"inner": "x"}, "/inner"),
        ({"inner": [{"name": "a"}, {}]}, "/inner/1/name"),
        ({"inner": [{"name": ""}]}, "/inner/0/name"),
        ({"inner": [{"name": "  "}]}, "/inner/0/name"),
        ({"inner": [{"name": 5}]}, "/inner/0/name"),
        ({"inner": [{"name": "a", "note": "\x00"}]}, "/inner/0/note"),
        ({"inner": [{"name": "a" * 513}]}, "/inner/0/name"),
        ({"inner": [], "at": 5}, "/at"),
        ({"inner": [], "at": "yesterday"}, "/at"),
        ({"inner": [], "at": "2026-01-01T00:00:00"}, "/at"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_json_pointer(value: Any, place: str) -> None:
    with pytest.raises(EvidenceInvalid) as refused:
        parse(Outer, value, what="report")
    assert refused.value.field == place
    assert (place or "its top") in refused.value.sentence


def test_fields_that_nobody_asked_for_are_left_alone_and_times_are_utc() -> None:
    read = parse(Outer, {"inner": [], "at": "2026-01-01T02:00:00.123456789+02:00", "more": 1}, what="report")
    assert read.at == datetime(2026, 1, 1, microsecond=123456, tzinfo=UTC)


def test_a_json_pointer_escapes_slashes_and_tildes() -> None:
    """RFC 6901 §3."""
    assert pointer(["a/b", "m~n", 0, ""]) == "/a~1b/m~0n/0/"
