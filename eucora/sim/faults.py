"""Faults that are switched on for a plane: lost answers, refusals, delays. Kept in memory; a restart clears them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Fault", "FaultKind", "Faults"]


class FaultKind(StrEnum):
    """What goes wrong."""

    LOSE_BEFORE = "lose_before"
    """The connection ends with no answer and nothing is applied."""
    LOSE_AFTER = "lose_after"
    """The effect is applied and its answer is lost."""
    STATUS = "status"
    """Nothing is applied; the answer is ``status``, with ``retry_after`` when given."""
    DELAY_BEFORE = "delay_before"
    """The call waits ``delay_seconds`` and is then handled, unless its client is gone by then."""
    DELAY_AFTER = "delay_after"
    """The effect is applied; the answer waits ``delay_seconds``."""


class Fault(BaseModel):
    """A fault for the next ``count`` calls that match ``plane`` and ``action`` (None: any)."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    plane: str | None = None
    action: str | None = None
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: str | None = None
    """Value of the ``Retry-After`` header: seconds or an HTTP date."""
    delay_seconds: Annotated[float, Field(ge=0, le=600)] = 0.0


class Faults:
    """The faults in force, in the order in which they were set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def replace(self, faults: list[Fault]) -> None:
        """Drop what is in force and put these in its place."""
        self._faults = [fault.model_copy() for fault in faults]

    def remaining(self) -> list[Fault]:
        return [fault.model_copy() for fault in self._faults]

    def take(self, plane: str, action: str) -> Fault | None:
        """The fault for this call, its count lowered by one; None when none matches."""
        for fault in self._faults:
            if fault.plane in (None, plane) and fault.action in (None, action):
                fault.count -= 1
                if not fault.count:
                    self._faults.remove(fault)
                return fault
        return None
