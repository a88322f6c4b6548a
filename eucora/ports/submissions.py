"""The port of submissions: did the API start exactly this? (``architecture.md`` §2, Starting)

A workflow that somebody started around the API brings keys of its own, and by them its claims hold. What it cannot
bring is the row that the API commits before it starts anything: the digest of the whole plan and of the keys that may
speak to it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Submissions"]


@runtime_checkable
class Submissions(Protocol):
    """What the API has accepted. A deployment may have been started with several digests, by repeated requests."""

    async def register(self, deployment_id: str, start_digest: str) -> None:
        """Remember a start before it is made; the same again changes nothing. Raises ``Unavailable``."""
        ...

    async def accepted(self, deployment_id: str, start_digest: str) -> bool:
        """Tell whether the API has registered this start. Raises ``Unavailable``."""
        ...
