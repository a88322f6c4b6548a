"""The signed claim that every signal and update carries; signed and verified by ``eucora.signing.claims``."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from eucora.domain.plan import Scope

__all__ = ["SignedClaim"]

Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]


class SignedClaim(BaseModel):
    """Who sends which message to which deployment, signed with Ed25519.

    ``key_id`` names the key (16 hex digits); ``message_id`` makes the message idempotent; ``body_digest`` is the hex
    SHA-256 of the message's canonical JSON without the claim; times are UTC; ``signature`` is base64 over all the rest.
    """

    # A field added later needs a default and counts as absent while it has it: claims in old histories stay valid.
    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    actor: Text
    roles: tuple[Text, ...]
    scope: Scope
    deployment_id: Text
    message_id: Text
    message_type: Text
    body_digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    issued_at: UtcTime
    expires_at: UtcTime
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
