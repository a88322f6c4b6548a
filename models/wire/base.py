"""What all requests and answers on the wire share."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["Answer", "Page", "Reason", "Request", "Sha256", "Text", "UtcTime", "Word"]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Lower-case hexadecimal."""

_NOT_IN_TEXTS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _storable(value: str) -> str:
    """Text that Postgres and canonical JSON can hold: neither control characters nor half a surrogate pair."""
    if _NOT_IN_TEXTS.search(value):
        message = "must not contain control characters"
        raise ValueError(message)
    return value


Text = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True), AfterValidator(_storable)]
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True), AfterValidator(_storable)
]
"""A sentence for people; not blank."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(_storable)]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]

Item = TypeVar("Item")


class Request(BaseModel):
    """Base of request bodies: a field that we do not know is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(frozen=True)


class Page(Answer, Generic[Item]):
    """One page of a list; ``next_cursor`` is absent on the last one."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="give it as ?cursor= to get the next page")
