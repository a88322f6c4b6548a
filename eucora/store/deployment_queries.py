"""Reading deployments, their rings, planes and holds. Nothing here writes: the record alone does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Text, and_, cast, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.domain.errors import NotFound
from eucora.domain.plan import Scope
from eucora.domain.state import RolloutState
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import DeploymentState
from eucora.store.paging import Page, check_limit, columns, decode_cursor, page_of, table_of
from eucora.store.scoping import within
from models.messages.codec import state_from_text
from models.tables import DeploymentTable, HoldTable, PlaneRunTable, RingRunTable

__all__ = [
    "DeploymentFilter",
    "DeploymentView",
    "HoldView",
    "PlaneRunView",
    "RingRunView",
    "find_deployment",
    "get_deployment",
    "get_state",
    "holds_of",
    "list_deployments",
    "live_deployments",
    "plane_runs_of",
    "ring_runs_of",
]

_deployment = table_of(DeploymentTable)
_ring_run = table_of(RingRunTable)
_plane_run = table_of(PlaneRunTable)
_hold = table_of(HoldTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """A deployment as the projection has it; see ``models.tables.DeploymentTable`` for the columns."""

    id: str
    tenant: str
    correlation_id: str
    kind: str
    application_id: str
    application_name: str
    application_version: str
    application_vendor: str
    application_category: str
    business_unit: str
    acquisition_boundary: str
    site: str
    requester: str
    author: str
    state: str
    reason_code: str
    reason_sentence: str
    reason_since: datetime
    ring: str
    target_ring: str
    planes: list[str]
    risk_score: int | None
    risk_model: str
    risk_model_version: str
    tier: str
    blast_radius_class: str
    quorum: int
    pack_digest: str
    release_digest: str
    artifact_sha256: str
    adopted_by: str
    rolling_back: bool
    rollback_automatic: bool
    created_at: datetime
    updated_at: datetime
    sequence: int

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
class RingRunView:
    """A ring of a deployment; see ``models.tables.RingRunTable``. ``gate_checks`` are the checks as JSON objects."""

    deployment_id: str
    ring: str
    ring_order: int
    status: str
    success_rate: float
    frozen_at: datetime | None
    started_at: datetime | None
    soak_since: datetime | None
    soak_until: datetime | None
    soak_skipped: bool
    gate_result: str
    gate_checks: list[dict[str, str]]
    gate_until: datetime | None
    gate_at: datetime | None
    promoted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRunView:
    """A plane's work in a ring; see ``models.tables.PlaneRunTable``. ``figures`` are counts per site class as JSON."""

    deployment_id: str
    ring: str
    plane: str
    ring_order: int
    status: str
    targeted: int
    membership_digest: str
    object_id: str
    assignment_id: str
    revision: int
    failure_operation: str
    failure_code: str
    failure_sentence: str
    rehearsed: bool | None
    rehearsal_sentence: str
    rollback_failure: str
    succeeded: int
    failed: int
    in_progress: int
    unknown: int
    figures: dict[str, Any] | None
    observed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """A hold in force."""

    deployment_id: str
    kind: str
    reference: str
    who: str
    why: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFilter:
    """Which deployments: every part that is given must hold. ``scope`` is the reader's; None reads all tenants.

    ``ring`` is the ring at work, ``plane`` any plane of the plan; created from (inclusive) to (exclusive), aware times.
    """

    scope: Scope | None
    states: tuple[DeploymentState, ...] = field(default=())
    application_id: str = ""
    requester: str = ""
    plane: str = ""
    ring: str = ""
    created_from: datetime | None = None
    created_to: datetime | None = None


async def list_deployments(
    session: AsyncSession, wanted: DeploymentFilter, *, limit: int = 100, cursor: str | None = None
) -> Page[DeploymentView]:
    """Newest first. Every deployment that existed at the first page comes exactly once, whatever is created meanwhile.

    Raises ``InvalidInput`` (``invalid_limit``, ``invalid_cursor``).
    """
    query = (
        select(*columns(DeploymentTable, DeploymentView))
        .where(_matches(wanted))
        .order_by(_deployment.c.created_at.desc(), _deployment.c.id.desc())
        .limit(check_limit(limit) + 1)
    )
    if cursor is not None:
        query = query.where(tuple_(_deployment.c.created_at, _deployment.c.id) < decode_cursor(cursor, datetime, str))
    rows = [DeploymentView(**row) for row in (await session.execute(query)).mappings()]
    return page_of(rows, limit, lambda row: (row.created_at, row.id))


async def get_deployment(session: AsyncSession, deployment_id: str, *, scope: Scope | None) -> DeploymentView:
    """One deployment. Raises ``NotFound`` (``deployment_not_found``), also for one outside the reader's scope."""
    found = await find_deployment(session, deployment_id, scope=scope)
    if found is None:
        raise _unknown(f"There is no deployment {deployment_id}.")
    return found


async def find_deployment(session: AsyncSession, deployment_id: str, *, scope: Scope | None) -> DeploymentView | None:
    """One deployment, or None when nothing is recorded of it yet."""
    query = select(*columns(DeploymentTable, DeploymentView)).where(
        _deployment.c.id == deployment_id, within(_deployment, scope)
    )
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else DeploymentView(**row)


async def live_deployments(session: AsyncSession, deployment_ids: Sequence[str]) -> frozenset[str]:
    """Those of the deployments that the record holds and that are not at their end."""
    query = select(_deployment.c.id).where(
        _deployment.c.id.in_(deployment_ids), _deployment.c.state.not_in([state.value for state in FINAL])
    )
    return frozenset((await session.execute(query)).scalars())


async def get_state(session: AsyncSession, deployment_id: str) -> RolloutState:
    """The whole fold of a deployment. Raises ``NotFound`` (``deployment_not_found``)."""
    query = select(cast(_deployment.c.state_json, Text)).where(_deployment.c.id == deployment_id)
    found = (await session.execute(query)).scalar_one_or_none()
    if found is None:
        raise _unknown(f"There is no deployment {deployment_id}.")
    return state_from_text(found)


async def ring_runs_of(session: AsyncSession, deployment_id: str) -> tuple[RingRunView, ...]:
    """Every ring of the plan, in order."""
    query = (
        select(*columns(RingRunTable, RingRunView))
        .where(_ring_run.c.deployment_id == deployment_id)
        .order_by(_ring_run.c.ring_order)
    )
    return tuple(RingRunView(**row) for row in (await session.execute(query)).mappings())


async def plane_runs_of(session: AsyncSession, deployment_id: str) -> tuple[PlaneRunView, ...]:
    """Every plane of every ring of the plan, by ring, then by plane."""
    query = (
        select(*columns(PlaneRunTable, PlaneRunView))
        .where(_plane_run.c.deployment_id == deployment_id)
        .order_by(_plane_run.c.ring_order, _plane_run.c.plane)
    )
    return tuple(PlaneRunView(**row) for row in (await session.execute(query)).mappings())


async def holds_of(session: AsyncSession, deployment_id: str) -> tuple[HoldView, ...]:
    """The holds in force, oldest first."""
    query = (
        select(*columns(HoldTable, HoldView))
        .where(_hold.c.deployment_id == deployment_id)
        .order_by(_hold.c.since, _hold.c.kind, _hold.c.reference)
    )
    return tuple(HoldView(**row) for row in (await session.execute(query)).mappings())


def _matches(wanted: DeploymentFilter) -> Any:
    table = _deployment.c
    conditions = [within(_deployment, wanted.scope)]
    if wanted.states:
        conditions.append(or_(*(table.state == state.value for state in wanted.states)))
    for column, value in (
        (table.application_id, wanted.application_id),
        (table.requester, wanted.requester),
        (table.ring, wanted.ring),
    ):
        if value:
            conditions.append(column == value)
    if wanted.plane:
        conditions.append(table.planes.contains([wanted.plane]))
    if wanted.created_from is not None:
        conditions.append(table.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        conditions.append(table.created_at < wanted.created_to)
    return and_(*conditions)


def _unknown(sentence: str) -> NotFound:
    return NotFound(sentence, code="deployment_not_found")
