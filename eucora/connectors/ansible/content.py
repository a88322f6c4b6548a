"""The content cache: artifacts by their SHA-256, each under its own file name, verified while they are written."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from pathlib import Path

from eucora.connectors.ansible import errors
from eucora.domain.errors import PlaneInvalid
from eucora.ports.plane import ArtifactReader, Package

__all__ = ["bring", "holds", "path_of"]

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,199}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def path_of(state: Path, sha256: str, name: str) -> Path:
    """Where the artifact is kept. Package managers read the name (a wheel's tags), so it keeps its own."""
    return state / "content" / sha256 / name


async def bring(state: Path, package: Package, artifact: ArtifactReader) -> Path:
    """Download the artifact unless it is here and whole; returns its path.

    Raises ``PlaneInvalid`` for a name that is no file name (``artifact_name``) and for bytes that are not those
    that the package names (``artifact_mismatch``); what the reader raises becomes a ``PlaneError``.
    """
    if not FILE_NAME.fullmatch(package.artifact_name):
        raise PlaneInvalid(f"{package.artifact_name!r} is not a plain file name.", code="artifact_name")
    if not SHA256.fullmatch(package.artifact_sha256):
        raise PlaneInvalid("The artifact's SHA-256 is not 64 lower-case hexadecimal digits.", code="artifact_mismatch")
    path = path_of(state, package.artifact_sha256, package.artifact_name)
    if await asyncio.to_thread(holds, path, package.artifact_sha256):
        return path
    try:
        await _download(path, package, artifact)
    except Exception as error:
        raise errors.artifact_unreadable(package.artifact_sha256, error) from error
    return path


def holds(path: Path, sha256: str) -> bool:
    """Whether the file is there and has that SHA-256 (hex)."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


async def _download(path: Path, package: Package, artifact: ArtifactReader) -> None:
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True, mode=0o700)
    handle, name = await asyncio.to_thread(tempfile.mkstemp, dir=path.parent, prefix=".arriving-")
    temporary = Path(name)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as file:
            async for chunk in artifact.open(package.artifact_sha256):
                digest.update(chunk)
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        if size != package.artifact_size or digest.hexdigest() != package.artifact_sha256:
            raise PlaneInvalid(
                f"Got {size} bytes with SHA-256 {digest.hexdigest()} for the artifact {package.artifact_sha256} "
                f"of {package.artifact_size} bytes.",
                code="artifact_mismatch",
            )
        await asyncio.to_thread(temporary.replace, path)
    finally:
        await asyncio.to_thread(temporary.unlink, missing_ok=True)
