"""The ports of sealed documents: evidence packs and risk assessments, by the digest of their canonical JSON.

Contract: a document's name is the SHA-256 (lower-case hex) of its canonical JSON (RFC 8785). Storing is write-once:
the same document again changes nothing, a document that does not have the digest it is given is refused with
``InvalidInput`` (code ``digest_mismatch``). Every read is checked: the exact document or ``EvidenceTampered``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from eucora.domain.plan import Scope

__all__ = ["Assessments", "PackDocument", "Packs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDocument:
    """A sealed version of an evidence pack.

    ``pack_id`` and ``version`` (from 1) name it for people; ``document`` is the plain JSON value whose canonical form
    has the digest ``pack_digest``; ``release_digest`` is that of the part that an approval binds (``domain.md`` §3).
    """

    pack_id: str
    version: int
    pack_digest: str
    release_digest: str
    author: str
    scope: Scope
    document: dict[str, Any]
    created_at: datetime | None = None
    """When it was stored, by the database's clock; None before."""


@runtime_checkable
class Packs(Protocol):
    """Evidence packs, write-once."""

    async def store(self, pack: PackDocument) -> None:
        """Store a sealed version; the same again changes nothing.

        Raises ``InvalidInput`` (``digest_mismatch``), ``Conflict`` (``pack_version_taken``: another document has this
        id and version), ``Unavailable``.
        """
        ...

    async def load(self, pack_digest: str) -> PackDocument:
        """The version with this digest. Raises ``NotFound`` (``pack_not_found``), ``EvidenceTampered``,
        ``Unavailable``.
        """
        ...


@runtime_checkable
class Assessments(Protocol):
    """Risk assessments with all that is needed to derive them again, write-once."""

    async def store(self, assessment_digest: str, document: dict[str, Any]) -> None:
        """Store an assessment: ``models.messages.codec.assessment_to_json`` and whatever the caller adds beside it.

        Raises ``InvalidInput`` (``digest_mismatch``), ``Unavailable``.
        """
        ...

    async def load(self, assessment_digest: str) -> dict[str, Any]:
        """The stored document.

        Raises ``NotFound`` (``assessment_not_found``), ``EvidenceTampered``, ``Unavailable``.
        """
        ...
