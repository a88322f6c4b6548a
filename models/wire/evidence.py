"""Evidence on the wire; the draft of a pack is ``eucora.evidence.draft.EvidenceDraft``."""

from __future__ import annotations

from typing import Any

from models.wire.base import Answer

__all__ = ["BlockerView", "PackView", "UploadView"]


class UploadView(Answer):
    """A stored artifact or document: name it by its SHA-256."""

    sha256: str
    size: int


class BlockerView(Answer):
    """Why a deployment with this pack would be refused."""

    code: str
    field: str
    detail: str


class PackView(Answer):
    """A sealed evidence pack. ``blockers`` is empty when a deployment with it may be submitted."""

    pack_digest: str
    release_digest: str
    version: int
    author: str
    blockers: list[BlockerView]
    pack: dict[str, Any]
