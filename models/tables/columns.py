"""Column types that all tables share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

__all__ = ["count", "document", "text_list", "time"]


def count() -> Any:
    """A count that begins at 0."""
    return Field(default=0, sa_column_kwargs={"server_default": text("0")})


def time(*, nullable: bool = False, server_default: str | None = None, index: bool = False) -> Any:
    """A time with its zone, to the microsecond."""
    options: dict[str, Any] = {} if server_default is None else {"server_default": text(server_default)}
    default: datetime | None = None
    if nullable:
        return Field(
            default=default, sa_type=DateTime(timezone=True), nullable=True, index=index, sa_column_kwargs=options
        )
    return Field(sa_type=DateTime(timezone=True), nullable=False, index=index, sa_column_kwargs=options)


def document(*, nullable: bool = False) -> Any:
    """A JSON value as text: what is read is, byte for byte, what was written (``jsonb`` would rewrite numbers)."""
    if nullable:
        return Field(default=None, sa_type=JSON, nullable=True)
    return Field(sa_type=JSON, nullable=False)


def text_list() -> Any:
    """A list of texts."""
    return Field(sa_type=ARRAY(Text), nullable=False)
