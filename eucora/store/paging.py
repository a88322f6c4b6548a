"""Pages of a list, and the cursor that leads to the next one: the sort key of the last item, opaque to the caller."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlmodel import SQLModel

from eucora.domain.errors import InvalidInput
from models.messages.codec import time_from_text, time_to_text

__all__ = ["Page", "check_limit", "columns", "decode_cursor", "encode_cursor", "page_of", "table_of"]

Item = TypeVar("Item")
LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some items of a list, in its order; ``next_cursor`` is None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


def encode_cursor(*key: str | int | datetime) -> str:
    """The cursor behind the item with this sort key."""
    plain = [time_to_text(part) if isinstance(part, datetime) else part for part in key]
    text = json.dumps(plain, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """The sort key in a cursor, its parts of ``kinds``. Raises ``InvalidInput`` (``invalid_cursor``)."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        key = tuple(time_from_text(part) if kind is datetime else part for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise _invalid() from error
    if not all(isinstance(part, kind) and not isinstance(part, bool) for kind, part in zip(kinds, key, strict=True)):
        raise _invalid()
    if any(isinstance(part, str) and "\x00" in part for part in key):
        raise _invalid()
    return key


def page_of(rows: Sequence[Item], limit: int, key: Callable[[Item], tuple[Any, ...]]) -> Page[Item]:
    """A page from up to ``limit + 1`` rows: the row too many says that there is a next page."""
    items = tuple(rows[:limit])
    return Page(items=items, next_cursor=encode_cursor(*key(items[-1])) if len(rows) > limit and items else None)


def check_limit(limit: int) -> int:
    """``limit`` if a page may be so long. Raises ``InvalidInput`` (``invalid_limit``)."""
    if not 1 <= limit <= LARGEST_PAGE:
        sentence = f"A page holds 1 to {LARGEST_PAGE} items."
        raise InvalidInput(sentence, code="invalid_limit", field="limit")
    return limit


def table_of(model: type[SQLModel]) -> Any:
    """The SQLAlchemy table of a model."""
    return model.__table__  # type: ignore[attr-defined]


def columns(model: type[SQLModel], view: type) -> list[Any]:
    """The columns that a view (a dataclass) shows, in the order of its fields."""
    table = table_of(model)
    return [table.c[field.name] for field in fields(view)]


def _invalid() -> InvalidInput:
    sentence = "This cursor was not made by this list; start again without one."
    return InvalidInput(sentence, code="invalid_cursor", field="cursor")
