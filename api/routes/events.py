"""The record of all streams, oldest first, complete for a reader who follows the cursor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from api.deps import Allows, Cursor, Limit, ServicesDep
from api.views import event_view
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from eucora.store.event_queries import EventFilter, list_events
from models.wire.base import Page
from models.wire.deployments import EventView

router = APIRouter(prefix="/events", tags=["events"])

Filter = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/list", include_in_schema=False)
@router.get("", summary="Events of all streams; next_cursor always leads on to what is written later")
async def listed(
    *,
    caller: Annotated[Principal, Depends(Allows(Permission.EVENTS_READ))],
    services: ServicesDep,
    type: Annotated[list[str] | None, Query(max_length=80)] = None,  # noqa: A002 - the field's name
    actor: Filter = None,
    correlation_id: Filter = None,
    stream: Filter = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[EventView]:
    wanted = EventFilter(
        tenant=caller.scope.tenant,
        types=tuple(type or ()),
        actor=actor or "",
        correlation_id=correlation_id or "",
        stream=stream or "",
        since=since,
        until=until,
    )
    async with services.database.unit_of_work() as session:
        page = await list_events(session, wanted, limit=limit, cursor=cursor)
    return Page(items=[event_view(row) for row in page.items], next_cursor=page.next_cursor)
