"""Ed25519 keys (RFC 8032): made, kept in PEM files of mode 0600, named by a short hash of their public half."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from eucora.domain.errors import InvalidInput

__all__ = [
    "KeyFileInvalid",
    "KeyMalformed",
    "key_id",
    "key_id_of",
    "load_or_create_private_key",
    "load_private_key",
    "new_private_key",
    "public_key_base64",
    "public_key_from_base64",
    "save_private_key",
]

_KEY_ID_HEX_DIGITS = 16
_PUBLIC_KEY_BYTES = 32


class KeyFileInvalid(InvalidInput):
    """A key file is missing, readable for others, already there, or holds something else than an Ed25519 key."""

    code = "key_file_invalid"


class KeyMalformed(InvalidInput):
    """A text is not the base64 of an Ed25519 public key."""

    code = "key_malformed"


def new_private_key() -> Ed25519PrivateKey:
    """A new key from the operating system's randomness."""
    return Ed25519PrivateKey.generate()


def public_key_base64(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The 32 bytes of the public key in base64 (44 characters)."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(public.public_bytes_raw()).decode("ascii")


def public_key_from_base64(text: str) -> Ed25519PublicKey:
    """The public key behind ``text``. Raises ``KeyMalformed``."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    # Only the one canonical spelling: otherwise one key could go under several texts.
    if len(raw) != _PUBLIC_KEY_BYTES or base64.b64encode(raw).decode("ascii") != text:
        sentence = "An Ed25519 public key is the base64 of 32 bytes: 44 characters, the last one '='."
        raise KeyMalformed(sentence)
    return Ed25519PublicKey.from_public_bytes(raw)


def key_id(public_key: str) -> str:
    """The name of a key: the first 16 hexadecimal digits of the SHA-256 of the public key's 32 bytes."""
    raw = public_key_from_base64(public_key).public_bytes_raw()
    return hashlib.sha256(raw).hexdigest()[:_KEY_ID_HEX_DIGITS]


def key_id_of(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The name of ``key``; see ``key_id``."""
    return key_id(public_key_base64(key))


def save_private_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write ``key`` as PKCS #8 PEM, mode 0600. Never replaces a file: raises ``KeyFileInvalid`` when one is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        # A link is atomic and never replaces: a reader sees the whole key, and of two writers one wins.
        os.link(part, path)
    except FileExistsError:
        sentence = f"{path} exists; a private key is never replaced. Move it away first."
        raise KeyFileInvalid(sentence) from None
    finally:
        Path(part).unlink()


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a key of ``save_private_key`` or ``openssl genpkey -algorithm ed25519``. Raises ``KeyFileInvalid``."""
    try:
        with path.open("rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                sentence = f"{path} can be read by others than its owner; run: chmod 600 {path}"
                raise KeyFileInvalid(sentence)
            pem = file.read()
    except OSError as error:
        sentence = f"The key file {path} cannot be read: {error.strerror}."
        raise KeyFileInvalid(sentence) from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: it may quote the file.
        sentence = f"{path} is not an unencrypted PEM file with a private key."
        raise KeyFileInvalid(sentence) from None
    if not isinstance(key, Ed25519PrivateKey):
        sentence = f"The key in {path} is not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519"
        raise KeyFileInvalid(sentence)
    return key


def load_or_create_private_key(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``, made first when there is none; of several callers at once all get the same key."""
    if not path.exists():
        with contextlib.suppress(KeyFileInvalid):  # another process was faster: its key is the one
            save_private_key(path, new_private_key())
    return load_private_key(path)
