"""Evidence packs and uploaded blobs: reading them, and the API's own rows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.domain.errors import NotFound
from eucora.domain.plan import Scope
from eucora.store.packs import checked
from eucora.store.paging import Page, check_limit, columns, decode_cursor, page_of, table_of
from eucora.store.scoping import within
from models.tables import ArtifactTable, EvidencePackTable

__all__ = [
    "ArtifactView",
    "PackSummary",
    "add_artifact",
    "find_artifact",
    "get_artifact",
    "get_pack_document",
    "get_pack_summary",
    "latest_pack",
    "list_packs",
]

_pack = table_of(EvidencePackTable)
_artifact = table_of(ArtifactTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSummary:
    """A sealed version of a pack without its document."""

    pack_digest: str
    tenant: str
    pack_id: str
    version: int
    release_digest: str
    author: str
    business_unit: str
    acquisition_boundary: str
    site: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactView:
    """An uploaded blob; ``kind`` is artifact, sbom, scan, vex or signature. ``created_at`` None before it is stored."""

    sha256: str
    kind: str
    name: str
    content_type: str
    size: int
    uploaded_by: str
    details: dict[str, Any]
    tenant: str = "default"
    created_at: datetime | None = None


async def list_packs(
    session: AsyncSession, *, scope: Scope | None, pack_id: str = "", limit: int = 100, cursor: str | None = None
) -> Page[PackSummary]:
    """Newest first. Raises ``InvalidInput`` (``invalid_limit``, ``invalid_cursor``)."""
    query = (
        select(*columns(EvidencePackTable, PackSummary))
        .where(within(_pack, scope))
        .order_by(_pack.c.created_at.desc(), _pack.c.pack_digest.desc())
        .limit(check_limit(limit) + 1)
    )
    if pack_id:
        query = query.where(_pack.c.pack_id == pack_id)
    if cursor is not None:
        query = query.where(tuple_(_pack.c.created_at, _pack.c.pack_digest) < decode_cursor(cursor, datetime, str))
    rows = [PackSummary(**row) for row in (await session.execute(query)).mappings()]
    return page_of(rows, limit, lambda row: (row.created_at, row.pack_digest))


async def latest_pack(session: AsyncSession, pack_id: str, *, scope: Scope | None) -> PackSummary:
    """The newest version of a pack. Raises ``NotFound`` (``pack_not_found``)."""
    query = (
        select(*columns(EvidencePackTable, PackSummary))
        .where(_pack.c.pack_id == pack_id, within(_pack, scope))
        .order_by(_pack.c.version.desc())
        .limit(1)
    )
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no evidence pack {pack_id}.", code="pack_not_found", field="pack_id")
    return PackSummary(**row)


async def get_pack_summary(session: AsyncSession, pack_digest: str, *, scope: Scope | None) -> PackSummary:
    """One version by its digest. Raises ``NotFound`` (``pack_not_found``)."""
    query = select(*columns(EvidencePackTable, PackSummary)).where(
        _pack.c.pack_digest == pack_digest, within(_pack, scope)
    )
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise _no_pack(pack_digest)
    return PackSummary(**row)


async def get_pack_document(session: AsyncSession, pack_digest: str, *, scope: Scope | None) -> dict[str, Any]:
    """The document of one version, checked. Raises ``NotFound`` (``pack_not_found``), ``EvidenceTampered``."""
    query = select(_pack.c.document).where(_pack.c.pack_digest == pack_digest, within(_pack, scope))
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise _no_pack(pack_digest)
    return checked(row[0], pack_digest)


async def add_artifact(session: AsyncSession, artifact: ArtifactView) -> ArtifactView:
    """Keep what is known of an uploaded blob; for bytes that are known already the first row stays and is returned."""
    row = {field: getattr(artifact, field) for field in _ARTIFACT_FIELDS}
    await session.execute(insert(_artifact).values(**row).on_conflict_do_nothing())
    return await get_artifact(session, artifact.sha256, tenant=artifact.tenant)


async def get_artifact(session: AsyncSession, sha256: str, *, tenant: str = "default") -> ArtifactView:
    """One uploaded blob. Raises ``NotFound`` (``artifact_not_found``)."""
    found = await find_artifact(session, sha256, tenant=tenant)
    if found is None:
        raise NotFound(f"Nobody uploaded {sha256}.", code="artifact_not_found", field="sha256")
    return found


async def find_artifact(session: AsyncSession, sha256: str, *, tenant: str = "default") -> ArtifactView | None:
    """One uploaded blob, or None."""
    query = select(*columns(ArtifactTable, ArtifactView)).where(
        _artifact.c.sha256 == sha256, _artifact.c.tenant == tenant
    )
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else ArtifactView(**row)


_ARTIFACT_FIELDS = ("sha256", "kind", "name", "content_type", "size", "uploaded_by", "details", "tenant")


def _no_pack(pack_digest: str) -> NotFound:
    return NotFound(f"No evidence pack has the digest {pack_digest}.", code="pack_not_found", field="pack_digest")
