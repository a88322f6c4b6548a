"""The one argument of every signal and update of a deployment: a message's body and the claim that vouches for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from eucora.domain.messages import Message
from models.messages.claims import SignedClaim

__all__ = ["SignedMessage"]


class SignedMessage(BaseModel):
    """A message with its claim; ``claim`` is None only in messages typed around the API, which are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim: SignedClaim | None
    body: Annotated[Message, Field(discriminator="type")]
