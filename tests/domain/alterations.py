"""Altering a fact in every way that its type allows: each field, each part of a field, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from eucora.domain.approval import Conditions

SECOND = timedelta(seconds=1)


def altered(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, other value) for each leaf in a value; the parts of a tuple share a path."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            if field.name == "type":
                continue
            inner = f"{path}.{field.name}" if path else field.name
            for name, other in altered(getattr(value, field.name), inner):
                yield name, replace(value, **{field.name: other})
        if isinstance(value, Conditions) and value.max_ring is None:
            yield f"{path}.max_ring", replace(value, max_ring=1)
    elif isinstance(value, tuple):
        if value:
            yield f"{path}[shorter]", value[:-1]
        for index, part in enumerate(value):
            for name, other in altered(part, f"{path}[]"):
                yield name, (*value[:index], other, *value[index + 1 :])
    else:
        yield from ((path, other) for other in _leaf(value))


def _leaf(value: Any) -> Iterator[Any]:
    match value:
        case None:
            return
        case bool():
            yield not value
        case Enum():
            members = list(type(value))
            yield members[(members.index(value) + 1) % len(members)]
        case int() | float():
            yield value + 1
        case datetime():
            yield value + SECOND
        case str():
            yield f"{value}x"
        case _:
            raise TypeError(type(value))
