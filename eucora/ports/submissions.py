"""The port of submissions: did the API accept this deployment from this person? (``architecture.md`` §2, Starting)

A workflow that somebody started around the API brings keys of its own, and by them its claims hold. What it cannot
bring is the row that the API commits before it starts anything.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Submissions"]


@runtime_checkable
class Submissions(Protocol):
    """Reads what the API has committed."""

    async def accepted(self, deployment_id: str, requester: str) -> bool:
        """Tell whether the API reserved this deployment for this caller. Raises ``Unavailable``."""
        ...
