"""Stops of the line: a record that every effect reads before it acts (``domain.md`` §7); row and fact in one
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.domain.errors import Conflict, NotFound, Refused
from eucora.domain.states import FINAL
from eucora.store.event_queries import append_event
from eucora.store.paging import columns, table_of
from models.tables import DeploymentTable, LineStopTable

__all__ = ["LineStopView", "deployments_under", "get_line_stop", "list_line_stops", "release_line", "stop_line"]

_stop = table_of(LineStopTable)
_deployment = table_of(DeploymentTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStopView:
    """A stop of the line; an empty part of the filter (plane, application, deployment) matches everything."""

    id: str
    tenant: str
    stopped_by: str
    why: str
    stopped_at: datetime
    plane: str = ""
    application_id: str = ""
    deployment_id: str = ""
    released_by: str = ""
    release_why: str = ""
    released_at: datetime | None = None


async def stop_line(session: AsyncSession, stop: LineStopView, *, role: str, correlation_id: str) -> None:
    """Put a stop. In force from the commit on."""
    row = {field: getattr(stop, field) for field in LineStopView.__dataclass_fields__}
    await session.execute(insert(_stop).values(**row))
    await append_event(
        session,
        f"line_stop/{stop.id}",
        type="LINE_STOPPED",
        actor=stop.stopped_by,
        role=role,
        at=stop.stopped_at,
        correlation_id=correlation_id,
        plane=stop.plane or None,
        payload={"application_id": stop.application_id, "deployment_id": stop.deployment_id, "why": stop.why},
        tenant=stop.tenant,
    )


async def release_line(
    session: AsyncSession, stop_id: str, *, by: str, role: str, why: str, at: datetime, tenant: str, correlation_id: str
) -> LineStopView:
    """Release a stop deliberately, by another person than who put it.

    Raises ``NotFound`` (``line_stop_not_found``), ``Conflict`` (``line_stop_released``), ``Refused`` (``same_person``).
    """
    query = select(*columns(LineStopTable, LineStopView)).where(_stop.c.id == stop_id, _stop.c.tenant == tenant)
    row = (await session.execute(query.with_for_update())).mappings().one_or_none()
    if row is None:
        raise _unknown(stop_id)
    stop = LineStopView(**row)
    if stop.released_at is not None:
        raise Conflict(f"{stop.released_by} has released it already.", code="line_stop_released")
    if stop.stopped_by == by:
        raise Refused("Another person must release a stop of the line than who put it.", code="same_person")
    released = {"released_by": by, "release_why": why, "released_at": at}
    await session.execute(update(_stop).where(_stop.c.id == stop_id).values(**released))
    await append_event(
        session,
        f"line_stop/{stop_id}",
        type="LINE_RELEASED",
        actor=by,
        role=role,
        at=at,
        correlation_id=correlation_id,
        plane=stop.plane or None,
        payload={"why": why},
        tenant=tenant,
    )
    return LineStopView(**{**row, **released})


async def list_line_stops(
    session: AsyncSession, *, tenant: str, active: bool = True, limit: int = 100
) -> tuple[LineStopView, ...]:
    """Stops, the newest first; ``active`` leaves out those that were released."""
    query = select(*columns(LineStopTable, LineStopView)).where(_stop.c.tenant == tenant)
    if active:
        query = query.where(_stop.c.released_at.is_(None))
    query = query.order_by(_stop.c.stopped_at.desc(), _stop.c.id.desc()).limit(limit)
    return tuple(LineStopView(**row) for row in (await session.execute(query)).mappings())


async def get_line_stop(session: AsyncSession, stop_id: str, *, tenant: str) -> LineStopView:
    """One stop. Raises ``NotFound`` (``line_stop_not_found``)."""
    query = select(*columns(LineStopTable, LineStopView)).where(_stop.c.id == stop_id, _stop.c.tenant == tenant)
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise _unknown(stop_id)
    return LineStopView(**row)


async def deployments_under(session: AsyncSession, stop: LineStopView) -> tuple[str, ...]:
    """Ids of the deployments not at their end that a stop matches: whom to tell."""
    query = select(_deployment.c.id).where(
        _deployment.c.tenant == stop.tenant, _deployment.c.state.not_in(sorted(FINAL))
    )
    if stop.plane:
        query = query.where(_deployment.c.planes.contains([stop.plane]))
    if stop.application_id:
        query = query.where(_deployment.c.application_id == stop.application_id)
    if stop.deployment_id:
        query = query.where(_deployment.c.id == stop.deployment_id)
    return tuple((await session.execute(query.order_by(_deployment.c.id))).scalars())


def _unknown(stop_id: str) -> NotFound:
    return NotFound(f"There is no stop of the line {stop_id}.", code="line_stop_not_found")
