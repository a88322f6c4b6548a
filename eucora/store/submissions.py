"""Submissions on Postgres: the idempotency row that the API commits before it starts a deployment."""

from __future__ import annotations

from eucora.store.engine import Database

__all__ = ["PostgresSubmissions"]

_ACCEPTED = "SELECT 1 FROM idempotency_key WHERE resource_id = %s AND caller = %s"


class PostgresSubmissions:
    """``eucora.ports.submissions.Submissions`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accepted(self, deployment_id: str, requester: str) -> bool:
        async with self._database.driver() as connection:
            cursor = await connection.execute(_ACCEPTED, (deployment_id, requester))
            return await cursor.fetchone() is not None
