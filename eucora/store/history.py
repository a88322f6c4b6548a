"""Past rollouts on Postgres, from the projection."""

from __future__ import annotations

from typing import cast

from eucora.domain.vocabulary import DeploymentKind, DeploymentState
from eucora.ports.history import PastRollouts
from eucora.store.engine import Database

__all__ = ["PostgresHistory"]

ENDED = (DeploymentState.COMPLETED, DeploymentState.ROLLED_BACK, DeploymentState.FAILED)
"""A rejection is the verdict of people on a plan and says nothing of how the application behaves."""

_ENDED = """
SELECT count(*) FILTER (WHERE d.state = %(completed)s), count(*)
FROM deployment d
WHERE d.application_id = %(application_id)s AND d.tenant = %(tenant)s AND d.kind = %(kind)s AND d.state = ANY(%(ended)s)
    AND EXISTS (SELECT FROM ring_run r WHERE r.deployment_id = d.id AND r.started_at IS NOT NULL)
"""


class PostgresHistory:
    """``eucora.ports.history.History`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_application(self, application_id: str, tenant: str) -> PastRollouts:
        wanted = {
            "application_id": application_id,
            "tenant": tenant,
            "kind": DeploymentKind.DEPLOY.value,
            "completed": DeploymentState.COMPLETED.value,
            "ended": [state.value for state in ENDED],
        }
        async with self._database.driver() as connection:
            found = await (await connection.execute(_ENDED, wanted)).fetchone()
        completed, ended = cast("tuple[int, int]", found)
        return PastRollouts(completed=completed, ended=ended)
