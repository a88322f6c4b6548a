"""The file of trusted signers: who is known by it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eucora.domain.risk import Signing
from eucora.signing.detached import sign_artifact
from eucora.signing.keys import new_private_key, public_key_base64
from eucora.signing.trusted_signers import SignersFileInvalid, load_trusted_signers

ARTIFACT = "a" * 64


def test_a_listed_key_is_known_with_or_without_its_vendor(tmp_path: Path) -> None:
    vendor, nameless, stranger = new_private_key(), new_private_key(), new_private_key()
    listed = [{"public_key": public_key_base64(vendor), "vendor": "Acme"}, {"public_key": public_key_base64(nameless)}]
    path = tmp_path / "signers.json"
    path.write_text(json.dumps({"signers": listed}))
    trusted = load_trusted_signers(path)
    verdicts = [
        trusted.verify(sign_artifact(key, artifact_sha256=ARTIFACT), artifact_sha256=ARTIFACT)
        for key in (vendor, nameless, stranger)
    ]
    assert [(one.signing, one.vendor) for one in verdicts] == [
        (Signing.SIGNED_KNOWN_VENDOR, "Acme"),
        (Signing.SIGNED_UNKNOWN_VENDOR, None),
        (Signing.SELF_SIGNED, None),
    ]


def test_without_a_file_everybody_is_a_stranger() -> None:
    verdict = load_trusted_signers(None).verify(
        sign_artifact(new_private_key(), artifact_sha256=ARTIFACT), artifact_sha256=ARTIFACT
    )
    assert verdict.signing is Signing.SELF_SIGNED


@pytest.mark.parametrize(
    "text", ["", "[]", '{"signers": [{"public_key": "short"}]}', '{"signers": [], "more": 1}', '{"signers": [{}]}']
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "signers.json"
    path.write_text(text)
    with pytest.raises(SignersFileInvalid):
        load_trusted_signers(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignersFileInvalid, match="cannot be read"):
        load_trusted_signers(tmp_path / "none.json")
