"""The one place where errors become HTTP answers: a domain error's class gives the status, its ``code`` goes out
unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.context import correlation_id_of
from eucora.domain.errors import (
    Conflict,
    EucoraError,
    Forbidden,
    InvalidInput,
    NotFound,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from models.wire.problems import PROBLEM_MEDIA_TYPE, FieldProblem, Problem

__all__ = ["ChangeInProgress", "bug_response", "install", "problem_response", "status_of"]

log = structlog.get_logger(__name__)

# The first class that matches wins: subclasses stand before their bases.
_STATUS: tuple[tuple[type[EucoraError], HTTPStatus], ...] = (
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (Refused, HTTPStatus.CONFLICT),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)

_CODES = {"extra_forbidden": "unknown_field", "missing": "field_missing", "json_invalid": "json_malformed"}

_HTTP_CODES = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "json_malformed",
    HTTPStatus.NOT_FOUND: "path_not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}


class ChangeInProgress(Conflict):
    """Another deployment of the application holds its rings; ``holder`` is its id."""

    code = "change_in_progress"

    def __init__(self, sentence: str, *, holder: str) -> None:
        super().__init__(sentence)
        self.holder = holder


def status_of(error: EucoraError) -> HTTPStatus:
    """The HTTP status of an error of ours; 500 for one that no caller can do anything about."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem_response(
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    correlation_id: str,
    field: str | None = None,
    holder: str | None = None,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An ``application/problem+json`` answer."""
    problem = Problem(
        type=f"urn:eucora:problem:{code}",
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        field=field,
        holder=holder,
        correlation_id=correlation_id,
        errors=list(errors),
    )
    # Errors about this request must not be kept by anything between the caller and us (RFC 9111).
    answer_headers = {"Cache-Control": "no-store", **(headers or {})}
    body = problem.model_dump_json(exclude_none=True, exclude_defaults=False)
    return Response(body, status_code=status, media_type=PROBLEM_MEDIA_TYPE, headers=answer_headers)


def install(app: FastAPI) -> None:
    """Answer every error that ``app`` raises on purpose with a problem; bugs are caught by the middleware."""
    app.add_exception_handler(EucoraError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)


async def _on_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EucoraError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", code=error.code, error=repr(error))
    return problem_response(
        status,
        code=error.code,
        detail=error.sentence,
        field=error.field,
        holder=error.holder if isinstance(error, ChangeInProgress) else None,
        correlation_id=correlation_id_of(request.scope),
        headers=headers,
    )


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    found = [_field_problem(detail) for detail in error.errors()]
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        code=found[0].code,
        detail=found[0].detail,
        field=found[0].field or None,
        errors=found,
        correlation_id=correlation_id_of(request.scope),
    )


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.BAD_REQUEST:  # the framework's word for a body that is not even text
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    sentence = {
        HTTPStatus.UNPROCESSABLE_ENTITY: "The body is not JSON.",
        HTTPStatus.NOT_FOUND: f"There is nothing at {request.url.path}.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible at {request.url.path}.",
    }.get(status, str(error.detail))
    return problem_response(
        status,
        code=_HTTP_CODES.get(status, "http_error"),
        detail=sentence,
        headers=error.headers,
        correlation_id=correlation_id_of(request.scope),
    )


def bug_response(correlation_id: str) -> Response:
    """What a caller is told of a bug of ours: nothing but where to find it."""
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail=f"Something went wrong here. Tell the operators the correlation id {correlation_id}.",
        correlation_id=correlation_id,
    )


def _field_problem(detail: Mapping[str, Any]) -> FieldProblem:
    kind = str(detail["type"])
    where = _path(detail["loc"])
    # Own codes of wire models are raised as PydanticCustomError: their type is the code.
    code = _CODES.get(kind, kind if kind in OWN_CODES else "field_invalid")
    sentence = "The body is not JSON." if kind == "json_invalid" else f"{where or 'The body'}: {detail['msg']}"
    return FieldProblem(code=code, field=where, detail=sentence)


OWN_CODES = frozenset({"version_malformed", "sha256_malformed", "application_id_malformed", "scope_malformed"})


def _path(location: Sequence[object]) -> str:
    """The field at fault as a path: ``rings.CANARY.targets[0].cohort``; the kind of parameter is left out."""
    parts = list(location)
    if parts and parts[0] in ("body", "query", "path", "header"):
        parts = parts[1:]
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]" if text else ""
        else:
            text += f".{part}" if text else str(part)
    return text
