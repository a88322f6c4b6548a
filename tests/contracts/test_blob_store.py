"""The contract of ``eucora.ports.blobs``, held by the folder adapter and the fake alike."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from eucora.blobs.folder import FolderBlobStore
from eucora.blobs.memory import MemoryBlobStore
from eucora.domain.errors import InvalidInput, NotFound, TooLarge
from eucora.ports.blobs import CHUNK_BYTES, BlobCorrupt, BlobNotFound, BlobStore, BlobTooLarge, StoredBlob

Damage = Callable[[str, bytes], None]

ABSENT = "0" * 64
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7)


@pytest.fixture(params=["folder", "memory"])
def store_and_damage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[BlobStore, Damage]]:
    if request.param == "memory":
        memory = MemoryBlobStore()
        yield memory, memory.damage
        return
    folder = FolderBlobStore(tmp_path / "blobs")

    def damage(sha256: str, data: bytes) -> None:
        path = folder.path(sha256)
        path.chmod(0o644)
        path.write_bytes(data)

    yield folder, damage


@pytest.fixture
def store(store_and_damage: tuple[BlobStore, Damage]) -> BlobStore:
    return store_and_damage[0]


@pytest.fixture
def damage(store_and_damage: tuple[BlobStore, Damage]) -> Damage:
    return store_and_damage[1]


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def read(store: BlobStore, name: str) -> bytes:
    return b"".join([chunk async for chunk in store.open(name)])


def test_adapters_are_of_the_port(store: BlobStore) -> None:
    assert isinstance(store, BlobStore)


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_read_back_by_its_hash(store: BlobStore, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    stored = await store.put(stream(data[: size // 3], b"", data[size // 3 :]))
    assert stored == StoredBlob(sha256=sha256(data), size=size)
    assert await store.exists(stored.sha256)
    assert await store.size(stored.sha256) == size
    assert await store.get_bytes(stored.sha256) == data
    assert await read(store, stored.sha256) == data


async def test_put_bytes_is_put_of_one_chunk(store: BlobStore) -> None:
    assert await store.put_bytes(b"abc") == await store.put(stream(b"a", b"bc"))


async def test_putting_the_same_again_changes_nothing(store: BlobStore) -> None:
    first = await store.put_bytes(b"same")
    assert await store.put_bytes(b"same") == first
    assert await read(store, first.sha256) == b"same"


async def test_concurrent_puts_of_the_same_bytes_all_succeed(store: BlobStore) -> None:
    data = b"x" * (CHUNK_BYTES + 1)
    stored = await asyncio.gather(*(store.put(stream(data[:10], data[10:])) for _ in range(8)))
    assert set(stored) == {StoredBlob(sha256=sha256(data), size=len(data))}
    assert await read(store, sha256(data)) == data


async def test_an_absent_blob_is_said_to_be_absent(store: BlobStore) -> None:
    assert not await store.exists(ABSENT)
    for attempt in (store.size(ABSENT), store.get_bytes(ABSENT), read(store, ABSENT), store.get_bytes(ABSENT, limit=1)):
        with pytest.raises(BlobNotFound, match=ABSENT) as refused:
            await attempt
        assert isinstance(refused.value, NotFound)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n", "/" * 64])
async def test_what_is_no_sha256_is_refused_as_input(store: BlobStore, name: str) -> None:
    for attempt in (store.exists(name), store.size(name), store.get_bytes(name), read(store, name)):
        with pytest.raises(InvalidInput) as refused:
            await attempt
        assert refused.value.code == "sha256_malformed"
        assert refused.value.field == "sha256"


async def test_a_stream_at_the_limit_is_stored_and_one_byte_more_is_not(store: BlobStore) -> None:
    stored = await store.put(stream(b"12345", b"67890"), limit=10)
    assert stored.size == 10
    with pytest.raises(BlobTooLarge, match="10 bytes") as refused:
        await store.put(stream(b"12345", b"678901"), limit=10)
    assert isinstance(refused.value, TooLarge)
    assert not await store.exists(sha256(b"12345678901"))


async def test_an_endless_stream_is_cut_at_the_limit(store: BlobStore) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1000

    with pytest.raises(BlobTooLarge):
        await store.put(endless(), limit=10_000)
    assert given == 11


async def test_get_bytes_refuses_a_blob_over_its_limit(store: BlobStore) -> None:
    stored = await store.put_bytes(b"12345")
    assert await store.get_bytes(stored.sha256, limit=5) == b"12345"
    with pytest.raises(BlobTooLarge):
        await store.get_bytes(stored.sha256, limit=4)


async def test_a_stream_that_fails_stores_nothing(store: BlobStore) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await store.put(failing())
    assert not await store.exists(sha256(b"half"))


@pytest.mark.parametrize("damaged", [b"", b"sounD", b"sound and more"])
async def test_a_corrupt_blob_is_never_read_as_sound(store: BlobStore, damage: Damage, damaged: bytes) -> None:
    stored = await store.put_bytes(b"sound")
    damage(stored.sha256, damaged)
    with pytest.raises(BlobCorrupt, match=sha256(damaged)) as refused:
        await store.get_bytes(stored.sha256)
    assert (refused.value.sha256, refused.value.actual) == (stored.sha256, sha256(damaged))
    with pytest.raises(BlobCorrupt):
        await read(store, stored.sha256)
