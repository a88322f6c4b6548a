"""Keys: files of mode 0600 that are never replaced, names by hash, one spelling of a public key."""

import base64
import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from eucora.signing.keys import (
    KeyFileInvalid,
    KeyMalformed,
    key_id,
    key_id_of,
    load_or_create_private_key,
    load_private_key,
    new_private_key,
    public_key_base64,
    public_key_from_base64,
    save_private_key,
)

# RFC 8032 §7.1, test 1
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_a_key_is_named_by_the_hash_of_its_public_half() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    assert public_key_base64(key) == base64.b64encode(PUBLIC).decode()
    assert public_key_base64(key.public_key()) == public_key_base64(key)
    assert key_id_of(key) == key_id(public_key_base64(key)) == hashlib.sha256(PUBLIC).hexdigest()[:16]


def test_a_saved_key_is_private_to_its_owner_and_reads_back(tmp_path: Path) -> None:
    key, path = new_private_key(), tmp_path / "keys" / "claims.pem"
    save_private_key(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_private_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert [entry.name for entry in path.parent.iterdir()] == ["claims.pem"]


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "claims.pem"
    save_private_key(path, new_private_key())
    before = path.read_bytes()
    with pytest.raises(KeyFileInvalid, match="never replaced"):
        save_private_key(path, new_private_key())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["claims.pem"]


def test_load_or_create_makes_one_key_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "claims.pem"
    first = load_or_create_private_key(path)
    assert key_id_of(load_or_create_private_key(path)) == key_id_of(first)


def test_load_or_create_takes_the_key_of_a_faster_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, faster = tmp_path / "claims.pem", new_private_key()

    def make_while_the_other_saves() -> Ed25519PrivateKey:
        save_private_key(path, faster)
        return new_private_key_really()

    new_private_key_really = new_private_key
    monkeypatch.setattr("eucora.signing.keys.new_private_key", make_while_the_other_saves)
    assert key_id_of(load_or_create_private_key(path)) == key_id_of(faster)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "claims.pem"
    save_private_key(path, new_private_key())
    path.chmod(mode)
    with pytest.raises(KeyFileInvalid, match="chmod 600"):
        load_private_key(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileInvalid, match=r"absent\.pem cannot be read"):
        load_private_key(tmp_path / "absent.pem")


def pem(kind: str) -> bytes:
    if kind == "garbage":
        return b"not a key"
    if kind == "encrypted":
        return new_private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("kind", ["garbage", "encrypted", "other algorithm"])
def test_a_file_with_something_else_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "claims.pem"
    path.write_bytes(pem(kind))
    path.chmod(0o600)
    with pytest.raises(KeyFileInvalid, match=r"claims\.pem"):
        load_private_key(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        "é" * 44,
        base64.b64encode(PUBLIC).decode() + "\n",
        base64.b64encode(PUBLIC).decode().rstrip("="),
        "=" * 44,
    ],
)
def test_a_public_key_has_one_spelling(text: str) -> None:
    with pytest.raises(KeyMalformed):
        public_key_from_base64(text)


def test_stray_bits_in_the_last_character_of_a_public_key_are_refused() -> None:
    good = base64.b64encode(PUBLIC).decode()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stray = good[:42] + alphabet[alphabet.index(good[42]) ^ 1] + "="
    assert base64.b64decode(stray) == PUBLIC
    with pytest.raises(KeyMalformed):
        public_key_from_base64(stray)
