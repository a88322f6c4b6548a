"""How a call on a plane is handled: faults, idempotency keys, one transaction, the ledger, the answer.

Every call passes through :class:`Calls`. A *reading* meets faults only. An *effect* is written to the ledger when it
is received, whatever comes of it, with an outcome: ``applied``; ``unchanged`` (content that was there already);
``replayed`` (a keyed plane answered from the key); ``refused``; ``not_handled`` (a fault, or a client that left
before its turn).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eucora.sim.faults import Fault, FaultKind, Faults
from eucora.sim.world import FleetError, Mode, World

__all__ = ["MARKER_PREFIX", "Calls", "Effect", "answer", "refusal"]

MARKER_PREFIX: Final = "eucora:"
"""What the markers of the control plane begin with; the rest is ``deployment/ring/plane/operation/revision``."""
_BEFORE: Final = (FaultKind.LOSE_BEFORE, FaultKind.STATUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect as it was received: what is asked, on which object, with which marker, for how many devices."""

    plane: str
    action: str
    marker: str | None
    object_id: str | None
    devices: int
    request_sha256: str

    @staticmethod
    def fingerprint(body: object) -> str:
        """Digest of a request's body, by which a key's second use is compared with its first."""
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class LostAnswer(Response):
    """Begins an answer and never ends it: the server closes the connection and the client has no answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


def answer(body: object, status: int = 200) -> Response:
    """A JSON answer with a request id of its own."""
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, status, {"X-Request-ID": uuid4().hex}, "application/json")


def refusal(error: FleetError) -> Response:
    """The answer that says why not."""
    return answer({"error": {"code": error.code, "message": error.message}}, error.status)


class Calls:
    """Handles the calls of every plane of a world."""

    def __init__(
        self, world: World, faults: Faults, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._world = world
        self._faults = faults
        self._sleep = sleep

    async def read(self, request: Request, plane: str, action: str, look: Callable[[], object]) -> Response:
        """Answer a call that changes nothing."""
        fault = self._faults.take(plane, action)
        if early := await self._before(request, fault):
            return early
        try:
            self._world.spec(plane)
            result = answer(look())
        except FleetError as error:
            result = refusal(error)
        return await self._after(fault, result)

    async def effect(
        self, request: Request, effect: Effect, apply: Callable[[], dict[str, Any] | None], status: int = 201
    ) -> Response:
        """Apply an effect at most once per key on a keyed plane, and once per call on a naive one.

        ``apply`` runs inside the transaction and returns the answer's body; None means that nothing had to change.
        """
        if effect.plane not in self._world.specs:
            return refusal(FleetError(404, "unknown_plane", f"this fleet has no plane {effect.plane!r}"))
        fault = self._faults.take(effect.plane, effect.action)
        if early := await self._before(request, fault):
            with self._world.store.transaction():
                self._record(request, effect, "not_handled")
            return early
        try:
            result = self._apply(request, effect, apply, status)
        except FleetError as error:
            with self._world.store.transaction():
                self._record(request, effect, "refused")
            result = refusal(error)
        return await self._after(fault, result)

    def _apply(
        self, request: Request, effect: Effect, apply: Callable[[], dict[str, Any] | None], status: int
    ) -> Response:
        store = self._world.store
        key = request.headers.get("Idempotency-Key")
        keyed = key if self._world.spec(effect.plane).mode is Mode.KEYED else None
        with store.transaction():
            if keyed and (known := store.answer(effect.plane, effect.action, keyed)):
                if known["request_sha256"] != effect.request_sha256:
                    raise FleetError(409, "key_reused", "the idempotency key was used for another request")
                self._record(request, effect, "replayed")
                return answer(json.loads(known["body"]), known["status"])
            body = apply()
            outcome = "unchanged" if body is None else "applied"
            body = body or {}
            self._record(request, effect, outcome, object_id=body.get("id"))
            if keyed:
                text = json.dumps(body)
                store.put_answer(
                    effect.plane, effect.action, keyed, request_sha256=effect.request_sha256, status=status, body=text
                )
        return answer(body, status)

    def _record(self, request: Request, effect: Effect, outcome: str, *, object_id: str | None = None) -> None:
        mode = self._world.spec(effect.plane).mode
        marker = effect.marker or request.headers.get("Idempotency-Key")
        deployment, ring, operation, revision = _parse(marker)
        self._world.store.add_entry(
            {
                "at": self._world.clock(),
                "plane": effect.plane,
                "mode": mode.value,
                "action": effect.action,
                "marker": marker,
                "deployment": deployment,
                "ring": ring,
                "operation": operation,
                "revision": revision,
                "object": effect.object_id or object_id,
                "devices": effect.devices,
                "applied": int(outcome == "applied"),
                "outcome": outcome,
                "correlation": request.headers.get("X-Correlation-ID"),
            }
        )

    async def _before(self, request: Request, fault: Fault | None) -> Response | None:
        """Do what a fault does before the call is handled; an answer means that it is not handled."""
        if fault is None:
            return None
        if fault.kind is FaultKind.DELAY_BEFORE:
            await self._sleep(fault.delay_seconds)
            return LostAnswer() if await request.is_disconnected() else None
        if fault.kind not in _BEFORE:
            return None
        if fault.kind is FaultKind.LOSE_BEFORE:
            return LostAnswer()
        result = refusal(FleetError(fault.status, f"fault_{fault.status}", "a fault is switched on"))
        if fault.retry_after is not None:
            result.headers["Retry-After"] = fault.retry_after
        return result

    async def _after(self, fault: Fault | None, result: Response) -> Response:
        if fault is not None and fault.kind is FaultKind.LOSE_AFTER:
            return LostAnswer()
        if fault is not None and fault.kind is FaultKind.DELAY_AFTER:
            await self._sleep(fault.delay_seconds)
        return result


def _parse(marker: str | None) -> tuple[str | None, str | None, str | None, int | None]:
    """(deployment, ring, operation, revision) of a marker of the control plane; Nones for any other."""
    parts = (marker or "").removeprefix(MARKER_PREFIX).rsplit("/", 4)
    if marker is None or not marker.startswith(MARKER_PREFIX) or len(parts) != 5 or not parts[4].isdigit():
        return None, None, None, None
    return parts[0], parts[1], parts[3], int(parts[4])
