"""The guard on Postgres: reads the stops of the line as they are committed now."""

from __future__ import annotations

from psycopg.rows import dict_row

from eucora.domain.errors import NotFound
from eucora.domain.vocabulary import HoldKind, Operation
from eucora.ports.guard import Stop
from eucora.store.engine import Database

__all__ = ["PostgresGuard"]

_STOPS = """
SELECT d.rolling_back AND NOT d.rollback_automatic AS asked_for, s.id, s.stopped_by, s.why, s.stopped_at
FROM deployment d LEFT JOIN line_stop s
    ON s.released_at IS NULL AND s.tenant = d.tenant AND s.plane IN ('', %(plane)s)
    AND s.application_id IN ('', d.application_id) AND s.deployment_id IN ('', d.id)
WHERE d.id = %(deployment_id)s ORDER BY s.stopped_at, s.id LIMIT 1
"""


class PostgresGuard:
    """``eucora.ports.guard.Guard`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def may_act(self, deployment_id: str, operation: Operation, plane: str, ring: str) -> Stop | None:
        async with self._database.driver() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_STOPS, {"deployment_id": deployment_id, "plane": plane})
            found = await cursor.fetchone()
        if found is None:
            sentence = f"Deployment {deployment_id} has no record; nothing may act for it."
            raise NotFound(sentence, code="deployment_not_found")
        if found["id"] is None or (operation is Operation.ROLL_BACK and found["asked_for"]):
            return None
        return Stop(
            kind=HoldKind.LINE_STOP,
            who=found["stopped_by"],
            why=found["why"],
            since=found["stopped_at"],
            reference=found["id"],
        )
