"""The fleet's controls, for demonstrations and tests: behaviour profiles, faults, the ledger of effects.

No plane has this side. The ledger counts what reached the fleet and what it applied, by the marker that the control
plane wrote on each effect.
"""

from __future__ import annotations

import sqlite3
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from eucora.sim.effects import answer, refusal
from eucora.sim.faults import Fault, Faults
from eucora.sim.world import PROFILES, FleetError, World

__all__ = ["control_router"]

LEDGER_PAGE = 1_000


class FaultList(BaseModel):
    """Faults to switch on; an empty list switches all off."""

    model_config = ConfigDict(extra="forbid")

    faults: list[Fault]


def control_router(world: World, faults: Faults) -> APIRouter:
    """Routes under ``/control``."""
    router = APIRouter(prefix="/control")

    @router.get("/health")
    async def health() -> Response:
        return answer({"status": "ok", "planes": sorted(world.specs)})

    @router.put("/profiles/{application:path}")
    async def put_profile(request: Request, application: str, version: str = "") -> Response:
        """Set how an application (with ``version``, one version of it) behaves where it is assigned from now on."""
        try:
            profile = PROFILES.validate_json(await request.body())
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, detail["loc"]))
            return refusal(FleetError(422, "bad_profile", f"{field}: {detail['msg']}" if field else detail["msg"]))
        body = PROFILES.dump_python(profile, mode="json")
        with world.store.transaction():
            world.store.put_profile(application, version, body)
        return answer(body)

    @router.get("/profiles")
    async def profiles() -> Response:
        rows = world.store.profiles()
        return answer(
            {
                "profiles": [
                    {"application": row["application"], "version": row["version"] or None, **_profile(row)}
                    for row in rows
                ]
            }
        )

    @router.put("/faults")
    async def put_faults(body: FaultList) -> Response:
        faults.replace(body.faults)
        return answer({"faults": [fault.model_dump(mode="json") for fault in faults.remaining()]})

    @router.get("/faults")
    async def get_faults() -> Response:
        """The faults that have not yet struck."""
        return answer({"faults": [fault.model_dump(mode="json") for fault in faults.remaining()]})

    @router.get("/ledger")
    async def ledger(
        *,
        deployment: str | None = None,
        plane: str | None = None,
        ring: str | None = None,
        operation: str | None = None,
        cursor: int = 0,
        limit: Annotated[int, Query(ge=1, le=LEDGER_PAGE)] = LEDGER_PAGE,
    ) -> Response:
        """Effects in the order received; ``next_cursor`` is null on the last page."""
        rows = world.store.ledger(
            after=cursor, limit=limit + 1, deployment=deployment, plane=plane, ring=ring, operation=operation
        )
        entries = [{**dict(row), "applied": bool(row["applied"])} for row in rows[:limit]]
        return answer({"entries": entries, "next_cursor": entries[-1]["number"] if len(rows) > limit else None})

    @router.get("/duplicates")
    async def duplicates(deployment: str | None = None) -> Response:
        """Effects applied more than once for one (deployment, ring, plane, operation, revision) and call."""
        rows = [dict(row) for row in world.store.duplicates(deployment)]
        return answer({"count": len(rows), "duplicates": rows})

    return router


def _profile(row: sqlite3.Row) -> dict[str, Any]:
    body: dict[str, Any] = PROFILES.dump_python(PROFILES.validate_json(row["body"]), mode="json")
    return {"profile": body}
