"""Live progress on Postgres."""

from __future__ import annotations

from datetime import datetime

from eucora.domain.gates import Figures
from eucora.store import statements
from eucora.store.engine import Database
from eucora.store.projection import live_row

__all__ = ["PostgresProgress"]


class PostgresProgress:
    """``eucora.ports.progress.Progress`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def observed(self, deployment_id: str, ring: str, plane: str, figures: Figures, at: datetime) -> None:
        where = {"deployment_id": deployment_id, "ring": ring, "plane": plane}
        async with self._database.driver() as connection:
            await connection.execute(statements.OBSERVE, {**where, **live_row(figures), "observed_at": at})
