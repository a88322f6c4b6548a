"""The port of change claims: one active change per application, scope and ring (``domain.md`` §1).

Contract: all rings are claimed together or none. A unique index decides, so that of two claims at the same time
exactly one holds. Claiming again for the same deployment, and releasing what is not held, change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from eucora.domain.plan import Scope

__all__ = ["ChangeClaims"]


@runtime_checkable
class ChangeClaims(Protocol):
    """Who may change an application in a scope and ring."""

    async def claim(self, deployment_id: str, *, scope: Scope, application_id: str, rings: Sequence[str]) -> str | None:
        """Claim the rings. None when the deployment holds all of them now, else the id of a deployment that holds one.

        Raises ``Unavailable``.
        """
        ...

    async def release(self, deployment_id: str) -> None:
        """Give up every claim of the deployment. Raises ``Unavailable``."""
        ...
