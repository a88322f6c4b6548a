"""The exact bytes that are signed: a purpose, a zero byte, and canonical JSON (RFC 8785).

The purpose keeps a signature made for one kind of statement from being passed off as another kind.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import rfc8785

__all__ = ["body_digest", "decode_base64", "encode_base64", "signed_bytes"]


def signed_bytes(purpose: str, statement: Any) -> bytes:
    """What is signed for ``statement``, a plain JSON value. Raises ``ValueError`` when it has no canonical form."""
    return purpose.encode("ascii") + b"\x00" + _canonical(statement)


def body_digest(body: Any) -> str:
    """SHA-256 of the canonical JSON of ``body`` in lower-case hex. Raises ``ValueError``, see ``signed_bytes``."""
    return hashlib.sha256(_canonical(body)).hexdigest()


def encode_base64(raw: bytes) -> str:
    """Standard base64 with padding (RFC 4648 §4)."""
    return base64.b64encode(raw).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes of ``text``. Raises ``ValueError`` unless it is their one canonical spelling."""
    raw = base64.b64decode(text, validate=True)
    if encode_base64(raw) != text:
        message = "not canonical base64"
        raise ValueError(message)
    return raw


def _canonical(value: Any) -> bytes:
    # Not eucora.evidence.canonical: signing and evidence are siblings and blind to each other.
    try:
        return rfc8785.dumps(value)
    except RecursionError:
        message = "the value is nested too deeply to be canonical JSON"
        raise ValueError(message) from None
