"""Operators' controls and votes: authorised here, decided and recorded by the deployment's workflow."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, fields
from datetime import timedelta

from api.idempotency import derived_id
from api.services import Services
from api.temporal_gateway import WorkflowClosed
from eucora.domain.approval import Conditions
from eucora.domain.errors import EucoraError, Forbidden, InvalidInput, NotFound, Refused, Unavailable
from eucora.domain.messages import CabVote, Message
from eucora.domain.plan import Scope
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import DeploymentState
from eucora.evidence.canonical import digest
from eucora.identity.principal import Principal
from eucora.observability import bind_context
from eucora.signing.claims import message_body
from eucora.store import idempotency_queries
from eucora.store.deployment_queries import find_deployment
from eucora.store.review_queries import ReviewView, VoteView, vote_outcome
from models.wire.deployments import ControlAnswer

__all__ = ["Voted", "control", "message_id_of", "vote"]

LOOK_AGAIN = timedelta(milliseconds=25)
CONDITIONS = frozenset(field.name for field in fields(Conditions))


async def control(
    services: Services, deployment_id: str, message: Message, *, caller: Principal, key: str | None
) -> ControlAnswer:
    """Send a control and return what it came to.

    Raises ``NotFound`` for a deployment that is not there for the caller, the workflow's refusal with its code,
    ``WorkflowClosed`` (``deployment_final``), ``Unavailable``.
    """
    bind_context(deployment_id=deployment_id)
    await _require_known(services, deployment_id, caller=caller)
    message_id = message_id_of(caller, key, deployment_id, message)
    outcome = await services.gateway.control(deployment_id, message, principal=caller, message_id=message_id)
    return ControlAnswer(
        deployment_id=deployment_id,
        message_id=outcome.message_id or message_id,
        facts=list(outcome.facts),
        sequence=outcome.sequence,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """A vote and what became of it; ``recorded`` is None while nobody has judged it."""

    message_id: str
    recorded: VoteView | None


async def vote(
    services: Services, review: ReviewView, message: CabVote, *, caller: Principal, key: str | None
) -> Voted:
    """Forward a vote and wait a moment for its outcome (``architecture.md`` §2, "Messages").

    Raises the workflow's refusal with its code, ``Refused`` (``review_closed``) when the workflow has ended,
    ``Unavailable``.
    """
    deployment_id = review.deployment_id
    bind_context(deployment_id=deployment_id)
    message_id = message_id_of(caller, key, deployment_id, message)
    try:
        await services.gateway.vote(deployment_id, message, principal=caller, message_id=message_id)
    except WorkflowClosed:
        # A vote that was sent before and counted is answered as it was; anything else comes too late.
        recorded = await _outcome(services, message_id, deployment_id)
        if recorded is None:
            error = Refused(f"Deployment {deployment_id} has ended; its reviews take no votes.", code="review_closed")
            await services.security.vote_refused(
                error, review_id=review.id, decision=message.decision, principal=caller
            )
            raise error from None
    else:
        recorded = await _wait_for_outcome(services, message_id, deployment_id)
    if recorded is not None and not recorded.accepted:
        raise _vote_refusal(recorded)
    return Voted(message_id=message_id, recorded=recorded)


def message_id_of(caller: Principal, key: str | None, deployment_id: str, message: Message) -> str:
    """The message's id: derived from the caller's key and the message, so that a repeated request is one message.

    Without a key it is drawn. The same key with another message is another message: it is judged, never taken for
    the first.
    """
    if key is None:
        return str(uuid.uuid4())
    kind = f"{message.type} {deployment_id} {digest(message_body(message))}"
    return derived_id(kind, tenant=caller.scope.tenant, caller=caller.actor, key=key)


async def _wait_for_outcome(services: Services, message_id: str, deployment_id: str) -> VoteView | None:
    """Look until the outcome is recorded, for as long as the setting allows. None when it is not, or cannot be read."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + services.settings.vote_wait_seconds
    while True:
        try:
            recorded = await _outcome(services, message_id, deployment_id)
        except Unavailable:
            return None  # the vote is kept by the engine: 202 is the truth
        if recorded is not None or loop.time() >= deadline:
            return recorded
        await asyncio.sleep(LOOK_AGAIN.total_seconds())


async def _outcome(services: Services, message_id: str, deployment_id: str) -> VoteView | None:
    async with services.database.unit_of_work() as session:
        return await vote_outcome(session, message_id, deployment_id=deployment_id)


def _vote_refusal(recorded: VoteView) -> EucoraError:
    if recorded.code in ("role_missing", "out_of_scope"):
        return Forbidden(recorded.sentence, code=recorded.code)
    if recorded.code == "conditions_invalid":
        name = recorded.sentence.partition(" ")[0]  # the sentence begins with the condition at fault, if it is one
        field = f"conditions.{name}" if name in CONDITIONS else "conditions"
        return InvalidInput(recorded.sentence, code=recorded.code, field=field)
    if recorded.code == "stale_digest":
        return Refused(recorded.sentence, code=recorded.code, field="pack_digest")
    return Refused(recorded.sentence, code=recorded.code)


async def _require_known(services: Services, deployment_id: str, *, caller: Principal) -> None:
    """Raise ``NotFound`` unless the deployment is there for the caller: recorded, or accepted and not begun yet."""
    tenant = caller.scope.tenant
    async with services.database.unit_of_work() as session:
        row = await find_deployment(session, deployment_id, scope=Scope(tenant=tenant))
        if row is None and await idempotency_queries.find_resource(session, deployment_id, tenant=tenant) is None:
            raise NotFound(f"There is no deployment {deployment_id}.", code="deployment_not_found")
    if row is not None and DeploymentState(row.state) in FINAL:
        raise WorkflowClosed(deployment_id)
