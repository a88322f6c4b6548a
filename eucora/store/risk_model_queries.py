"""Versions of risk models, by the SHA-256 of their canonical JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from eucora.evidence.canonical import digest
from eucora.store.paging import columns, table_of
from models.tables import RiskModelTable

__all__ = ["RiskModelView", "add_risk_model", "list_risk_models"]

_model = table_of(RiskModelTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskModelView:
    """A version of a risk model. ``status``: proposed, shadow, active or retired."""

    digest: str
    model_id: str
    version: str
    status: str
    document: dict[str, Any]
    created_at: datetime


async def add_risk_model(
    session: AsyncSession,
    document: dict[str, Any],
    *,
    model_id: str,
    version: str,
    status: str,
    tenant: str = "default",
) -> str:
    """Keep a version and return its digest; the same again changes nothing."""
    identity = digest(document)
    values = {"digest": identity, "model_id": model_id, "version": version, "status": status, "document": document}
    await session.execute(insert(_model).values(tenant=tenant, **values).on_conflict_do_nothing())
    return identity


async def list_risk_models(session: AsyncSession, *, tenant: str = "default") -> tuple[RiskModelView, ...]:
    """Every version, by model, then by age."""
    query = (
        select(*columns(RiskModelTable, RiskModelView))
        .where(_model.c.tenant == tenant)
        .order_by(_model.c.model_id, _model.c.created_at, _model.c.digest)
    )
    return tuple(RiskModelView(**row) for row in (await session.execute(query)).mappings())
