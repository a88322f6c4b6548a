"""Development keys are made once, for this account's eyes only."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from eucora.stack.keys import ensure_keys, keep_secret


def test_keys_are_ed25519_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path / "keys")
    assert isinstance(load_pem_private_key(keys.claims.read_bytes(), password=None), Ed25519PrivateKey)
    for path in (keys.claims, keys.identity):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_second_start_finds_the_same_keys(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in (ensure_keys(tmp_path).claims, ensure_keys(tmp_path).identity)}
    second = ensure_keys(tmp_path)
    assert first == {path.name: path.read_bytes() for path in (second.claims, second.identity)}
    assert {path.name for path in tmp_path.iterdir()} == {"claims.pem", "identity.secret"}


def test_two_folders_have_different_secrets(tmp_path: Path) -> None:
    one, other = keep_secret(tmp_path / "one"), keep_secret(tmp_path / "other")
    assert one != other
    assert len(one) >= 43  # 256 bits in base64
    assert keep_secret(tmp_path / "one") == one
