"""The export file: JSON Lines in UTF-8, one statement a line, canonical where it is hashed.

========================  =============================================================================================
line                      says
========================  =============================================================================================
``{"format":...}``        first line: format, and whether the file holds the whole record
``{"event":...,"hash":}`` an event's hashed members as canonical JSON, and their SHA-256; grouped by stream, by sequence
``{"head":...}``          after the events of a stream: its name, length and last hash as the record has them
``{"document":...}``      a risk model, risk assessment or evidence pack with its kind and digest
``{"footer":...}``        last line: how many streams and events the record holds, SHA-256 of all bytes before this line
========================  =============================================================================================

With public tools: ``jq -cS .event`` of a line, without its line end, has the SHA-256 that stands in ``hash``.
"""

from __future__ import annotations

import json
from typing import Any

from eucora.evidence.canonical import canonical_json

__all__ = [
    "ASSESSMENT",
    "FORMAT",
    "PACK",
    "RISK_MODEL",
    "document_line",
    "event_line",
    "footer_line",
    "head_line",
    "header_line",
    "parse_line",
    "split_event",
]

FORMAT = "eucora-audit/1"
ASSESSMENT = "risk_assessment"
PACK = "evidence_pack"
RISK_MODEL = "risk_model"

_EVENT = b'{"event":'
_HASH = b',"hash":"'
_END = b'"}'
_TAIL = len(_HASH) + 64 + len(_END)


def header_line(*, whole: bool, exported_at: str) -> bytes:
    return _line({"format": FORMAT, "exported_at": exported_at, "whole": whole})


def event_line(event: bytes, digest: str) -> bytes:
    """``event`` is canonical JSON, see ``eucora.store.chain.event_json``."""
    return b"".join((_EVENT, event, _HASH, digest.encode(), _END, b"\n"))


def head_line(stream: str, *, length: int, digest: str) -> bytes:
    return _line({"head": {"stream": stream, "length": length, "hash": digest}})


def document_line(kind: str, digest: str, document: Any) -> bytes:
    return _line({"document": document, "digest": digest, "kind": kind})


def footer_line(*, streams: int, events: int, digest: str) -> bytes:
    return _line({"footer": {"streams": streams, "events": events, "sha256": digest}})


def split_event(line: bytes) -> tuple[bytes, str] | None:
    """The event's bytes and the hash in a line that we wrote; None for a line of any other shape."""
    line = line.rstrip(b"\r\n")
    if not line.startswith(_EVENT) or not line.endswith(_END) or line[-_TAIL : -_TAIL + len(_HASH)] != _HASH:
        return None
    return line[len(_EVENT) : -_TAIL], line[-_TAIL + len(_HASH) : -len(_END)].decode("ascii", "replace")


def parse_line(line: bytes) -> dict[str, Any]:
    """A line as JSON. Raises ``ValueError``."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line is a JSON object")  # noqa: TRY004 - a broken file is a ValueError whatever broke it
    return value


def _line(value: dict[str, Any]) -> bytes:
    return canonical_json(value) + b"\n"
