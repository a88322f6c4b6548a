"""The port of detached signatures over artifacts, and the shapes that cross it.

Contract: a signature names its key and carries its public half, so that anybody can check it; whether that key belongs
to somebody we know is decided by the verifier's own list and never by the signature.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints

from eucora.domain.errors import InvalidInput
from eucora.domain.risk.evidence import Signing

__all__ = ["ArtifactVerifier", "DetachedSignature", "SignatureInvalid", "SignatureVerdict"]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class SignatureInvalid(InvalidInput):
    """A signature does not hold for what it is said to sign: sign the artifact again, or find out who changed it."""

    code = "signature_invalid"


class DetachedSignature(BaseModel):
    """An Ed25519 signature kept beside an artifact; base64 is the standard alphabet with padding (RFC 4648 §4)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: Literal["ed25519"] = "ed25519"
    key_id: KeyId
    public_key: PublicKey
    artifact_sha256: Sha256
    signature: Signature


class SignatureVerdict(BaseModel):
    """A signature that holds: by which key, and what is known of its holder.

    ``signing`` is ``signed_known_vendor`` for a key in the verifier's list that has a vendor's name there,
    ``signed_unknown_vendor`` for one without, and ``self_signed`` for a key in no list: anybody could have made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: KeyId
    signing: Signing
    vendor: str | None = None


class ArtifactVerifier(Protocol):
    """Checks detached signatures against a list of trusted signers."""

    def verify(self, signature: DetachedSignature, *, artifact_sha256: str) -> SignatureVerdict:
        """The verdict for a signature that holds. Raises ``SignatureInvalid`` for any other."""
        ...
