"""The port of history: how an application's past rollouts ended, for the risk factor of that name (``domain.md``
§2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["History", "PastRollouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRollouts:
    """``completed`` of ``ended`` rollouts that touched a device; 0 of 0 says that there were none."""

    completed: int
    ended: int


@runtime_checkable
class History(Protocol):
    """Reads this system's own record; nobody declares history."""

    async def of_application(self, application_id: str, tenant: str) -> PastRollouts:
        """Count the ended rollouts of an application in a tenant. Raises ``Unavailable``."""
        ...
