"""The content cache keeps what hashes to its name, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from eucora.connectors.ansible import content
from eucora.domain.errors import (
    EucoraError,
    InvalidInput,
    NotFound,
    PlaneError,
    PlaneInvalid,
    PlaneNotFound,
    PlanePermanent,
    PlaneTransient,
    Unavailable,
)
from tests.connectors.ansible.worlds import Bytes, wheel

PACKAGE, CONTENT = wheel("1.0.0")


class Failing:
    """A reader that gives a little and then raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        yield CONTENT[:10]
        raise self.error


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_content_is_brought_once_under_its_own_name(tmp_path: Path) -> None:
    reader = Bytes(CONTENT)
    path = await content.bring(tmp_path, PACKAGE, reader)
    assert path.read_bytes() == CONTENT
    assert path.name == PACKAGE.artifact_name
    assert await content.bring(tmp_path, PACKAGE, reader) == path
    assert reader.reads == 1


async def test_content_that_was_damaged_in_the_cache_is_brought_again(tmp_path: Path) -> None:
    reader = Bytes(CONTENT)
    path = await content.bring(tmp_path, PACKAGE, reader)
    path.write_bytes(b"damaged")
    await content.bring(tmp_path, PACKAGE, reader)
    assert path.read_bytes() == CONTENT
    assert reader.reads == 2


@pytest.mark.parametrize("arriving", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"?", b""])
async def test_bytes_that_are_not_the_packages_are_not_kept(tmp_path: Path, arriving: bytes) -> None:
    with pytest.raises(PlaneInvalid) as caught:
        await content.bring(tmp_path, PACKAGE, Bytes(arriving))
    assert caught.value.code == "artifact_mismatch"
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", ["../escape.whl", "a/b.whl", ".hidden", "", "-rf", "a\nb"])
async def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlaneInvalid) as caught:
        await content.bring(tmp_path, replace(PACKAGE, artifact_name=name), Bytes(CONTENT))
    assert caught.value.code == "artifact_name"
    assert files_in(tmp_path) == []


async def test_a_digest_that_is_no_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaneInvalid):
        await content.bring(tmp_path, replace(PACKAGE, artifact_sha256="../../etc"), Bytes(CONTENT))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (NotFound("no such blob"), PlaneNotFound),
        (Unavailable("the store is down", retry_after=timedelta(seconds=1)), PlaneTransient),
        (ConnectionResetError(), PlaneTransient),
        (RuntimeError("a vendor's own error"), PlaneTransient),
        (InvalidInput("the bytes do not hash to their name"), PlanePermanent),
    ],
)
async def test_what_a_reader_raises_leaves_as_an_error_of_the_port(
    tmp_path: Path, raised: Exception, kind: type[EucoraError]
) -> None:
    with pytest.raises(PlaneError) as caught:
        await content.bring(tmp_path, PACKAGE, Failing(raised))
    assert isinstance(caught.value, kind)
    assert files_in(tmp_path) == []


def test_a_file_is_held_to_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert not content.holds(path, PACKAGE.artifact_sha256)
    path.write_bytes(b"abc")
    assert content.holds(path, hashlib.sha256(b"abc").hexdigest())
    assert not content.holds(path, PACKAGE.artifact_sha256)
