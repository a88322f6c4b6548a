"""Adapters of the content-addressed store (``eucora.ports.blobs``), and the factory that chooses one by URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from eucora.blobs.folder import FolderBlobStore
from eucora.domain.errors import InvalidInput

__all__ = ["BlobUrlUnsupported", "FolderBlobStore", "open_store"]


class BlobUrlUnsupported(InvalidInput):
    """The URL of the store names a kind of store that there is no adapter for."""

    code = "blob_url_unsupported"


def open_store(url: str) -> FolderBlobStore:
    """The store at ``url``: a folder path, or a ``file:`` URL (``file:.eucora/blobs``, ``file:///srv/blobs``).

    Nothing is made on disk before the first put. Raises ``BlobUrlUnsupported``.
    """
    scheme, separator, rest = url.partition(":")
    # One letter before the colon is a drive of Windows, not a scheme.
    if not separator or len(scheme) == 1 or "/" in scheme:
        return FolderBlobStore(_folder(url, url))
    if scheme.lower() != "file":
        message = f"Blobs cannot be stored in {scheme}: addresses; use a folder path or a file: URL."
        raise BlobUrlUnsupported(message, field="blob_url")
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            message = f"A file: URL names this machine, not the host {host!r}; write file:///folder."
            raise BlobUrlUnsupported(message, field="blob_url")
        rest = slash + path
    return FolderBlobStore(_folder(unquote(rest), url))


def _folder(path: str, url: str) -> Path:
    if not path.strip():
        message = f"The address {url!r} of the blob store names no folder."
        raise BlobUrlUnsupported(message, field="blob_url")
    return Path(path)
