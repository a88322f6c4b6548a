"""The hash chain of a stream (``domain.md`` §8): what exactly is hashed, and how an event becomes a fact again.

The hash of an event is the SHA-256 of its canonical JSON (RFC 8785) with these members and no other::

    actor at correlation_id error_class payload plane previous_hash ring role sequence stream type

``previous_hash`` is the hash of the event before it in the stream, 64 zeros for the first. ``at`` is RFC 3339 in UTC
with six decimals and ``Z``. The payload of a deployment's fact is what these members do not say already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eucora.domain.facts import Fact
from eucora.evidence.canonical import canonical_json
from eucora.evidence.errors import NotCanonicalJson
from models.messages.codec import fact_from_json, fact_to_json, time_to_text

__all__ = [
    "GENESIS",
    "MEMBERS",
    "Draft",
    "Event",
    "chain",
    "deployment_stream",
    "draft",
    "event_json",
    "fact_of",
]

GENESIS = "0" * 64
MEMBERS = (
    "actor", "at", "correlation_id", "error_class", "payload", "plane", "previous_hash", "ring", "role", "sequence",
    "stream", "type",
)  # fmt: skip
"""The hashed members in the order of their canonical JSON."""

_ENVELOPE = ("type", "actor", "role", "at", "error_class", "ring", "plane")
_quote = json.JSONEncoder(ensure_ascii=False).encode


def deployment_stream(deployment_id: str) -> str:
    """Name of a deployment's stream."""
    return f"deployment/{deployment_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it has a place in a stream. ``payload`` is canonical JSON as text; ``at`` is UTC."""

    type: str
    actor: str
    role: str
    at: datetime
    correlation_id: str
    payload: str
    ring: str | None = None
    plane: str | None = None
    error_class: str = "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A draft in its place: ``sequence`` counts from 1, hashes are lower-case hex."""

    sequence: int
    draft: Draft
    previous_hash: str
    hash: str


def draft(fact: Fact, *, correlation_id: str) -> Draft:
    """A fact as an event to be. Raises ``NotCanonicalJson`` when it holds half a surrogate pair, NaN or the like."""
    value = fact_to_json(fact)
    envelope = {name: value.pop(name, None) for name in _ENVELOPE}
    return Draft(
        type=envelope["type"],
        actor=envelope["actor"],
        role=envelope["role"],
        at=fact.at,
        correlation_id=correlation_id,
        ring=envelope["ring"],
        plane=envelope["plane"],
        payload=canonical_json(value).decode(),
        error_class=envelope["error_class"],
    )


def fact_of(event: dict[str, Any]) -> Fact:
    """The fact of a deployment's event, given the event's hashed members. Raises ``ValueError`` for anything else."""
    payload = event["payload"]
    if not isinstance(payload, dict):
        raise ValueError(f"the payload of {event['type']} is not an object")  # noqa: TRY004 - see the docstring
    value = {**payload, **{name: event[name] for name in _ENVELOPE if event[name] is not None}}
    return fact_from_json(value)


def chain(
    stream: str, drafts: Iterable[Draft] | Sequence[Draft], *, after: int = 0, previous: str = GENESIS
) -> tuple[Event, ...]:
    """Give the drafts their places behind the event ``after``, whose hash is ``previous``."""
    events = []
    for sequence, one in enumerate(drafts, after + 1):
        digest = hashlib.sha256(event_json(stream, sequence, one, previous)).hexdigest()
        events.append(Event(sequence=sequence, draft=one, previous_hash=previous, hash=digest))
        previous = digest
    return tuple(events)


def event_json(stream: str, sequence: int, one: Draft, previous: str) -> bytes:
    """The canonical JSON that is hashed. Raises ``NotCanonicalJson`` for half a surrogate pair."""
    # Written out, because the members are known and flat; a test holds it against the general writer.
    text = (
        f'{{"actor":{_quote(one.actor)},"at":"{time_to_text(one.at)}","correlation_id":{_quote(one.correlation_id)}'
        f',"error_class":{_quote(one.error_class)},"payload":{one.payload},"plane":{_text(one.plane)}'
        f',"previous_hash":{_quote(previous)},"ring":{_text(one.ring)},"role":{_quote(one.role)}'
        f',"sequence":{sequence},"stream":{_quote(stream)},"type":{_quote(one.type)}}}'
    )
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalJson("The event holds half of a UTF-16 surrogate pair.") from error


def _text(value: str | None) -> str:
    return "null" if value is None else _quote(value)
