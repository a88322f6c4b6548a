"""Deployments: submit, list, look, and the controls of operators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime

from api.controls import control
from api.deps import Allows, CorrelationId, Cursor, IdempotencyKey, Limit, OptionalIdempotencyKey, ServicesDep
from api.submission import pending_submission, submit
from api.views import deployment_summary, deployment_view, event_view
from eucora.domain import messages
from eucora.domain.errors import NotFound
from eucora.domain.vocabulary import DeploymentState
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from eucora.store import deployment_queries as queries
from eucora.store import idempotency_queries
from eucora.store.chain import deployment_stream
from eucora.store.event_queries import events_of
from models.wire.base import Page
from models.wire.deployments import (
    AdoptRequest,
    ControlAnswer,
    ControlRequest,
    DeploymentRequest,
    DeploymentSummary,
    DeploymentView,
    EventView,
    RetryRequest,
    Submission,
)

router = APIRouter(prefix="/deployments", tags=["deployments"])

DeploymentId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="id of the deployment")]
Filter = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Reader = Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_READ))]


@router.post(
    "",
    status_code=201,
    summary="Submit a deployment",
    responses={202: {"model": Submission, "description": "kept; decided as soon as a worker takes it"}},
)
async def create(
    *,
    body: DeploymentRequest,
    response: Response,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_CREATE))],
    services: ServicesDep,
    key: IdempotencyKey,
    correlation: CorrelationId,
) -> Submission:
    answered = await submit(services, body, caller=caller, key=key, correlation=correlation)
    response.status_code = answered.status
    response.headers["Location"] = answered.submission.location
    return answered.submission


@router.get("/list", include_in_schema=False)
@router.get("", summary="Deployments, newest first")
async def listed(
    *,
    caller: Reader,
    services: ServicesDep,
    state: Annotated[list[DeploymentState] | None, Query(max_length=20)] = None,
    application: Filter = None,
    requester: Filter = None,
    plane: Filter = None,
    ring: Filter = None,
    created_from: AwareDatetime | None = None,
    created_to: AwareDatetime | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DeploymentSummary]:
    wanted = queries.DeploymentFilter(
        scope=caller.scope,
        states=tuple(state or ()),
        application_id=application or "",
        requester=requester or "",
        plane=plane or "",
        ring=ring or "",
        created_from=created_from,
        created_to=created_to,
    )
    async with services.database.unit_of_work() as session:
        page = await queries.list_deployments(session, wanted, limit=limit, cursor=cursor)
    return Page(items=[deployment_summary(row) for row in page.items], next_cursor=page.next_cursor)


@router.get(
    "/{deployment_id}",
    summary="A deployment with its rings, gates and holds",
    responses={202: {"model": Submission, "description": "accepted, and not begun: no worker has taken it yet"}},
)
async def get(
    *, deployment_id: DeploymentId, response: Response, caller: Reader, services: ServicesDep
) -> DeploymentView | Submission:
    async with services.database.unit_of_work() as session:
        row = await queries.find_deployment(session, deployment_id, scope=caller.scope)
        if row is not None:
            return deployment_view(
                row,
                rings=await queries.ring_runs_of(session, deployment_id),
                planes=await queries.plane_runs_of(session, deployment_id),
                holds=await queries.holds_of(session, deployment_id),
            )
        accepted = await idempotency_queries.find_resource(session, deployment_id, tenant=caller.scope.tenant)
    if accepted is None or accepted.correlation_id is None:
        raise NotFound(f"There is no deployment {deployment_id}.", code="deployment_not_found")
    response.status_code = 202
    return pending_submission(deployment_id, correlation_id=accepted.correlation_id)


@router.get("/{deployment_id}/events", summary="The record of a deployment, oldest first")
async def events(
    *,
    deployment_id: DeploymentId,
    caller: Reader,
    services: ServicesDep,
    after: Annotated[int, Query(ge=0, le=2**62, description="only events with a higher sequence")] = 0,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[EventView]:
    async with services.database.unit_of_work() as session:
        await queries.get_deployment(session, deployment_id, scope=caller.scope)
        page = await events_of(session, deployment_stream(deployment_id), after=after, limit=limit, cursor=cursor)
    return Page(items=[event_view(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("/{deployment_id}/publish", summary="As a publisher, take responsibility beyond the first ring")
async def publish(
    *,
    deployment_id: DeploymentId,
    body: AdoptRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_PUBLISH))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.AdoptRollout(why=body.why), caller=caller, key=key)


@router.post("/{deployment_id}/hold", summary="Let no new effect begin")
async def hold(
    *,
    deployment_id: DeploymentId,
    body: ControlRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_HOLD))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.HoldRollout(why=body.why), caller=caller, key=key)


@router.post("/{deployment_id}/release", summary="Release an operator's hold")
async def release(
    *,
    deployment_id: DeploymentId,
    body: ControlRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_RELEASE))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.ReleaseRollout(why=body.why), caller=caller, key=key)


@router.post("/{deployment_id}/promote_ring", include_in_schema=False)
@router.post("/{deployment_id}/promote", summary="Promote now; every check of the gate must have passed")
async def promote(
    *,
    deployment_id: DeploymentId,
    body: ControlRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_PROMOTE))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.PromoteNow(why=body.why), caller=caller, key=key)


@router.post("/{deployment_id}/retry", summary="Give what failed another attempt")
async def retry(
    *,
    deployment_id: DeploymentId,
    body: RetryRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_RETRY))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    message = messages.RetryFailed(why=body.why, planes=tuple(body.planes))
    return await control(services, deployment_id, message, caller=caller, key=key)


@router.post("/{deployment_id}/skip-soak", summary="End the soak of the running ring")
async def skip_soak(
    *,
    deployment_id: DeploymentId,
    body: ControlRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_SKIP_SOAK))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.SkipSoak(why=body.why), caller=caller, key=key)


@router.post("/{deployment_id}/roll-back", summary="Roll back every ring and plane that was touched")
async def roll_back(
    *,
    deployment_id: DeploymentId,
    body: ControlRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_ROLL_BACK))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.RollBackRollout(why=body.why), caller=caller, key=key)


@router.post("/{deployment_id}/cancel", summary="Withdraw before any effect")
async def cancel(
    *,
    deployment_id: DeploymentId,
    body: ControlRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.DEPLOYMENT_CANCEL))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> ControlAnswer:
    return await control(services, deployment_id, messages.CancelRollout(why=body.why), caller=caller, key=key)
