"""What happens to every request before it reaches a route: correlation id, body limit, trailing slash, log line,
metrics.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import CORRELATION_ID, correlation_id_of, set_correlation_id
from api.errors import bug_response, problem_response
from eucora.observability import Metrics, context

__all__ = ["BodyLimit", "RequestContext"]

log = structlog.get_logger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
IDENTITY_HEADER = "X-Eucora-Identity"


class RequestContext:
    """Gives each request its correlation id and its log line, and answers with and without a trailing slash alike.

    ``development`` makes every answer admit to the development identity provider.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, development: bool) -> None:
        self.app = app
        self.metrics = metrics
        self.development = development

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(CORRELATION_ID)
        correlation_id = str(uuid.uuid4()) if given is None else _uuid(given)
        # A redirect would lose the body of a POST in many clients: both spellings are one path.
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/"}
        set_correlation_id(scope, correlation_id or str(uuid.uuid4()), given=given is not None)
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                headers[CORRELATION_ID] = correlation_id_of(scope)
                headers["X-Content-Type-Options"] = "nosniff"
                if self.development:
                    headers[IDENTITY_HEADER] = "development"
            await send(message)

        with context(correlation_id=correlation_id_of(scope)):
            try:
                if correlation_id is None:
                    refusal = problem_response(
                        HTTPStatus.UNPROCESSABLE_ENTITY,
                        code="correlation_id_invalid",
                        detail=f"{CORRELATION_ID} must be a UUID; leave it out to have one made.",
                        field=CORRELATION_ID,
                        correlation_id=correlation_id_of(scope),
                    )
                    await refusal(scope, receive, answer)
                else:
                    await self.app(scope, receive, answer)
            except Exception as error:
                log.exception("request.failed", code="internal_error", exc_info=error)
                if status:  # half an answer is on its way: the connection must break, or it would pass for a whole one
                    raise
                await bug_response(correlation_id_of(scope))(scope, receive, answer)
            finally:
                self._finished(scope, status, timedelta(seconds=time.perf_counter() - started))

    def _finished(self, scope: Mapping[str, Any], status: int, duration: timedelta) -> None:
        route = _route(scope)
        # The method is the caller's text; a label must come from a closed set.
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self.metrics.http_request(method=method, route=route, status=status, duration=duration)
        log.info(
            "request.answered",
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(duration.total_seconds() * 1000, 1),
            **({"identity": "development"} if self.development else {}),
        )


class BodyLimit:
    """Refuses bodies over a limit in bytes: at once by their declared length, otherwise as soon as too much has come.

    ``uploads`` gives path prefixes with limits of their own.
    """

    def __init__(self, app: ASGIApp, *, limit: int, uploads: Mapping[str, int]) -> None:
        self.app = app
        self.limit = limit
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = next((size for prefix, size in self.uploads.items() if scope["path"].startswith(prefix)), self.limit)
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            refusal = problem_response(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                code="body_too_large",
                detail=_too_large(limit),
                correlation_id=correlation_id_of(scope),
                headers={"Connection": "close"},  # the body is not read: the connection cannot be used again
            )
            await refusal(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    # An HTTPException passes through the framework's reading of bodies unchanged; others become a 400.
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail=_too_large(limit))
            return message

        await self.app(scope, counted, send)


def _too_large(limit: int) -> str:
    return f"The body is over the limit of {limit} bytes."


def _uuid(text: str) -> str | None:
    """The canonical spelling of a UUID, or None for any other text."""
    try:
        value = str(uuid.UUID(text))
    except ValueError:
        return None
    return value if value == text.lower() else None


def _route(scope: Mapping[str, Any]) -> str:
    """The template of the matched route, never the path: metrics must not grow with ids."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", "unmatched")) if route else "unmatched"
