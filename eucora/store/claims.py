"""Change claims on Postgres: the primary key of ``change_claim`` decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from eucora.domain.plan import Scope
from eucora.evidence.canonical import canonical_json
from eucora.store.engine import Database

__all__ = ["PostgresClaims"]

# In one order for everybody, so that two claims wait for each other in a line and never in a ring.
_CLAIM = """
INSERT INTO change_claim (tenant, scope, application_id, ring, deployment_id)
SELECT %(tenant)s, %(scope)s, %(application_id)s, ring, %(deployment_id)s FROM unnest(%(rings)s::text[]) AS ring
ON CONFLICT DO NOTHING
"""
_HOLDER = """
SELECT deployment_id FROM change_claim
WHERE tenant = %(tenant)s AND scope = %(scope)s AND application_id = %(application_id)s AND ring = ANY(%(rings)s)
    AND deployment_id <> %(deployment_id)s
ORDER BY ring LIMIT 1
"""


class PostgresClaims:
    """``eucora.ports.claims.ChangeClaims`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, deployment_id: str, *, scope: Scope, application_id: str, rings: Sequence[str]) -> str | None:
        wanted = {
            "deployment_id": deployment_id,
            "tenant": scope.tenant,
            "scope": canonical_json([scope.business_unit, scope.acquisition_boundary, scope.site]).decode(),
            "application_id": application_id,
            "rings": sorted(set(rings)),
        }
        async with self._database.driver() as connection:
            await connection.execute(_CLAIM, wanted)
            found = await (await connection.execute(_HOLDER, wanted)).fetchone()
            if found is None:
                return None
            await connection.rollback()  # all rings or none
            return cast("str", found[0])

    async def release(self, deployment_id: str) -> None:
        async with self._database.driver() as connection:
            await connection.execute("DELETE FROM change_claim WHERE deployment_id = %s", [deployment_id])
