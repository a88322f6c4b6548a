"""The port of the content-addressed store: artifacts, SBOMs, scan reports, evidence packs, memberships, raw reports.

Contract, held by ``tests/contracts/test_blob_store.py`` against every adapter:

- A blob's only name is the lower-case hexadecimal SHA-256 of its bytes. Any other name is refused with ``InvalidInput``
  (code ``sha256_malformed``), so a name can never be a path.
- Write-once: putting the same bytes again, also at the same time, changes nothing and returns the same ``StoredBlob``.
- A put that fails (limit, a stream that raises, cancellation) leaves nothing behind, and nothing under a blob's name.
- Every read is checked: a reader gets the exact bytes or ``BlobCorrupt``. ``open`` can say so only after the last
  chunk, so its consumer must not act on what it read before the iteration has ended.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from eucora.domain.errors import EucoraError, InvalidInput, NotFound, TooLarge

__all__ = [
    "CHUNK_BYTES",
    "BlobCorrupt",
    "BlobNotFound",
    "BlobStore",
    "BlobTooLarge",
    "StoredBlob",
    "require_sha256",
]

CHUNK_BYTES = 1024 * 1024
"""Size in bytes of the chunks that adapters read and write."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobNotFound(NotFound):
    """No blob of that SHA-256 is stored."""

    code = "blob_not_found"

    def __init__(self, sha256: str) -> None:
        super().__init__(f"No blob with SHA-256 {sha256} is stored; upload it first.", field="sha256")
        self.sha256 = sha256


class BlobCorrupt(EucoraError):
    """What is stored under a SHA-256 has another one: bad disk or tampering. Never use what was read."""

    code = "blob_corrupt"

    def __init__(self, sha256: str, *, actual: str) -> None:
        super().__init__(f"The blob stored as {sha256} now has SHA-256 {actual}; restore it from a copy.")
        self.sha256 = sha256
        self.actual = actual


class BlobTooLarge(TooLarge):
    """The stream went over the limit given to ``put`` or ``get_bytes``, in bytes."""

    code = "blob_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The content is over the limit of {limit} bytes.")
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """Name (lower-case hexadecimal SHA-256) and size in bytes of a stored blob."""

    sha256: str
    size: int


@runtime_checkable
class BlobStore(Protocol):
    """Where bytes live, by their SHA-256. See the module for the contract."""

    async def put(self, stream: AsyncIterator[bytes], *, limit: int | None = None) -> StoredBlob:
        """Store a stream of chunks. Raises ``BlobTooLarge`` as soon as more than ``limit`` bytes came."""
        ...

    async def put_bytes(self, data: bytes) -> StoredBlob:
        """Store ``data``."""
        ...

    def open(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """The blob's chunks, in order. Raises ``BlobNotFound`` at the first and ``BlobCorrupt`` after the last one."""
        ...

    async def get_bytes(self, sha256: str, *, limit: int | None = None) -> bytes:
        """The whole blob, checked. Raises ``BlobNotFound``, ``BlobCorrupt``, ``BlobTooLarge`` (``limit`` in bytes)."""
        ...

    async def exists(self, sha256: str) -> bool:
        """Whether the blob is stored; says nothing about its being sound."""
        ...

    async def size(self, sha256: str) -> int:
        """Size in bytes. Raises ``BlobNotFound``."""
        ...


def require_sha256(value: str) -> str:
    """``value`` if it is a lower-case hexadecimal SHA-256. Raises ``InvalidInput`` otherwise."""
    if not _SHA256.fullmatch(value):
        sentence = "A SHA-256 is 64 characters 0-9a-f, in lower case."
        raise InvalidInput(sentence, code="sha256_malformed", field="sha256")
    return value
