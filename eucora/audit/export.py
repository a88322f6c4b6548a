"""Export of the record: one consistent snapshot as a file that verifies with no server. The format is in
``lines.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from eucora.audit import lines
from eucora.evidence.canonical import digest
from eucora.policy.documents import shipped_document
from eucora.policy.risk_models import shipped_risk_models
from eucora.store import audit_queries as queries
from eucora.store.chain import deployment_stream, event_json
from models.messages.codec import time_to_text

__all__ = ["ExportFilter", "ExportSummary", "export", "export_to"]

_STREAMS_BETWEEN_DOCUMENTS = 200
"""Documents are fetched for so many streams at once; the verifier keeps as many open claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """What to export: streams by name, or of a tenant; everything when nothing is given."""

    streams: tuple[str, ...] = ()
    tenant: str = ""

    @classmethod
    def of_deployment(cls, deployment_id: str) -> ExportFilter:
        """The trail of one deployment."""
        return cls(streams=(deployment_stream(deployment_id),))

    @property
    def whole(self) -> bool:
        """True when nothing is left out."""
        return not self.streams and not self.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What was written; ``sha256`` is that of the whole file."""

    streams: int
    events: int
    size: int
    sha256: str


async def export_to(path: Path, session: AsyncSession, wanted: ExportFilter | None = None) -> ExportSummary:
    """Write an export file; at ``path`` stands a complete one or none. Raises ``OSError``; see :func:`export`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    content, size, last = hashlib.sha256(), 0, b""
    try:
        with partial.open("wb") as file:
            async for line in export(session, wanted):
                file.write(line)
                content.update(line)
                size += len(line)
                last = line
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    footer = json.loads(last)["footer"]
    return ExportSummary(streams=footer["streams"], events=footer["events"], size=size, sha256=content.hexdigest())


async def export(session: AsyncSession, wanted: ExportFilter | None = None) -> AsyncIterator[bytes]:
    """The lines of an export, each with its line end; memory does not grow with the record.

    The session's transaction must not have begun: it becomes one snapshot, read only.
    """
    chosen = wanted or ExportFilter()
    await queries.begin_snapshot(session)
    content = hashlib.sha256()
    streams = 0
    citations = _Citations(session)
    header = lines.header_line(whole=chosen.whole, exported_at=time_to_text(datetime.now(UTC)))
    content.update(header)
    yield header
    head: queries.Head | None = None
    async for row in queries.stored_events(session, streams=chosen.streams, tenant=chosen.tenant):
        if head is not None and row.head != head:
            line = lines.head_line(head.stream, length=head.length, digest=head.hash)
            content.update(line)
            yield line
            if streams % _STREAMS_BETWEEN_DOCUMENTS == 0:
                async for line in citations.documents():
                    content.update(line)
                    yield line
        if row.head != head:
            streams += 1
            head = row.head
        if row.event is not None:
            event = row.event
            line = lines.event_line(
                event_json(head.stream, event.sequence, event.draft, event.previous_hash), event.hash
            )
            content.update(line)
            yield line
            citations.note(event.draft.type, event.draft.payload)
    if head is not None:
        line = lines.head_line(head.stream, length=head.length, digest=head.hash)
        content.update(line)
        yield line
    async for line in citations.documents():
        content.update(line)
        yield line
    counted = await queries.count_record(session, streams=chosen.streams, tenant=chosen.tenant)
    yield lines.footer_line(streams=counted.streams, events=counted.events, digest=content.hexdigest())


class _Citations:
    """Documents that events cite, fetched in portions; risk models once, and before the assessments made with them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._assessments: dict[str, None] = {}
        self._packs: dict[str, None] = {}
        self._models: dict[str, None] = {}
        self._written_models: set[str] = set()

    def note(self, kind: str, payload: str) -> None:
        if kind == "RISK_ASSESSED":
            self._note(payload, "assessment_digest", self._assessments)
            self._note(payload, "model_digest", self._models)
        elif kind in ("EVIDENCE_SEALED", "EVIDENCE_RESEALED"):
            self._note(payload, "pack_digest", self._packs)

    def _note(self, payload: str, member: str, noted: dict[str, None]) -> None:
        cited = json.loads(payload).get(member)
        if isinstance(cited, str) and cited not in self._written_models:  # else tampered with: the verifier says so
            noted[cited] = None

    async def documents(self) -> AsyncIterator[bytes]:
        """The lines of what was noted since the last time; what the record lacks is left for the verifier to miss."""
        for identity, document in await self._models_by_digest():
            self._written_models.add(identity)
            yield lines.document_line(lines.RISK_MODEL, identity, document)
        self._models.clear()
        for kind, noted in ((lines.ASSESSMENT, self._assessments), (lines.PACK, self._packs)):
            found = queries.stored_documents(self._session, kind, tuple(noted))
            async for identity, document in found:
                yield lines.document_line(kind, identity, document)
            noted.clear()

    async def _models_by_digest(self) -> list[tuple[str, Any]]:
        if not self._models:
            return []
        found = [one async for one in queries.stored_documents(self._session, lines.RISK_MODEL, tuple(self._models))]
        known = {identity for identity, _ in found}
        for name in shipped_risk_models():
            document = shipped_document(f"risk-model-{name}")
            if (identity := digest(document)) in self._models and identity not in known:
                found.append((identity, document))
        return found
