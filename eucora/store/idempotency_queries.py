"""Idempotency keys: same key and body, same answer; same key, other body, a conflict (``domain.md`` §10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.domain.errors import Conflict
from eucora.store.paging import columns, table_of
from models.tables import DeploymentTable, IdempotencyKeyTable

__all__ = ["Existing", "New", "begin", "complete", "find", "find_resource"]

_key = table_of(IdempotencyKeyTable)
_deployment = table_of(DeploymentTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """The key was free and is now reserved for ``resource_id``."""

    resource_id: str
    correlation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """The same request came before. ``response_status`` is None while nobody has answered it for good."""

    resource_id: str
    correlation_id: str | None
    response_status: int | None
    response: Any
    created_at: datetime


async def begin(
    session: AsyncSession,
    *,
    caller: str,
    key: str,
    body_digest: str,
    resource_id: str,
    correlation_id: str | None = None,
    tenant: str = "default",
) -> New | Existing:
    """Reserve a key, the resource's id and its correlation id. Commit before anything is started on its strength.

    ``body_digest`` covers the whole request: method, path and body. Of two requests at the same time one is new; the
    other waits for the first one's transaction.

    Raises ``Conflict``: ``idempotency_key_reused`` for another body, ``correlation_id_taken`` when it is somebody
    else's.
    """
    if correlation_id is not None:
        await _check_correlation_id(session, correlation_id, resource_id)
    reserve = (
        insert(_key)
        .values(
            caller=caller,
            key=key,
            tenant=tenant,
            body_digest=body_digest,
            resource_id=resource_id,
            correlation_id=correlation_id,
        )
        .on_conflict_do_nothing()
        .returning(_key.c.key)
    )
    if (await session.execute(reserve)).scalar_one_or_none() is not None:
        return New(resource_id=resource_id, correlation_id=correlation_id)
    known = select(*columns(IdempotencyKeyTable, Existing), _key.c.body_digest).where(
        _key.c.caller == caller, _key.c.key == key
    )
    row = (await session.execute(known)).mappings().one_or_none()
    if row is None:
        raise _taken(correlation_id)
    if row["body_digest"] != body_digest:
        sentence = "This Idempotency-Key came with another request before; use a new key for a new request."
        raise Conflict(sentence, code="idempotency_key_reused", field="Idempotency-Key")
    return Existing(**{name: value for name, value in row.items() if name != "body_digest"})


async def find(session: AsyncSession, *, caller: str, key: str) -> Existing | None:
    """What is known of a key, or None."""
    query = select(*columns(IdempotencyKeyTable, Existing)).where(_key.c.caller == caller, _key.c.key == key)
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else Existing(**row)


async def find_resource(session: AsyncSession, resource_id: str, *, tenant: str) -> Existing | None:
    """What is known of the request that reserved a resource's id, or None."""
    query = select(*columns(IdempotencyKeyTable, Existing)).where(
        _key.c.resource_id == resource_id, _key.c.tenant == tenant
    )
    row = (await session.execute(query)).mappings().first()
    return None if row is None else Existing(**row)


async def complete(session: AsyncSession, *, caller: str, key: str, status: int, response: Any = None) -> None:
    """Keep the final answer to a request; the first one stays."""
    await session.execute(
        update(_key)
        .where(_key.c.caller == caller, _key.c.key == key, _key.c.response_status.is_(None))
        .values(response_status=status, response=response, completed_at=func.clock_timestamp())
    )


async def _check_correlation_id(session: AsyncSession, correlation_id: str, resource_id: str) -> None:
    query = select(_deployment.c.id).where(
        _deployment.c.correlation_id == correlation_id, _deployment.c.id != resource_id
    )
    if (await session.execute(query)).scalar_one_or_none() is not None:
        raise _taken(correlation_id)


def _taken(correlation_id: str | None) -> Conflict:
    sentence = f"The correlation id {correlation_id} belongs to another request; send another one, or none."
    return Conflict(sentence, code="correlation_id_taken", field="X-Correlation-ID")
