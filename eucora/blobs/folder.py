"""Content-addressed store in a folder: ``<root>/<first two hex digits>/<sha256>``, files read-only (0444).

A put writes to ``<root>/incoming/``, syncs, and then links the finished file to its name. The link is atomic and
never replaces, so that of two concurrent puts one wins and both are right. A process killed in the middle leaves a
``.part`` file in ``incoming``, which no reader can see.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from eucora.ports.blobs import CHUNK_BYTES, BlobCorrupt, BlobNotFound, BlobTooLarge, StoredBlob, require_sha256

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["FolderBlobStore"]

_READ_ONLY = 0o444
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

_T = TypeVar("_T")


class FolderBlobStore:
    """The ``BlobStore`` in a folder of one file system; the folder is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._incoming = self._root / "incoming"

    def __repr__(self) -> str:
        return f"FolderBlobStore({str(self._root)!r})"

    def path(self, sha256: str) -> Path:
        """Where the blob lies, for tools that need a file (pip, ansible). Raises ``BlobNotFound``.

        Only this adapter has it; reading the file by its path is not checked against the SHA-256.
        """
        path = self._path(sha256)
        if not path.is_file():
            raise BlobNotFound(sha256)
        return path

    async def put(self, stream: AsyncIterator[bytes], *, limit: int | None = None) -> StoredBlob:
        """See ``BlobStore.put``."""
        part = await _in_thread(self._new_part)
        try:
            digest, size = hashlib.sha256(), 0
            pending = bytearray()
            async for chunk in stream:
                size += len(chunk)
                if limit is not None and size > limit:
                    raise BlobTooLarge(limit)
                pending += chunk
                if len(pending) >= CHUNK_BYTES:
                    await _in_thread(partial(_append, part, digest, bytes(pending)))
                    pending.clear()
            if pending:
                await _in_thread(partial(_append, part, digest, bytes(pending)))
            stored = StoredBlob(sha256=digest.hexdigest(), size=size)
            await _in_thread(partial(self._seal, part, stored))
            return stored
        finally:
            _discard(part)  # in this thread, not in another: also when the task is being cancelled

    async def put_bytes(self, data: bytes) -> StoredBlob:
        """See ``BlobStore.put_bytes``."""

        async def once() -> AsyncIterator[bytes]:
            yield data

        return await self.put(once())

    async def open(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """See ``BlobStore.open``."""
        path = self._path(sha256)
        try:
            file = await _in_thread(partial(FileIO, path, "rb"))
        except FileNotFoundError:
            raise BlobNotFound(sha256) from None
        with file:
            digest = hashlib.sha256()
            while chunk := await _in_thread(partial(_read, file, digest)):
                yield chunk
        if digest.hexdigest() != sha256:
            raise BlobCorrupt(sha256, actual=digest.hexdigest())

    async def get_bytes(self, sha256: str, *, limit: int | None = None) -> bytes:
        """See ``BlobStore.get_bytes``."""
        if limit is not None and await self.size(sha256) > limit:
            raise BlobTooLarge(limit)
        data = bytearray()
        async with contextlib.aclosing(self.open(sha256)) as chunks:
            async for chunk in chunks:
                data += chunk
        return bytes(data)

    async def exists(self, sha256: str) -> bool:
        """See ``BlobStore.exists``."""
        return await _in_thread(self._path(sha256).is_file)

    async def size(self, sha256: str) -> int:
        """See ``BlobStore.size``."""
        path = self._path(sha256)
        try:
            return (await _in_thread(path.stat)).st_size
        except FileNotFoundError:
            raise BlobNotFound(sha256) from None

    def _path(self, sha256: str) -> Path:
        name = require_sha256(sha256)
        return self._root / name[:2] / name

    def _new_part(self) -> FileIO:
        self._incoming.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._incoming, suffix=".part")
        # Opened again by path, so that the file object knows its name.
        os.close(handle)
        return FileIO(name, "wb")

    def _seal(self, part: FileIO, stored: StoredBlob) -> None:
        os.fsync(part.fileno())
        os.fchmod(part.fileno(), _READ_ONLY)
        path = self._path(stored.sha256)
        path.parent.mkdir(exist_ok=True)
        try:
            os.link(part.name, path)
        except FileExistsError:
            if path.stat().st_size == stored.size:
                return
            # Under this name lies something torn (a restored backup, a full disk): these bytes are known to be right.
            Path(part.name).replace(path)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            Path(part.name).replace(path)
        for folder in (path.parent, self._root):
            _sync_folder(folder)


def _append(part: FileIO, digest: _Hash, data: bytes) -> None:
    digest.update(data)
    view = memoryview(data)
    while view:
        view = view[part.write(view) :]


def _discard(part: FileIO) -> None:
    part.close()
    Path(part.name).unlink(missing_ok=True)


def _read(file: FileIO, digest: _Hash) -> bytes:
    chunk = file.read(CHUNK_BYTES)
    digest.update(chunk)
    return chunk


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def _in_thread(call: Callable[[], _T]) -> _T:
    """Run blocking ``call`` in a thread. A cancellation waits for its end: nobody closes a file it still uses."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
