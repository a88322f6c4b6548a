"""What somebody with access to the file could do to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from eucora.audit.lines import document_line, event_line, footer_line, head_line
from eucora.evidence.canonical import canonical_json, sha256_hex
from eucora.store.chain import GENESIS

__all__ = ["Edit", "changed_leaves", "events_in", "forged", "refooted", "replaced", "with_document"]

Edit = Callable[[list[dict[str, Any]]], None]


def events_in(lines: list[bytes], stream: str) -> list[int]:
    """Indices of a stream's event lines."""
    return [index for index, line in enumerate(lines) if _event(line).get("stream") == stream]


def replaced(lines: list[bytes], index: int, event: dict[str, Any]) -> list[bytes]:
    """An event exchanged for another, its stored hash kept; the footer made to fit."""
    digest = json.loads(lines[index])["hash"]
    return refooted([*lines[:index], event_line(canonical_json(event), digest), *lines[index + 1 :]])


def forged(lines: list[bytes], stream: str, edit: Edit) -> list[bytes]:
    """A stream rewritten by somebody who knows the format: every hash, the head and the footer fit again."""
    indices = events_in(lines, stream)
    events = [_event(lines[index]) for index in indices]
    edit(events)
    rewritten, previous = [], GENESIS
    for sequence, event in enumerate(events, 1):
        event |= {"sequence": sequence, "previous_hash": previous}
        raw = canonical_json(event)
        previous = sha256_hex(raw)
        rewritten.append(event_line(raw, previous))
    rewritten.append(head_line(stream, length=len(events), digest=previous))
    return refooted([*lines[: indices[0]], *rewritten, *lines[indices[-1] + 2 :]])


def refooted(lines: list[bytes]) -> list[bytes]:
    """The footer made to fit the lines before it."""
    body = [line for line in lines if b'"footer"' not in line[:12]]
    content = hashlib.sha256(b"".join(body)).hexdigest()
    events = sum(1 for line in body if line.startswith(b'{"event":'))
    heads = sum(1 for line in body if line.startswith(b'{"head":'))
    return [*body, footer_line(streams=heads, events=events, digest=content)]


def with_document(lines: list[bytes], kind: str, edit: Callable[[Any], None], *, keep_digest: bool) -> list[bytes]:
    """The first document of a kind edited, under its old digest or under its new one."""
    for index, line in enumerate(lines):
        value = json.loads(line)
        if value.get("kind") == kind:
            edit(value["document"])
            digest = value["digest"] if keep_digest else sha256_hex(canonical_json(value["document"]))
            return refooted([*lines[:index], document_line(kind, digest, value["document"]), *lines[index + 1 :]])
    raise AssertionError(f"no {kind} in the file")


def changed_leaves(value: Any) -> Iterator[Any]:
    """The value with one of its leaves changed, once for each leaf; empty lists and objects count as leaves."""
    match value:
        case dict() if value:
            for name, item in value.items():
                for changed in changed_leaves(item):
                    yield {**value, name: changed}
        case list() if value:
            for index, item in enumerate(value):
                for changed in changed_leaves(item):
                    yield [*value[:index], changed, *value[index + 1 :]]
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str():
            yield value + "x" if not value else value[:-1] + chr(ord(value[-1]) ^ 1)
        case None:
            yield "x"
        case _:
            yield None


def _event(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line).get("event", {})
    return found
