"""Idempotency keys of creating requests: which deployment or pack a key stands for, and what a request's digest
covers.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from eucora.evidence.canonical import digest

__all__ = ["derived_id", "request_digest"]


def derived_id(kind: str, *, tenant: str, caller: str, key: str) -> str:
    """The UUID (version 8, RFC 9562) that caller and key stand for: a repeated request finds it again."""
    name = f"{kind}\x00{tenant}\x00{caller}\x00{key}"
    raw = bytearray(hashlib.sha256(name.encode()).digest()[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def request_digest(method: str, path: str, body: Any) -> str:
    """SHA-256 over method, path and body, a plain JSON value. Raises ``NotCanonicalJson``."""
    return digest({"method": method, "path": path, "body": body})
