"""Reading the board's reviews and votes. Nothing here writes: the record alone does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.domain.errors import NotFound
from eucora.domain.plan import Scope
from eucora.store.paging import Page, check_limit, columns, decode_cursor, page_of, table_of
from eucora.store.scoping import within
from models.tables import CabRequestTable, CabVoteTable, DeploymentTable

__all__ = [
    "ReviewView",
    "VoteView",
    "get_review",
    "pending_reviews",
    "reviews_requested_by",
    "vote_outcome",
    "votes_of",
]

_review = table_of(CabRequestTable)
_vote = table_of(CabVoteTable)
_deployment = table_of(DeploymentTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """A review with what its deployment is about; see ``models.tables.CabRequestTable``."""

    id: str
    deployment_id: str
    tenant: str
    checkpoint: int
    ring: str
    covers_first: int
    covers_last: int
    round: int
    status: str
    quorum: int
    pack_digest: str
    requester: str
    opened_at: datetime
    remind_at: datetime
    due_at: datetime
    reminded: bool
    escalated: bool
    application_id: str
    application_name: str
    application_version: str
    author: str
    risk_score: int | None
    tier: str
    blast_radius_class: str
    business_unit: str
    acquisition_boundary: str
    site: str
    deployment_state: str

    @property
    def scope(self) -> Scope:
        """Where the deployment belongs."""
        return Scope(
            tenant=self.tenant,
            business_unit=self.business_unit,
            acquisition_boundary=self.acquisition_boundary,
            site=self.site,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteView:
    """What became of a vote; see ``models.tables.CabVoteTable``. ``conditions`` are JSON, None of a refused vote."""

    deployment_id: str
    message_id: str
    checkpoint: int | None
    round: int | None
    voter: str
    decision: str
    conditions: dict[str, Any] | None
    comment: str
    outcome: str
    code: str
    sentence: str
    at: datetime
    sequence: int

    @property
    def accepted(self) -> bool:
        """True when the vote counts."""
        return self.outcome == "accepted"


_OF_DEPLOYMENT = (
    "application_id",
    "application_name",
    "application_version",
    "author",
    "risk_score",
    "tier",
    "blast_radius_class",
    "business_unit",
    "acquisition_boundary",
    "site",
)
_COLUMNS = [
    *_review.c,
    *(_deployment.c[name] for name in _OF_DEPLOYMENT),
    _deployment.c.state.label("deployment_state"),
]


async def pending_reviews(
    session: AsyncSession, *, scope: Scope | None, limit: int = 100, cursor: str | None = None
) -> Page[ReviewView]:
    """Reviews that take votes, the one that is due next first.

    Raises ``InvalidInput`` (``invalid_limit``, ``invalid_cursor``).
    """
    query = _reviews(scope).where(_review.c.status == "open").order_by(_review.c.due_at, _review.c.id)
    if cursor is not None:
        query = query.where(tuple_(_review.c.due_at, _review.c.id) > decode_cursor(cursor, datetime, str))
    rows = await _views(session, query.limit(check_limit(limit) + 1))
    return page_of(rows, limit, lambda row: (row.due_at, row.id))


async def reviews_requested_by(
    session: AsyncSession, requester: str, *, tenant: str, limit: int = 100, cursor: str | None = None
) -> Page[ReviewView]:
    """Reviews of somebody's deployments, newest first. Raises as :func:`pending_reviews`."""
    query = (
        _reviews(Scope(tenant=tenant))
        .where(_review.c.requester == requester)
        .order_by(_review.c.opened_at.desc(), _review.c.id.desc())
    )
    if cursor is not None:
        query = query.where(tuple_(_review.c.opened_at, _review.c.id) < decode_cursor(cursor, datetime, str))
    rows = await _views(session, query.limit(check_limit(limit) + 1))
    return page_of(rows, limit, lambda row: (row.opened_at, row.id))


async def get_review(session: AsyncSession, review_id: str, *, scope: Scope | None) -> ReviewView:
    """One review. Raises ``NotFound`` (``cab_request_not_found``), also for one outside the reader's scope."""
    rows = await _views(session, _reviews(scope).where(_review.c.id == review_id))
    if not rows:
        raise NotFound(f"There is no CAB request {review_id}.", code="cab_request_not_found")
    return rows[0]


async def votes_of(session: AsyncSession, review_id: str) -> tuple[VoteView, ...]:
    """Every vote on a review, refused ones too, in the order in which they were judged."""
    query = (
        select(*columns(CabVoteTable, VoteView))
        .join(
            _review, (_review.c.deployment_id == _vote.c.deployment_id) & (_review.c.checkpoint == _vote.c.checkpoint)
        )
        .where(_review.c.id == review_id)
        .order_by(_vote.c.sequence)
    )
    return tuple(VoteView(**row) for row in (await session.execute(query)).mappings())


async def vote_outcome(session: AsyncSession, message_id: str, *, deployment_id: str) -> VoteView | None:
    """What became of a vote, or None while it is not judged yet."""
    query = select(*columns(CabVoteTable, VoteView)).where(
        _vote.c.deployment_id == deployment_id, _vote.c.message_id == message_id
    )
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else VoteView(**row)


def _reviews(scope: Scope | None) -> Any:
    return (
        select(*_COLUMNS)
        .join(_deployment, _deployment.c.id == _review.c.deployment_id)
        .where(within(_deployment, scope))
    )


async def _views(session: AsyncSession, query: Any) -> list[ReviewView]:
    return [ReviewView(**row) for row in (await session.execute(query)).mappings()]
