"""Submissions on Postgres: insert-only rows that the API commits before it starts a deployment."""

from __future__ import annotations

from eucora.store.engine import Database

__all__ = ["PostgresSubmissions"]

_REGISTER = "INSERT INTO submission (deployment_id, start_digest) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_ACCEPTED = "SELECT 1 FROM submission WHERE deployment_id = %s AND start_digest = %s"


class PostgresSubmissions:
    """``eucora.ports.submissions.Submissions`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, deployment_id: str, start_digest: str) -> None:
        async with self._database.driver() as connection:
            await connection.execute(_REGISTER, (deployment_id, start_digest))

    async def accepted(self, deployment_id: str, start_digest: str) -> bool:
        async with self._database.driver() as connection:
            cursor = await connection.execute(_ACCEPTED, (deployment_id, start_digest))
            return await cursor.fetchone() is not None
