"""Canonical JSON (RFC 8785) and the digests made from it: the one form in which our documents are hashed."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from eucora.evidence.errors import NotCanonicalJson

__all__ = ["canonical_json", "digest", "sha256_hex"]


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of a plain JSON value (dict, list, tuple, str, int, float, bool, None; times as strings).

    Raises ``NotCanonicalJson`` for anything else, NaN, infinities, integers beyond ±(2**53 - 1) and lone surrogates.
    Keep floats below 2**53 too: RFC 8785 writes greater ones without a point, and read again they are such integers.
    """
    try:
        return rfc8785.dumps(value)
    except RecursionError:
        raise NotCanonicalJson("The value is nested too deeply for canonical JSON.") from None
    except ValueError as error:
        raise NotCanonicalJson(f"The value has no canonical JSON: {error}.") from error


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, lower-case hex. Raises ``NotCanonicalJson``."""
    return sha256_hex(canonical_json(value))


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data``, lower-case hex."""
    return hashlib.sha256(data).hexdigest()
