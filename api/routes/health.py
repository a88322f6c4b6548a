"""How the system is: one word for machines, the whole story for people who are signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response

from api.deps import Allows, ServicesDep, anonymous
from api.health import examine, is_ready
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from models.wire.health import Health

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "/live", summary="This process answers", dependencies=[Depends(anonymous)], response_class=PlainTextResponse
)
async def live() -> str:
    return "live"


@router.get(
    "/ready",
    summary="The database answers, so requests can be taken",
    dependencies=[Depends(anonymous)],
    response_class=PlainTextResponse,
    responses={503: {"description": "not yet"}},
)
async def ready(services: ServicesDep) -> Response:
    if await is_ready(services):
        return PlainTextResponse("ready")
    return PlainTextResponse("unready", status_code=503, headers={"Retry-After": "2"})


@router.get("", summary="Every part of the system, and workflows that are stuck")
async def health(
    _caller: Annotated[Principal, Depends(Allows(Permission.HEALTH_READ))], services: ServicesDep
) -> Health:
    return await examine(services)
