"""Content-addressed store in memory: a fake for tests and simulation, held to the port's contract like an adapter.

Nothing survives the process; ``open_store`` does not know it, so no setting can choose it by accident.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator

from eucora.ports.blobs import CHUNK_BYTES, BlobCorrupt, BlobNotFound, BlobTooLarge, StoredBlob, require_sha256

__all__ = ["MemoryBlobStore"]


class MemoryBlobStore:
    """The ``BlobStore`` as a mapping; ``damage`` lets a test see what a reader does with a corrupt blob."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"MemoryBlobStore({len(self._blobs)} blobs)"

    def damage(self, sha256: str, data: bytes) -> None:
        """Replace what is stored under ``sha256`` by ``data``, as a bad disk would."""
        self._require(sha256)
        self._blobs[sha256] = data

    async def put(self, stream: AsyncIterator[bytes], *, limit: int | None = None) -> StoredBlob:
        """See ``BlobStore.put``."""
        data = bytearray()
        async for chunk in stream:
            data += chunk
            if limit is not None and len(data) > limit:
                raise BlobTooLarge(limit)
        return await self.put_bytes(bytes(data))

    async def put_bytes(self, data: bytes) -> StoredBlob:
        """See ``BlobStore.put_bytes``."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._blobs.setdefault(sha256, data)
        return StoredBlob(sha256=sha256, size=len(data))

    async def open(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """See ``BlobStore.open``."""
        data = self._require(sha256)
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]
        actual = hashlib.sha256(data).hexdigest()
        if actual != sha256:
            raise BlobCorrupt(sha256, actual=actual)

    async def get_bytes(self, sha256: str, *, limit: int | None = None) -> bytes:
        """See ``BlobStore.get_bytes``."""
        if limit is not None and await self.size(sha256) > limit:
            raise BlobTooLarge(limit)
        return b"".join([chunk async for chunk in self.open(sha256)])

    async def exists(self, sha256: str) -> bool:
        """See ``BlobStore.exists``."""
        return require_sha256(sha256) in self._blobs

    async def size(self, sha256: str) -> int:
        """See ``BlobStore.size``."""
        return len(self._require(sha256))

    def _require(self, sha256: str) -> bytes:
        data = self._blobs.get(require_sha256(sha256))
        if data is None:
            raise BlobNotFound(sha256)
        return data
