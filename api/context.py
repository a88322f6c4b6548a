"""What belongs to one request: its correlation id."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

__all__ = ["CORRELATION_ID", "correlation_id_of", "set_correlation_id"]

CORRELATION_ID = "X-Correlation-ID"
_KEY = "eucora.correlation_id"


def set_correlation_id(scope: MutableMapping[str, Any], value: str, *, given: bool) -> None:
    """Bind the request's correlation id; ``given`` says that the caller chose it."""
    scope.setdefault("state", {})[_KEY] = (value, given)


def correlation_id_of(scope: MutableMapping[str, Any]) -> str:
    """The request's correlation id; empty outside of a request."""
    return str(scope.get("state", {}).get(_KEY, ("", False))[0])


def correlation_id_was_given(scope: MutableMapping[str, Any]) -> bool:
    """Whether the caller chose the correlation id."""
    return bool(scope.get("state", {}).get(_KEY, ("", False))[1])
