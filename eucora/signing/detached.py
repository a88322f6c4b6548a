"""Detached signatures over artifacts, made with a packaging key and kept beside the file.

What is signed is the artifact's SHA-256, not its bytes: an artifact of gigabytes is hashed once, where it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eucora.domain.risk.evidence import Signing
from eucora.ports.signer import DetachedSignature, SignatureInvalid, SignatureVerdict
from eucora.signing.keys import KeyMalformed, key_id, key_id_of, public_key_base64, public_key_from_base64
from eucora.signing.payload import decode_base64, encode_base64, signed_bytes

__all__ = ["TrustedSigner", "TrustedSigners", "sign_artifact", "verify_artifact"]

_PURPOSE = "eucora/artifact/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedSigner:
    """A key we know (base64) and the vendor who holds it; ``vendor`` is None when only the key is known."""

    public_key: str
    vendor: str | None = None


def sign_artifact(private_key: Ed25519PrivateKey, *, artifact_sha256: str) -> DetachedSignature:
    """Sign the artifact with that SHA-256 (lower-case hex). Raises pydantic's ``ValidationError`` for another text."""
    return DetachedSignature(
        key_id=key_id_of(private_key),
        public_key=public_key_base64(private_key),
        artifact_sha256=artifact_sha256,
        signature=encode_base64(private_key.sign(_payload(artifact_sha256))),
    )


def verify_artifact(
    signature: DetachedSignature, *, artifact_sha256: str, trusted: Mapping[str, TrustedSigner]
) -> SignatureVerdict:
    """Who signed the artifact of that SHA-256; ``trusted`` maps key ids to signers we know.

    Raises ``SignatureInvalid`` when the signature does not hold, is for another artifact, or contradicts itself.
    """
    if signature.artifact_sha256 != artifact_sha256:
        sentence = f"The signature is for the artifact {signature.artifact_sha256}, not for {artifact_sha256}."
        raise SignatureInvalid(sentence, field="artifact_sha256")
    try:
        public_key = public_key_from_base64(signature.public_key)
        if key_id(signature.public_key) != signature.key_id:
            sentence = "The signature's key id is not that of its public key."
            raise SignatureInvalid(sentence, field="key_id")
    except KeyMalformed as error:
        raise SignatureInvalid(error.sentence, field="public_key") from error
    signer = trusted.get(signature.key_id)
    if signer is not None and signer.public_key != signature.public_key:
        sentence = f"The signature carries another public key than the one trusted as {signature.key_id}."
        raise SignatureInvalid(sentence, field="public_key")
    try:
        public_key.verify(decode_base64(signature.signature), _payload(artifact_sha256))
    except (InvalidSignature, ValueError):
        sentence = "The signature does not hold for this artifact."
        raise SignatureInvalid(sentence, field="signature") from None
    if signer is None:
        return SignatureVerdict(key_id=signature.key_id, signing=Signing.SELF_SIGNED)
    signing = Signing.SIGNED_UNKNOWN_VENDOR if signer.vendor is None else Signing.SIGNED_KNOWN_VENDOR
    return SignatureVerdict(key_id=signature.key_id, signing=signing, vendor=signer.vendor)


@dataclass(frozen=True, slots=True)
class TrustedSigners:
    """The ``ArtifactVerifier`` over a list of signers by key id."""

    signers: Mapping[str, TrustedSigner]

    def verify(self, signature: DetachedSignature, *, artifact_sha256: str) -> SignatureVerdict:
        """See ``ArtifactVerifier.verify``."""
        return verify_artifact(signature, artifact_sha256=artifact_sha256, trusted=self.signers)


def _payload(artifact_sha256: str) -> bytes:
    return signed_bytes(_PURPOSE, {"artifact_sha256": artifact_sha256})
