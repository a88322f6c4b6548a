"""What is hashed is canonical JSON, and a fact comes back from its event as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.evidence.canonical import canonical_json, digest
from eucora.evidence.errors import NotCanonicalJson
from eucora.store.chain import GENESIS, MEMBERS, Draft, chain, draft, event_json, fact_of
from models.messages.codec import time_to_text
from tests.store.histories import completed, rejected, rolled_back, small

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 30))  # noqa: DTZ001
PAYLOADS = st.dictionaries(
    TEXT,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(
    texts=st.lists(TEXT, min_size=5, max_size=5),
    at=TIMES,
    ring=st.none() | TEXT,
    plane=st.none() | TEXT,
    payload=PAYLOADS,
    sequence=st.integers(1, 2**53 - 1),
)
def test_the_hashed_text_is_the_canonical_json_of_the_members(  # noqa: PLR0917 - hypothesis names them
    texts: list[str], at: datetime, ring: str | None, plane: str | None, payload: dict[str, Any], sequence: int
) -> None:
    kind, actor, role, correlation_id, stream = texts
    one = Draft(
        type=kind,
        actor=actor,
        role=role,
        at=at,
        correlation_id=correlation_id,
        payload=canonical_json(payload).decode(),
        ring=ring,
        plane=plane,
        error_class="NONE",
    )
    general = {
        "stream": stream,
        "sequence": sequence,
        "type": kind,
        "actor": actor,
        "role": role,
        "at": time_to_text(at),
        "correlation_id": correlation_id,
        "ring": ring,
        "plane": plane,
        "payload": payload,
        "error_class": "NONE",
        "previous_hash": GENESIS,
    }
    assert event_json(stream, sequence, one, GENESIS) == canonical_json(general)
    assert sorted(general) == list(MEMBERS)


@pytest.mark.parametrize("history", [small, completed, rejected, rolled_back])
def test_a_fact_comes_back_from_its_event(history: Any) -> None:
    facts = history()
    events = chain("deployment/d-1", [draft(fact, correlation_id="c") for fact in facts])
    previous = GENESIS
    for fact, event in zip(facts, events, strict=True):
        value = json.loads(event_json("deployment/d-1", event.sequence, event.draft, event.previous_hash))
        assert fact_of(value) == fact
        assert (event.previous_hash, event.hash) == (previous, digest(value))
        previous = event.hash


def test_the_same_instant_in_another_zone_has_the_same_hash() -> None:
    here = datetime(2026, 1, 5, 9, tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(hours=2)))
    hashes = {
        chain("s", [Draft(type="T", actor="a", role="r", at=at, correlation_id="", payload="{}")])[0].hash
        for at in (here, there)
    }
    assert len(hashes) == 1


def test_half_a_surrogate_pair_has_no_hash() -> None:
    one = Draft(
        type="T", actor="\ud800", role="r", at=datetime(2026, 1, 5, tzinfo=UTC), correlation_id="", payload="{}"
    )
    with pytest.raises(NotCanonicalJson):
        chain("s", [one])
