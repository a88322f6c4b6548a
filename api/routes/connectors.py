"""The planes of this installation. Their own health is known to their workers; here is whether one listens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from api.deps import Allows, ServicesDep
from api.health import plane_health
from eucora.domain.errors import NotFound
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from models.wire.connectors import ConnectorView
from models.wire.health import PartHealth

router = APIRouter(prefix="/connectors", tags=["connectors"])

Reader = Annotated[Principal, Depends(Allows(Permission.CONNECTORS_READ))]


@router.get("", summary="The planes, their connectors, and how they can roll back")
async def listed(_caller: Reader, services: ServicesDep) -> list[ConnectorView]:
    return [
        ConnectorView(
            plane=plane.name, connector=plane.connector, rollback_strategies=[one.value for one in plane.strategies]
        )
        for plane in services.planes.values()
    ]


@router.get("/{plane}/health", summary="Whether a worker serves the plane")
async def health(plane: Annotated[str, Path(max_length=64)], _caller: Reader, services: ServicesDep) -> PartHealth:
    if plane not in services.planes:
        raise NotFound(f"There is no plane {plane!r} here.", code="unknown_plane")
    return await plane_health(services, plane)
