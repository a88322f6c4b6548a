"""The record as a file that verifies with no server (``eucora.audit``)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from api.deps import Allows, ServicesDep
from api.services import Services
from eucora.audit.export import ExportFilter, export
from eucora.domain.plan import Scope
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from eucora.store import deployment_queries as queries

router = APIRouter(prefix="/audit", tags=["audit"])

MEDIA_TYPE = "application/jsonl"
CHUNK_BYTES = 64 * 1024
OWN_TENANT = Scope().tenant


@router.get(
    "/export",
    summary="The record, or one deployment's trail, as JSON Lines; verify it with: eucora audit verify FILE",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {}}}},
)
async def export_record(
    caller: Annotated[Principal, Depends(Allows(Permission.EVENTS_READ))],
    services: ServicesDep,
    deployment: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="id of a deployment")] = None,
) -> Response:
    """A file cut short by a failure has no footer, and the verifier says so."""
    if deployment is not None:
        async with services.database.unit_of_work() as session:
            await queries.get_deployment(session, deployment, scope=caller.scope)
        wanted = ExportFilter.of_deployment(deployment)
    elif caller.scope.tenant == OWN_TENANT:
        wanted = ExportFilter()
    else:
        wanted = ExportFilter(tenant=caller.scope.tenant)
    chunks = _chunks(services, wanted)
    first = await anext(chunks)  # so that a database that does not answer is a 503 and not half a file
    name = deployment or "record"
    headers = {"Content-Disposition": f"attachment; filename=eucora-audit-{name}.jsonl", "Cache-Control": "no-store"}
    return StreamingResponse(_beginning_with(first, chunks), media_type=MEDIA_TYPE, headers=headers)


async def _chunks(services: Services, wanted: ExportFilter) -> AsyncIterator[bytes]:
    """The export's lines in portions of at least ``CHUNK_BYTES``."""
    portion = bytearray()
    async with services.database.unit_of_work() as session:
        async for line in export(session, wanted):
            portion += line
            if len(portion) >= CHUNK_BYTES:
                yield bytes(portion)
                portion.clear()
    yield bytes(portion)


async def _beginning_with(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
