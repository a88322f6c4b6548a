"""The port of live progress: counts for people to watch, never facts.

Contract: the newest observation wins (an older one changes nothing); nothing here moves a gate. A plane's row that
does not exist yet is left alone: the record makes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from eucora.domain.gates import Figures

__all__ = ["Progress"]


@runtime_checkable
class Progress(Protocol):
    """Live counts of a plane in a ring."""

    async def observed(self, deployment_id: str, ring: str, plane: str, figures: Figures, at: datetime) -> None:
        """Show ``figures`` as of ``at`` (UTC) in the projection. Raises ``Unavailable``."""
        ...
