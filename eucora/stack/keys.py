"""Development keys: made at the first start, readable by this account alone, never in the repository."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

__all__ = ["DevelopmentKeys", "ensure_keys", "keep_secret"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentKeys:
    """Paths of the stack's keys: the API's Ed25519 private key (PKCS #8, PEM) and the identity provider's secret."""

    claims: Path
    identity: Path


def ensure_keys(folder: Path) -> DevelopmentKeys:
    """Make the keys that do not exist yet in ``folder`` and return where they are."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    keys = DevelopmentKeys(claims=folder / "claims.pem", identity=folder / "identity.secret")
    if not keys.claims.exists():
        private = Ed25519PrivateKey.generate()
        _write(keys.claims, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keep_secret(keys.identity)
    return keys


def keep_secret(path: Path) -> str:
    """The secret in ``path``, 256 random bits in URL-safe letters, drawn if the file does not exist."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(path, secrets.token_urlsafe(32).encode("ascii"))
    return path.read_text(encoding="ascii").strip()


def _write(path: Path, content: bytes) -> None:
    """Write a new file for our eyes only, whole or not at all; one that another process wrote meanwhile is kept."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
