"""The stream ``security``: refusals and votes that came too late, written by the API alone (``architecture.md`` §1).

Refusals of people we know are recorded one by one. Strangers could fill the record with as many requests as they
like, so of theirs a few a minute are recorded, and the number of the others with the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from eucora.domain.errors import EucoraError, Unavailable
from eucora.domain.vocabulary import CabDecision
from eucora.identity.principal import Principal
from eucora.observability import correlation_id as bound_correlation_id
from eucora.store.engine import Database
from eucora.store.event_queries import append_event

__all__ = ["STREAM", "SecurityLog"]

log = structlog.get_logger(__name__)

STREAM = "security"
STRANGERS_A_MINUTE = 20
MINUTE = timedelta(minutes=1)


class SecurityLog:
    """Appends to the stream. Never raises for a database that is away: a refusal must not turn into another answer."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock
        self._minute = datetime.min.replace(tzinfo=UTC)
        self._recorded = 0
        self._left_out = 0

    async def denied(self, error: EucoraError, *, what: str, principal: Principal | None, correlation_id: str) -> None:
        """Record that somebody was refused ``what`` (method and route)."""
        if principal is None and not self._admit():
            return
        count = 1
        if principal is None:
            count, self._left_out = 1 + self._left_out, 0
        payload = {"message": what, "code": error.code, "sentence": error.sentence, "count": count}
        await self._append("ACCESS_DENIED", payload, principal=principal, correlation_id=correlation_id)

    async def vote_refused(
        self, error: EucoraError, *, review_id: str, decision: CabDecision, principal: Principal
    ) -> None:
        """Record a vote for a workflow that has ended: its own stream takes no more facts."""
        payload = {"review": review_id, "decision": decision.value, "code": error.code, "sentence": error.sentence}
        await self._append(
            "CAB_VOTE_REFUSED", payload, principal=principal, correlation_id=bound_correlation_id() or ""
        )

    def _admit(self) -> bool:
        """Whether one more stranger is recorded in this minute."""
        now = self._clock()
        if now - self._minute >= MINUTE:
            self._minute, self._recorded = now, 0
        if self._recorded >= STRANGERS_A_MINUTE:
            self._left_out += 1
            return False
        self._recorded += 1
        return True

    async def _append(
        self, kind: str, payload: dict[str, Any], *, principal: Principal | None, correlation_id: str
    ) -> None:
        actor = principal.actor if principal else "unknown"
        log.info("security.refused", type=kind, code=payload["code"], actor=actor)
        try:
            async with self._database.unit_of_work() as session:
                await append_event(
                    session,
                    STREAM,
                    type=kind,
                    actor=actor,
                    role=", ".join(principal.roles) if principal else "unknown",
                    at=self._clock(),
                    payload=payload,
                    correlation_id=correlation_id,
                    tenant=principal.scope.tenant if principal else "default",
                )
        except Unavailable as error:
            log.warning("security.not_recorded", type=kind, code=payload["code"], reason=error.sentence)
