"""Frozen lists are read back as they were stored, from memory where they were read before."""

from __future__ import annotations

import pytest

from activities.memberships import Memberships
from eucora.blobs.memory import MemoryBlobStore
from eucora.domain.rings import Member
from eucora.domain.vocabulary import SiteClass
from eucora.ports.blobs import BlobCorrupt, BlobNotFound


def members(count: int, prefix: str = "d") -> tuple[Member, ...]:
    return tuple(
        Member(
            device_id=f"{prefix}-{number}",
            name=f"HOST-{number}",
            site="berlin",
            site_class=SiteClass.ONLINE if number % 2 else SiteClass.INTERMITTENT,
            why="named in the plan",
        )
        for number in range(count)
    )


class Counting(MemoryBlobStore):
    reads = 0

    async def get_bytes(self, sha256: str, *, limit: int | None = None) -> bytes:
        self.reads += 1
        return await super().get_bytes(sha256, limit=limit)


async def test_what_was_stored_is_loaded_in_order() -> None:
    memberships = Memberships(MemoryBlobStore())
    stored = members(4)
    loaded = await memberships.load(await memberships.store(stored))
    assert list(loaded.items()) == [(member.device_id, member.site_class) for member in stored]


async def test_a_list_is_read_once_while_it_is_kept() -> None:
    blobs = Counting()
    memberships = Memberships(blobs)
    digest = await memberships.store(members(3))
    for _ in range(3):
        await memberships.load(digest)
    assert blobs.reads == 1


async def test_lists_are_kept_by_their_length_and_the_longest_unused_goes_first() -> None:
    blobs = Counting()
    memberships = Memberships(blobs, kept=10)
    first, second, third = [await memberships.store(members(4, prefix)) for prefix in "abc"]
    await memberships.load(first)
    await memberships.load(second)
    await memberships.load(first)
    await memberships.load(third)  # 12 devices: the second list, unused the longest, is forgotten
    assert blobs.reads == 3
    await memberships.load(first)
    assert blobs.reads == 3
    await memberships.load(second)
    assert blobs.reads == 4


async def test_a_list_longer_than_everything_that_may_be_kept_is_kept_while_it_is_in_use() -> None:
    blobs = Counting()
    memberships = Memberships(blobs, kept=10)
    digest = await memberships.store(members(50))
    for _ in range(3):
        assert len(await memberships.load(digest)) == 50
    assert blobs.reads == 1


async def test_a_missing_or_damaged_list_is_an_error() -> None:
    blobs = MemoryBlobStore()
    memberships = Memberships(blobs)
    with pytest.raises(BlobNotFound):
        await memberships.load("0" * 64)
    digest = await memberships.store(members(2))
    blobs.damage(digest, b"[]")
    with pytest.raises(BlobCorrupt):
        await memberships.load(digest)
