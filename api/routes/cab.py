"""The change advisory board: reviews that wait, votes on them, and asking for a review to be opened."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.controls import control, vote
from api.deps import Allows, Cursor, Limit, OptionalIdempotencyKey, ServicesDep
from api.services import Services
from api.views import review_summary, review_view, vote_view
from eucora.domain.approval import Conditions
from eucora.domain.errors import InvalidInput, NotFound
from eucora.domain.messages import CabVote, OpenReview
from eucora.domain.vocabulary import CabDecision
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from eucora.store import review_queries as queries
from eucora.store.deployment_queries import RingRunView, ring_runs_of
from models.wire.base import Page
from models.wire.cab import (
    ApproveRequest,
    ConditionsRequest,
    RejectRequest,
    ReviewSummary,
    ReviewView,
    SubmitReviewAnswer,
    SubmitReviewRequest,
    VoteAnswer,
    VoteView,
)

router = APIRouter(prefix="/cab", tags=["cab"])

ReviewId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}\.[0-9]{1,2}$", description="id of the review")]
Reader = Annotated[Principal, Depends(Allows(Permission.REVIEW_READ))]
Voter = Annotated[Principal, Depends(Allows(Permission.REVIEW_VOTE))]
PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": VoteAnswer, "description": "kept; judged as soon as a worker takes it"}
}


@router.post("/submit", summary="Open the review that is due now, or a lapsed one again")
async def submit(
    body: SubmitReviewRequest,
    caller: Annotated[Principal, Depends(Allows(Permission.REVIEW_SUBMIT))],
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> SubmitReviewAnswer:
    answer = await control(services, body.deployment_id, OpenReview(), caller=caller, key=key)
    return SubmitReviewAnswer(**dict(answer))


@router.get("/pending", summary="Reviews that take votes, the one that is due next first")
async def pending(
    caller: Reader, services: ServicesDep, limit: Limit = 100, cursor: Cursor = None
) -> Page[ReviewSummary]:
    async with services.database.unit_of_work() as session:
        page = await queries.pending_reviews(session, scope=caller.scope, limit=limit, cursor=cursor)
    return Page(items=[review_summary(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/my-requests", summary="Reviews of your deployments, newest first")
async def my_requests(
    caller: Reader, services: ServicesDep, limit: Limit = 100, cursor: Cursor = None
) -> Page[ReviewSummary]:
    async with services.database.unit_of_work() as session:
        page = await queries.reviews_requested_by(
            session, caller.actor, tenant=caller.scope.tenant, limit=limit, cursor=cursor
        )
    return Page(items=[review_summary(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{review_id}", summary="A review with its votes")
async def get(review_id: ReviewId, caller: Reader, services: ServicesDep) -> ReviewView:
    async with services.database.unit_of_work() as session:
        return await _view(session, await queries.get_review(session, review_id, scope=caller.scope))


@router.get("/{review_id}/votes/{message_id}", summary="What became of a vote")
async def vote_by_id(
    review_id: ReviewId,
    message_id: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")],
    caller: Reader,
    services: ServicesDep,
) -> VoteView:
    async with services.database.unit_of_work() as session:
        review = await queries.get_review(session, review_id, scope=caller.scope)
        recorded = await queries.vote_outcome(session, message_id, deployment_id=review.deployment_id)
    if recorded is None:
        sentence = "This vote is not judged yet, or was never cast; if it was answered with 202, look again."
        raise NotFound(sentence, code="vote_not_recorded")
    return vote_view(recorded)


@router.post("/{review_id}/approve", summary="Approve, with or without conditions", responses=PENDING)
async def approve(
    *,
    review_id: ReviewId,
    body: ApproveRequest,
    response: Response,
    caller: Voter,
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> VoteAnswer:
    async with services.database.unit_of_work() as session:
        # Tenants never mix; whether the voter's scope covers the deployment is for the workflow, which records a
        # refusal.
        review = await queries.get_review(session, review_id, scope=None)
        rings = await ring_runs_of(session, review.deployment_id)
    conditions = _conditions(body.conditions, rings)
    message = CabVote(
        checkpoint=review.checkpoint,
        decision=CabDecision.APPROVED if conditions.empty else CabDecision.CONDITIONAL,
        pack_digest=body.pack_digest,
        comment=body.comment,
        conditions=conditions,
    )
    return await _cast(services, review, message, caller=caller, key=key, response=response)


@router.post("/{review_id}/reject", summary="Reject, which ends the review", responses=PENDING)
async def reject(
    *,
    review_id: ReviewId,
    body: RejectRequest,
    response: Response,
    caller: Voter,
    services: ServicesDep,
    key: OptionalIdempotencyKey,
) -> VoteAnswer:
    async with services.database.unit_of_work() as session:
        review = await queries.get_review(session, review_id, scope=None)
    message = CabVote(
        checkpoint=review.checkpoint,
        decision=CabDecision.REJECTED,
        pack_digest=body.pack_digest,
        comment=body.comment,
    )
    return await _cast(services, review, message, caller=caller, key=key, response=response)


async def _cast(
    services: Services,
    review: queries.ReviewView,
    message: CabVote,
    *,
    caller: Principal,
    key: str | None,
    response: Response,
) -> VoteAnswer:
    if review.tenant != caller.scope.tenant:
        raise NotFound(f"There is no CAB request {review.id}.", code="cab_request_not_found")
    voted = await vote(services, review, message, caller=caller, key=key)
    location = f"/api/v1/cab/{review.id}/votes/{voted.message_id}"
    if voted.recorded is None:
        response.status_code = 202
        response.headers["Location"] = location
    return VoteAnswer(
        message_id=voted.message_id,
        review_id=review.id,
        outcome="pending" if voted.recorded is None else voted.recorded.outcome,
        decision=message.decision,
        location=location,
    )


async def _view(session: AsyncSession, row: queries.ReviewView) -> ReviewView:
    rings = await ring_runs_of(session, row.deployment_id)
    covers = [ring.ring for ring in rings if row.covers_first <= ring.ring_order <= row.covers_last]
    return review_view(row, votes=await queries.votes_of(session, row.id), covers=covers)


def _conditions(asked: ConditionsRequest, rings: tuple[RingRunView, ...]) -> Conditions:
    """The conditions in the domain's words: a ring by its order."""
    orders = {ring.ring: ring.ring_order for ring in rings}
    if asked.max_ring is not None and asked.max_ring not in orders:
        sentence = f"{asked.max_ring!r} is no ring of this deployment; its rings are {', '.join(orders)}."
        raise InvalidInput(sentence, code="unknown_ring", field="conditions.max_ring")
    return Conditions(
        max_ring=None if asked.max_ring is None else orders[asked.max_ring],
        min_success_rate=asked.min_success_rate,
        observe_hours=asked.observe_hours,
        not_before=asked.not_before,
        not_after=asked.not_after,
        rollback_below=asked.rollback_below,
        text=asked.text,
    )
