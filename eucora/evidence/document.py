"""Reading documents that others wrote: strict JSON, and strict shapes whose errors name the place.

A document is refused when two readers could understand it differently (duplicate keys, NaN) or when it could not be
stored and hashed again (lone surrogates), so that everything after this module deals with sound values only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic import ValidationError as PydanticError

from eucora.evidence.errors import EvidenceInvalid

__all__ = [
    "Label",
    "LooseModel",
    "ReportedTime",
    "Word",
    "excerpt",
    "load_json",
    "one_line",
    "parse",
    "pointer",
    "printable",
]

_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST_EXCERPT = 80


def printable(value: str) -> str:
    """``value`` without surrounding blanks. Raises ``ValueError`` for a control character or a lone surrogate."""
    if _CONTROL.search(value):
        message = "must not contain control characters or halves of surrogate pairs"
        raise ValueError(message)
    return value.strip()


def one_line(value: str) -> str:
    """``value`` with every run of blanks, control characters and lone surrogates turned into one blank."""
    return " ".join(_CONTROL.sub(" ", value).split())


def _text_time(value: object) -> object:
    # pydantic would take 5 for 1970-01-01T00:00:05Z
    if isinstance(value, str | datetime):
        return value
    message = "must be a time as text (RFC 3339)"
    raise ValueError(message)


Label = Annotated[str, AfterValidator(printable), StringConstraints(max_length=512)]
"""One line of text that is kept: no control characters, at most 512 characters; may be empty."""

Word = Annotated[str, AfterValidator(printable), StringConstraints(min_length=1, max_length=512)]
"""A ``Label`` that is not empty."""

ReportedTime = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_text_time), AfterValidator(lambda value: value.astimezone(UTC))
]
"""A time with a zone, as text; kept in UTC."""


class LooseModel(BaseModel):
    """The part of a foreign document that we read; its other fields are none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


_Model = TypeVar("_Model", bound=BaseModel)


def load_json(data: bytes, *, what: str) -> Any:
    """The JSON value in ``data`` (UTF-8, a byte order mark is allowed). ``what`` names the document in sentences.

    Raises ``EvidenceInvalid`` (field ``""``, or the line and column in the sentence).
    """
    if not data.strip():
        raise EvidenceInvalid("", f"The {what} is empty: a tool that did not run proves nothing.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sentence = f"The {what} is not UTF-8 text (byte {error.start}); write it as UTF-8 JSON."
        raise EvidenceInvalid("", sentence) from error
    if text.lstrip().startswith("<"):
        raise EvidenceInvalid("", f"The {what} is XML; write it as JSON.")
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        if _LONE_SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        sentence = f"The {what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise EvidenceInvalid("", sentence) from error
    except UnicodeEncodeError as error:
        raise EvidenceInvalid("", f"The {what} holds half of a UTF-16 surrogate pair.") from error
    except RecursionError as error:
        raise EvidenceInvalid("", f"The {what} is nested too deeply.") from error
    except ValueError as error:
        raise EvidenceInvalid("", f"The {what} is not acceptable JSON: {error}.") from error
    return value


def parse(model: type[_Model], value: Any, *, what: str) -> _Model:
    """``value`` as a ``model``. Raises ``EvidenceInvalid`` whose field is the JSON pointer of the first error."""
    try:
        return model.model_validate(value)
    except PydanticError as error:
        errors = error.errors(include_url=False, include_context=False)
        first = errors[0]
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        place = pointer(first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        sentence = f"The {what} is not well formed at {place or 'its top'}: {reason}{more}."
        raise EvidenceInvalid(place, sentence) from error


def pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path; the empty path gives ``""``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def excerpt(value: object) -> str:
    """``value`` short enough to be quoted in a sentence."""
    text = repr(value)
    return text if len(text) <= _LONGEST_EXCERPT else text[: _LONGEST_EXCERPT - 1] + "…"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                message = f"the key {excerpt(key)} stands twice in one object"
                raise ValueError(message)
            seen.add(key)
    return value


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise ValueError(message)
