"""Signed claims: who sends a signal or update to a deployment's workflow, with which roles and scope.

The API (or the sending service) signs, the workflow verifies. Verification runs inside workflow code and is replayed
for as long as the deployment lives, so it is a pure function: time and trusted keys are arguments, nothing is read.

Rules, all strict:

- The body is bound by the SHA-256 of its canonical JSON (RFC 8785). Fields that have their default value are left out,
  so that a field added later, with a default, changes no digest of a message in an old history. For the same reason
  fields of ``SignedClaim`` are only ever added with a default.
- Text is compared code point by code point: no Unicode normalisation.
- A claim is in force while ``issued_at <= now < expires_at``, without tolerance. An issuer whose clock may run ahead of
  the engine's backdates ``issued_at``; a claim on a signal must outlive an outage of all workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter

from eucora.domain.errors import InvalidInput, Refused
from eucora.domain.plan import Scope
from eucora.signing.keys import KeyMalformed, key_id_of, public_key_from_base64
from eucora.signing.payload import body_digest, decode_base64, encode_base64, signed_bytes
from models.messages.claims import SignedClaim

__all__ = ["ClaimRefused", "SignedClaim", "message_body", "sign_claim", "verify_claim"]

_PURPOSE = "eucora/claim/v1"

# One per message type; building one costs more than verifying a signature.
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


class ClaimRefused(Refused):
    """A claim does not hold for the message it came with. The message is refused and recorded; ``code`` says why.

    Codes: ``claim_missing claim_key_unknown claim_signature_invalid claim_wrong_type claim_wrong_deployment
    claim_wrong_body claim_not_yet_valid claim_expired``.
    """

    code = "claim_refused"

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence, code=code, field="claim")


def message_body(message: Any) -> Any:
    """What a claim binds of ``message``: its plain JSON without the field ``claim`` and without default values.

    ``message`` is a pydantic model or a dataclass.
    """
    kind = type(message)
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter.dump_python(message, mode="json", exclude={"claim"}, exclude_defaults=True)


def sign_claim(
    private_key: Ed25519PrivateKey,
    *,
    actor: str,
    roles: Sequence[str],
    scope: Scope,
    deployment_id: str,
    message_id: str,
    message_type: str,
    body: Any,
    issued_at: datetime,
    expires_at: datetime,
) -> SignedClaim:
    """A claim for ``body`` (a plain JSON value; for a message its ``message_body``).

    Raises ``InvalidInput`` when the body has no canonical JSON or the claim would never be in force, and pydantic's
    ``ValidationError`` for a malformed field (an empty actor, a time without a zone).
    """
    if issued_at >= expires_at:
        sentence = "A claim must expire after it is issued."
        raise InvalidInput(sentence, code="claim_lifetime_invalid", field="expires_at")
    try:
        digest = body_digest(body)
    except ValueError as error:
        sentence = f"The body of a message must be plain JSON: {error}."
        raise InvalidInput(sentence, code="claim_body_invalid", field="body") from error
    unsigned = SignedClaim(
        key_id=key_id_of(private_key),
        actor=actor,
        roles=tuple(roles),
        scope=scope,
        deployment_id=deployment_id,
        message_id=message_id,
        message_type=message_type,
        body_digest=digest,
        issued_at=issued_at,
        expires_at=expires_at,
        signature=encode_base64(bytes(64)),
    )
    try:
        signature = private_key.sign(_payload(unsigned))
    except ValueError as error:
        sentence = f"The claim cannot be signed: {error}."
        raise InvalidInput(sentence, code="claim_body_invalid") from error
    return unsigned.model_copy(update={"signature": encode_base64(signature)})


def verify_claim(
    claim: SignedClaim | None,
    *,
    body: Any,
    message_type: str,
    deployment_id: str,
    trusted_keys: Mapping[str, str],
    now: datetime,
) -> None:
    """Return if ``claim`` holds for this message, now. Raises ``ClaimRefused``.

    ``body`` is as for ``sign_claim``; ``trusted_keys`` maps key ids to public keys (base64); ``now`` is workflow time.
    """
    if claim is None:
        raise ClaimRefused("claim_missing", "The message carries no signed claim; send it through the API.")
    _verify_signature(claim, trusted_keys)
    if claim.message_type != message_type:
        sentence = f"The claim is for a message of type {claim.message_type}, not {message_type}."
        raise ClaimRefused("claim_wrong_type", sentence)
    if claim.deployment_id != deployment_id:
        sentence = f"The claim is for deployment {claim.deployment_id}, not {deployment_id}."
        raise ClaimRefused("claim_wrong_deployment", sentence)
    try:
        digest = body_digest(body)
    except ValueError:
        raise ClaimRefused("claim_wrong_body", "The message's body is not plain JSON.") from None
    if claim.body_digest != digest:
        raise ClaimRefused("claim_wrong_body", "The message's body is not the one that was signed.")
    if now < claim.issued_at:
        sentence = f"The claim is valid from {claim.issued_at.isoformat()}; it is {now.isoformat()}."
        raise ClaimRefused("claim_not_yet_valid", sentence)
    if now >= claim.expires_at:
        sentence = f"The claim expired at {claim.expires_at.isoformat()}; send the message again through the API."
        raise ClaimRefused("claim_expired", sentence)


def _verify_signature(claim: SignedClaim, trusted_keys: Mapping[str, str]) -> None:
    trusted = trusted_keys.get(claim.key_id)
    if trusted is None:
        sentence = f"The claim is signed with key {claim.key_id}, which this deployment does not trust."
        raise ClaimRefused("claim_key_unknown", sentence)
    try:
        public_key = public_key_from_base64(trusted)
    except KeyMalformed:
        sentence = f"What is trusted as key {claim.key_id} is not an Ed25519 public key."
        raise ClaimRefused("claim_key_unknown", sentence) from None
    try:
        public_key.verify(decode_base64(claim.signature), _payload(claim))
    except (InvalidSignature, ValueError):
        sentence = "The claim's signature does not hold: the claim was changed, or another key signed it."
        raise ClaimRefused("claim_signature_invalid", sentence) from None


def _payload(claim: SignedClaim) -> bytes:
    return signed_bytes(_PURPOSE, claim.model_dump(mode="json", exclude={"signature"}, exclude_defaults=True))
