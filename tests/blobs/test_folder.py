"""What the folder adapter promises beyond the port: the file on disk, no residue, healing, cancellation."""

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eucora.blobs.folder import FolderBlobStore
from eucora.ports.blobs import CHUNK_BYTES, BlobNotFound, BlobTooLarge


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_a_blob_is_a_read_only_file_under_its_first_two_digits(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    stored = await store.put_bytes(b"abc")
    path = store.path(stored.sha256)
    assert path == tmp_path / stored.sha256[:2] / stored.sha256
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert files(tmp_path) == [f"{stored.sha256[:2]}/{stored.sha256}"]


def test_the_path_of_an_absent_blob_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlobNotFound):
        FolderBlobStore(tmp_path).path("0" * 64)


def test_nothing_is_made_on_disk_before_the_first_put(tmp_path: Path) -> None:
    FolderBlobStore(tmp_path / "blobs")
    assert list(tmp_path.iterdir()) == []


async def test_a_put_over_the_limit_leaves_no_residue(tmp_path: Path) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * CHUNK_BYTES

    with pytest.raises(BlobTooLarge):
        await FolderBlobStore(tmp_path).put(large(), limit=3 * CHUNK_BYTES)
    assert files(tmp_path) == []


async def test_a_cancelled_put_leaves_no_residue(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_BYTES
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(FolderBlobStore(tmp_path).put(stalled()))
    await started.wait()
    assert len(files(tmp_path)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


async def test_a_torn_file_is_replaced_by_the_right_bytes(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    stored = await store.put_bytes(b"whole")
    path = store.path(stored.sha256)
    path.chmod(0o644)
    path.write_bytes(b"who")
    assert await store.put_bytes(b"whole") == stored
    assert await store.get_bytes(stored.sha256) == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


async def test_a_second_put_does_not_touch_the_file(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    stored = await store.put_bytes(b"once")
    before = store.path(stored.sha256).stat()
    await store.put_bytes(b"once")
    after = store.path(stored.sha256).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_a_file_system_without_hard_links_is_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store = FolderBlobStore(tmp_path)
    stored = await store.put_bytes(b"abc")
    assert await store.get_bytes(stored.sha256) == b"abc"
    assert len(files(tmp_path)) == 1


async def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        await FolderBlobStore(tmp_path).put_bytes(b"abc")
    assert files(tmp_path) == []


async def test_another_store_on_the_same_folder_sees_the_blob(tmp_path: Path) -> None:
    stored = await FolderBlobStore(tmp_path).put_bytes(b"shared")
    assert await FolderBlobStore(tmp_path).get_bytes(stored.sha256) == b"shared"
    assert stored.sha256 == hashlib.sha256(b"shared").hexdigest()
