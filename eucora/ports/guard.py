"""The port that every effect asks immediately before it acts (``architecture.md`` §1).

Contract: the answer is read from the record, never from a cache. No answer (an error) means: do not act, try again.
Once a stop of the line is committed, no later call answers None for an effect that it matches. A line stop lets one
effect pass: a rollback that an operator asked for (``domain.md`` §1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from eucora.domain.vocabulary import HoldKind, Operation

__all__ = ["Guard", "Stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why an effect must not begin: the kind of hold, who put it and why, since when, and the record's id."""

    kind: HoldKind
    who: str
    why: str
    since: datetime
    reference: str


@runtime_checkable
class Guard(Protocol):
    """Says whether an effect may begin now."""

    async def may_act(self, deployment_id: str, operation: Operation, plane: str, ring: str) -> Stop | None:
        """None when the effect may begin, else the oldest stop that forbids it.

        Raises ``NotFound`` (code ``deployment_not_found``) for a deployment without a record, ``Unavailable``.
        """
        ...
