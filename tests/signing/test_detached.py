"""Detached signatures: they hold for one artifact, and say how well its signer is known."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eucora.domain.errors import InvalidInput
from eucora.domain.risk.evidence import Signing
from eucora.ports.signer import DetachedSignature, SignatureInvalid
from eucora.signing.detached import TrustedSigner, TrustedSigners, sign_artifact, verify_artifact
from eucora.signing.keys import key_id_of, new_private_key, public_key_base64

KEY, OTHER_KEY = new_private_key(), new_private_key()
ARTIFACT = "ab" * 32
SIGNATURE = sign_artifact(KEY, artifact_sha256=ARTIFACT)
VENDOR = {key_id_of(KEY): TrustedSigner(public_key=public_key_base64(KEY), vendor="Example Corp")}


def refusal(signature: DetachedSignature, *, artifact: str = ARTIFACT) -> str | None:
    with pytest.raises(SignatureInvalid) as refused:
        verify_artifact(signature, artifact_sha256=artifact, trusted=VENDOR)
    assert isinstance(refused.value, InvalidInput)
    return refused.value.field


def test_a_trusted_key_with_a_vendor_is_a_known_vendor() -> None:
    verdict = verify_artifact(SIGNATURE, artifact_sha256=ARTIFACT, trusted=VENDOR)
    assert (verdict.signing, verdict.vendor, verdict.key_id) == (
        Signing.SIGNED_KNOWN_VENDOR,
        "Example Corp",
        key_id_of(KEY),
    )


def test_a_trusted_key_without_a_vendor_is_an_unknown_vendor() -> None:
    trusted = TrustedSigners({key_id_of(KEY): TrustedSigner(public_key=public_key_base64(KEY))})
    assert trusted.verify(SIGNATURE, artifact_sha256=ARTIFACT).signing is Signing.SIGNED_UNKNOWN_VENDOR


def test_a_key_in_no_list_is_self_signed() -> None:
    verdict = verify_artifact(SIGNATURE, artifact_sha256=ARTIFACT, trusted={})
    assert (verdict.signing, verdict.vendor) == (Signing.SELF_SIGNED, None)


def test_a_signature_survives_its_file() -> None:
    assert DetachedSignature.model_validate_json(SIGNATURE.model_dump_json()) == SIGNATURE


def test_a_signature_is_for_one_artifact() -> None:
    assert refusal(SIGNATURE, artifact="cd" * 32) == "artifact_sha256"
    moved = SIGNATURE.model_copy(update={"artifact_sha256": "cd" * 32})
    assert refusal(moved, artifact="cd" * 32) == "signature"


def test_a_stranger_cannot_use_the_name_of_a_trusted_key() -> None:
    strange = sign_artifact(OTHER_KEY, artifact_sha256=ARTIFACT)
    assert refusal(strange.model_copy(update={"key_id": key_id_of(KEY)})) == "key_id"
    assert refusal(SIGNATURE.model_copy(update={"public_key": public_key_base64(OTHER_KEY)})) == "key_id"


def test_a_list_whose_key_differs_under_the_same_name_decides() -> None:
    trusted = {key_id_of(KEY): TrustedSigner(public_key=public_key_base64(OTHER_KEY), vendor="Example Corp")}
    with pytest.raises(SignatureInvalid, match="another public key"):
        verify_artifact(SIGNATURE, artifact_sha256=ARTIFACT, trusted=trusted)


def test_a_public_key_that_is_none_is_refused() -> None:
    assert refusal(SIGNATURE.model_copy(update={"public_key": "A" * 42 + "B="})) == "public_key"


@given(st.binary(min_size=64, max_size=64))
def test_no_other_bytes_are_a_signature(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    if text != SIGNATURE.signature:
        assert refusal(SIGNATURE.model_copy(update={"signature": text})) == "signature"


@pytest.mark.parametrize("sha256", ["", "AB" * 32, "ab" * 31])
def test_only_a_sha256_is_signed(sha256: str) -> None:
    with pytest.raises(ValidationError):
        sign_artifact(KEY, artifact_sha256=sha256)


def test_a_signature_made_for_a_claim_is_none_for_an_artifact() -> None:
    from eucora.signing.payload import signed_bytes

    raw = KEY.sign(signed_bytes("eucora/claim/v1", {"artifact_sha256": ARTIFACT}))
    assert refusal(SIGNATURE.model_copy(update={"signature": base64.b64encode(raw).decode()})) == "signature"
