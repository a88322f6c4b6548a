"""The fleet's API of one plane, call by call, over one connection pool."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from eucora.connectors.sim import translate
from eucora.connectors.sim.errors import SERVICE
from eucora.connectors.sim.settings import SimSettings
from eucora.connectors.sim.translate import Application, Manifest, Order
from eucora.domain.errors import PlaneNotFound, PlanePermanent, UnknownOutcome
from eucora.transport.http import HttpClient, HttpOptions

__all__ = ["FleetClient"]

_PAGE = 10_000


class FleetClient:
    """Calls of one plane. Effects carry ``marker`` both in the object and as the idempotency key.

    Methods raise ``PlaneError`` only. An effect whose 2xx answer cannot be read has an unknown outcome.
    """

    def __init__(self, settings: SimSettings, *, http: HttpClient | None = None) -> None:
        token = settings.token
        self._keyed = settings.keyed
        self._http = http or HttpClient(
            SERVICE,
            base_url=str(settings.url).rstrip("/"),
            options=HttpOptions(
                answer_timeout=timedelta(seconds=settings.answer_timeout_seconds),
                headers={} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"},
            ),
        )
        self._root = f"/planes/{quote(settings.plane, safe='')}"

    async def manifest(self) -> Manifest:
        return translate.manifest(await self._get(""))

    async def members(self, group: str, cursor: str | None, limit: int) -> Mapping[str, Any]:
        return await self._get(f"/groups/{quote(group, safe='')}/members", **_page(cursor, limit))

    async def lookup(self, device_ids: Sequence[str]) -> Mapping[str, Any]:
        return await self._ask("/devices/lookup", {"device_ids": list(device_ids)})

    async def has_content(self, sha256: str) -> bool:
        try:
            await self._get(f"/content/{quote(sha256, safe='')}")
        except PlaneNotFound:
            return False
        return True

    async def upload(self, sha256: str, content: Callable[[], AsyncIterable[bytes]], marker: str) -> None:
        headers = {"X-Marker": marker, "Idempotency-Key": marker}
        await self._http.upload(f"{self._root}/content/{quote(sha256, safe='')}", content, headers=headers)

    async def apps(self, **wanted: str) -> list[Application]:
        """Objects by ``marker``, or by ``name`` and ``version``; oldest first."""
        payload = await self._get("/apps", **wanted)
        return [translate.application(entry) for entry in _list(payload, "apps")]

    async def create_app(self, body: Mapping[str, Any], marker: str) -> tuple[str, str]:
        return await self._effect("POST", "/apps", marker, {**body, "marker": marker})

    async def orders(self, kind: str, marker: str) -> list[Order]:
        """Assignments, retries or uninstalls that carry the marker; oldest first."""
        payload = await self._get(f"/orders/{kind}", marker=marker)
        return [translate.order(entry) for entry in _list(payload, "orders")]

    async def assignment(self, assignment_id: str) -> Order:
        return translate.order(await self._get(f"/assignments/{quote(assignment_id, safe='')}"))

    async def assign(self, app_id: str, device_ids: Sequence[str], marker: str) -> tuple[str, str]:
        path = f"/apps/{quote(app_id, safe='')}/assignments"
        return await self._effect("POST", path, marker, {"device_ids": list(device_ids), "marker": marker})

    async def retry(self, assignment_id: str, device_ids: Sequence[str], marker: str) -> tuple[str, str]:
        path = f"/assignments/{quote(assignment_id, safe='')}/retries"
        return await self._effect("POST", path, marker, {"device_ids": list(device_ids), "marker": marker})

    async def uninstall(self, app_id: str, device_ids: Sequence[str], strategy: str, marker: str) -> tuple[str, str]:
        body = {"device_ids": list(device_ids), "strategy": strategy, "marker": marker}
        return await self._effect("POST", f"/apps/{quote(app_id, safe='')}/uninstalls", marker, body)

    async def unassign(self, assignment_id: str, marker: str) -> None:
        path = f"{self._root}/assignments/{quote(assignment_id, safe='')}"
        headers = {"X-Marker": marker, "Idempotency-Key": marker}
        await self._http.effect("DELETE", path, idempotent=self._keyed, headers=headers)

    async def statuses(self, assignment_id: str, cursor: str | None, limit: int) -> Mapping[str, Any]:
        return await self._get(f"/assignments/{quote(assignment_id, safe='')}/statuses", **_page(cursor, limit))

    async def inspect(self, app_id: str, device_ids: Sequence[str]) -> Mapping[str, Any]:
        return await self._ask(f"/apps/{quote(app_id, safe='')}/inspections", {"device_ids": list(device_ids)})

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _get(self, path: str, **parameters: str | int) -> Mapping[str, Any]:
        return _json(await self._http.read("GET", f"{self._root}{path}", params=parameters))

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """POST a question: changes nothing."""
        return _json(await self._http.read("POST", f"{self._root}{path}", json=body))

    async def _effect(self, method: str, path: str, marker: str, body: Mapping[str, Any]) -> tuple[str, str]:
        """Do it; return (identifier of what was made, request id)."""
        response = await self._http.effect(
            method, f"{self._root}{path}", idempotent=self._keyed, json=body, headers={"Idempotency-Key": marker}
        )
        try:
            payload = _json(response)
            return translate.created(payload), str(payload["request_id"])
        except PlanePermanent as error:
            raise UnknownOutcome(f"{error.sentence}; whether it was done is not known") from error


def _page(cursor: str | None, limit: int) -> dict[str, str | int]:
    return {"limit": min(limit, _PAGE)} if cursor is None else {"limit": min(limit, _PAGE), "cursor": cursor}


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        payload = response.json()
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise PlanePermanent(f"{SERVICE.name} answered something that is not a JSON object", code="plane_bad_answer")
    return {**payload, "request_id": response.headers.get("X-Request-ID", "")}


def _list(payload: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The entries of a list, each with the request id of the answer they came in."""
    entries = payload.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PlanePermanent(f"{SERVICE.name}'s answer has no list {name!r}", code="plane_bad_answer")
    return [{**entry, "request_id": payload["request_id"]} for entry in entries]
