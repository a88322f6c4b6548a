"""Reading messages inside the workflow: shape, claim, type. Pure, so that it replays.

What is typed into the Temporal Web UI or sent with a stolen connection has no claim that holds; it becomes a
:class:`Denial`, which the workflow records and otherwise ignores. Nothing here raises, because a signal handler that
raises would fail or block the whole workflow (``temporal.md`` §4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from eucora.domain.messages import Message, Sender
    from eucora.domain.state import RolloutState
    from eucora.signing.claims import ClaimRefused, message_body, verify_claim
    from models.messages.envelope import SignedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A message that nobody with a valid claim has sent."""

    message: str
    code: str
    sentence: str
    actor: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message with its verified sender."""

    body: Message
    sender: Sender


def read(kind: str, payload: Any, state: RolloutState, now: datetime) -> Letter | Denial:
    """Read one message of type ``kind``: verified sender and body, or why it is denied."""
    try:
        message = SignedMessage.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "message"
        return Denial(message=kind, code="message_malformed", sentence=f"{place}: {first['msg']}")
    if message.body.type != kind:
        return Denial(message=kind, code="message_malformed", sentence=f"a {message.body.type} was sent as {kind}")
    claim = message.claim
    try:
        verify_claim(
            claim,
            body=message_body(message.body),
            message_type=kind,
            deployment_id=state.plan.deployment_id,
            trusted_keys={key.key_id: key.public_key for key in state.trusted_keys},
            now=now,
        )
    except ClaimRefused as refused:
        actor = "unknown" if claim is None else f"unverified {claim.actor}"[:100]
        return Denial(message=kind, code=refused.code, sentence=refused.sentence, actor=actor)
    assert claim is not None, "verify_claim refuses a missing claim"  # noqa: S101 - invariant
    sender = Sender(actor=claim.actor, roles=claim.roles, scope=claim.scope, message_id=claim.message_id)
    return Letter(body=message.body, sender=sender)
