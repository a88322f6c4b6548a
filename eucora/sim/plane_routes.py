"""The API of a plane, as its vendor would offer it: groups, devices, content, objects, assignments, orders.

Errors are ``{"error": {"code", "message"}}``. Lists that are looked up by marker are oldest first. Every answer
carries an ``X-Request-ID``. On a keyed plane ``Idempotency-Key`` makes an effect happen once and answers the same
again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from eucora.sim.effects import Calls, Effect
from eucora.sim.world import FleetError, Mode, World

__all__ = ["plane_router"]

Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query()]
Marker = Annotated[str | None, Header(alias="X-Marker", max_length=512)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DeviceIds = Annotated[list[str], Field(max_length=200_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Devices(_Body):
    """Devices by id."""

    device_ids: DeviceIds


class NewApp(_Body):
    """An object to create; ``content_sha256`` names content that was uploaded before."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(min_length=1, max_length=100)]
    vendor: Annotated[str, Field(max_length=200)] = ""
    content_sha256: Sha256
    content_name: Annotated[str, Field(max_length=300)] = ""
    install_command: Annotated[str, Field(max_length=4_000)] = ""
    uninstall_command: Annotated[str, Field(max_length=4_000)] = ""
    detection: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, str] = Field(default_factory=dict)
    marker: Annotated[str | None, Field(max_length=512)] = None


class NewAssignment(Devices):
    """Devices that shall have an object."""

    intent: Literal["required"] = "required"
    marker: Annotated[str | None, Field(max_length=512)] = None


class NewRetry(Devices):
    """Devices that shall try once more."""

    marker: Annotated[str | None, Field(max_length=512)] = None


class NewUninstall(Devices):
    """Devices that an object shall be taken off, and how."""

    strategy: str
    marker: Annotated[str | None, Field(max_length=512)] = None


def plane_router(world: World, calls: Calls) -> APIRouter:
    """Routes under ``/planes/{plane}``."""
    router = APIRouter(prefix="/planes/{plane}")
    _readings(router, world, calls)
    _effects(router, world, calls)
    return router


def _readings(router: APIRouter, world: World, calls: Calls) -> None:
    @router.get("")
    async def manifest(request: Request, plane: str) -> Response:
        return await calls.read(request, plane, "manifest", lambda: world.manifest(plane))

    @router.get("/groups/{group}/members")
    async def members(
        request: Request, plane: str, group: str, cursor: Cursor = None, limit: Limit = 1_000
    ) -> Response:
        return await calls.read(
            request, plane, "members", lambda: world.members(plane, group, cursor=cursor, limit=limit)
        )

    @router.post("/devices/lookup")
    async def lookup(request: Request, plane: str, body: Devices) -> Response:
        return await calls.read(request, plane, "lookup", lambda: world.lookup(plane, body.device_ids))

    @router.get("/content/{sha256}")
    async def content(request: Request, plane: str, sha256: str) -> Response:
        def look() -> dict[str, Any]:
            size = world.store.content_size(plane, sha256)
            if size is None:
                raise FleetError(404, "unknown_content", f"plane {plane!r} has no content {sha256}")
            return {"sha256": sha256, "size": size}

        return await calls.read(request, plane, "content", look)

    @router.get("/apps")
    async def find_apps(
        request: Request, plane: str, marker: str | None = None, name: str | None = None, version: str | None = None
    ) -> Response:
        def look() -> dict[str, Any]:
            return {"apps": [_app(row) for row in world.store.apps(plane, marker=marker, name=name, version=version)]}

        return await calls.read(request, plane, "find", look)

    @router.get("/apps/{app_id}")
    async def app(request: Request, plane: str, app_id: str) -> Response:
        return await calls.read(request, plane, "find", lambda: _app(world.app(plane, app_id)))

    @router.get("/orders/{kind}")
    async def find_orders(
        request: Request, plane: str, kind: Literal["assignment", "retry", "uninstall"], marker: str
    ) -> Response:
        def look() -> dict[str, Any]:
            return {"orders": [_order(row) for row in world.store.commands_by_marker(plane, kind, marker)]}

        return await calls.read(request, plane, "find", look)

    @router.get("/assignments/{assignment_id}")
    async def assignment(request: Request, plane: str, assignment_id: str) -> Response:
        return await calls.read(request, plane, "find", lambda: _order(world.assignment(plane, assignment_id)))

    @router.get("/assignments/{assignment_id}/statuses")
    async def statuses(
        request: Request, plane: str, assignment_id: str, cursor: Cursor = None, limit: Limit = 1_000
    ) -> Response:
        return await calls.read(
            request, plane, "statuses", lambda: world.statuses(plane, assignment_id, cursor=cursor, limit=limit)
        )

    @router.post("/apps/{app_id}/inspections")
    async def inspect(request: Request, plane: str, app_id: str, body: Devices) -> Response:
        return await calls.read(request, plane, "inspect", lambda: world.inspect(plane, app_id, body.device_ids))


def _effects(router: APIRouter, world: World, calls: Calls) -> None:
    @router.put("/content/{sha256}")
    async def upload(request: Request, plane: str, sha256: str, marker: Marker = None) -> Response:
        digest, size = hashlib.sha256(), 0
        async for chunk in request.stream():  # hashed and dropped: the fleet installs nothing
            digest.update(chunk)
            size += len(chunk)

        def apply() -> dict[str, Any] | None:
            if digest.hexdigest() != sha256:
                raise FleetError(422, "content_mismatch", f"the bytes hash to {digest.hexdigest()}, not {sha256}")
            return {"sha256": sha256, "size": size} if world.add_content(plane, sha256, size) else None

        effect = Effect(plane=plane, action="upload", marker=marker, object_id=sha256, devices=0, request_sha256=sha256)
        return await calls.effect(request, effect, apply, 200)

    @router.post("/apps")
    async def create_app(request: Request, plane: str, body: NewApp) -> Response:
        fields = body.model_dump()
        effect = _effect(plane, "create_app", body.marker, None, body)
        return await calls.effect(request, effect, lambda: world.create_app(plane, fields))

    @router.post("/apps/{app_id}/assignments")
    async def assign(request: Request, plane: str, app_id: str, body: NewAssignment) -> Response:
        effect = _effect(plane, "assign", body.marker, app_id, body)
        return await calls.effect(request, effect, lambda: world.assign(plane, app_id, body.device_ids, body.marker))

    @router.post("/assignments/{assignment_id}/retries")
    async def retry(request: Request, plane: str, assignment_id: str, body: NewRetry) -> Response:
        effect = _effect(plane, "retry", body.marker, assignment_id, body)
        return await calls.effect(
            request, effect, lambda: world.retry(plane, assignment_id, body.device_ids, body.marker)
        )

    @router.post("/apps/{app_id}/uninstalls")
    async def uninstall(request: Request, plane: str, app_id: str, body: NewUninstall) -> Response:
        effect = _effect(plane, "uninstall", body.marker, app_id, body)
        return await calls.effect(
            request, effect, lambda: world.uninstall(plane, app_id, body.device_ids, body.strategy, body.marker)
        )

    @router.delete("/assignments/{assignment_id}")
    async def unassign(request: Request, plane: str, assignment_id: str, marker: Marker = None) -> Response:
        def apply() -> dict[str, Any] | None:
            removed = world.assignment(plane, assignment_id)["removed_at"] is not None
            if removed and world.spec(plane).mode is Mode.KEYED:
                return None
            return world.unassign(plane, assignment_id, marker)

        effect = Effect(
            plane=plane,
            action="unassign",
            marker=marker,
            object_id=assignment_id,
            devices=0,
            request_sha256=Effect.fingerprint(assignment_id),
        )
        return await calls.effect(request, effect, apply, 200)


def _effect(plane: str, action: str, marker: str | None, object_id: str | None, body: BaseModel) -> Effect:
    fields = body.model_dump(mode="json")
    return Effect(
        plane=plane,
        action=action,
        marker=marker,
        object_id=object_id,
        devices=len(set(fields.get("device_ids", ()))),
        request_sha256=Effect.fingerprint([object_id, fields]),
    )


def _app(row: sqlite3.Row) -> dict[str, Any]:
    return {"id": f"app-{row['number']}", "created_at": row["created_at"], **json.loads(row["body"])}


def _order(row: sqlite3.Row) -> dict[str, Any]:
    prefix = {"assignment": "asg", "retry": "rty", "uninstall": "uni"}[row["kind"]]
    return {
        "id": f"{prefix}-{row['number']}",
        "app_id": f"app-{row['app']}",
        "assignment_id": None if row["assignment"] is None else f"asg-{row['assignment']}",
        "marker": row["marker"],
        "ordered_at": row["ordered_at"],
        "device_count": row["devices"],
        "target_sha256": row["target_sha256"],
        "removed_at": row["removed_at"],
        "removed_by": row["removed_by"],
    }
