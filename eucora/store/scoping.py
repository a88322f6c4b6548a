"""What a person may see, as conditions of a query (``domain.md`` §9): an empty part of a person's scope means any."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, true

from eucora.domain.plan import Scope

__all__ = ["within"]


def within(table: Any, scope: Scope | None) -> ColumnElement[bool]:
    """Rows of ``table`` (with the columns of a scope) that ``scope`` covers; None covers all tenants, for our own
    use.
    """
    if scope is None:
        return true()
    return and_(
        table.c.tenant == scope.tenant,
        *(
            table.c[part] == getattr(scope, part)
            for part in ("business_unit", "acquisition_boundary", "site")
            if getattr(scope, part)
        ),
    )
