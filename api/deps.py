"""What routes ask for, as ``Annotated`` aliases: services, the caller, the correlation id, the idempotency key,
pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPBearer

from api.context import correlation_id_of, correlation_id_was_given
from api.services import Services
from eucora.domain.errors import Forbidden, InvalidInput, Unauthenticated
from eucora.identity.development import require_loopback
from eucora.identity.permissions import Permission, require
from eucora.identity.principal import Principal
from eucora.observability import bind_context

__all__ = [
    "Allows",
    "CorrelationId",
    "Cursor",
    "IdempotencyKey",
    "Limit",
    "OptionalIdempotencyKey",
    "RequestCorrelation",
    "ServicesDep",
    "anonymous",
    "require_idempotency_key",
    "require_this_machine",
]

_KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_DESCRIBED = HTTPBearer(auto_error=False, description="a bearer token; in development: POST auth/login")


def services_of(request: Request) -> Services:
    """The services that the lifespan made."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


@dataclass(frozen=True, slots=True)
class Allows:
    """The dependency that lets a caller with the permission pass, and gives the :class:`Principal`.

    Every route declares exactly one, or :func:`anonymous`; ``app.py`` refuses to start with a route that does not.
    """

    permission: Permission

    async def __call__(
        self, request: Request, services: ServicesDep, _: Annotated[Any, Depends(_DESCRIBED)]
    ) -> Principal:
        what = f"{request.method} {_template(request)}"
        correlation_id = correlation_id_of(request.scope)
        try:
            if services.identity.development:
                require_this_machine(request)
            principal = await services.identity.authenticate(_bearer(request))
        except (Unauthenticated, Forbidden) as error:
            await services.security.denied(error, what=what, principal=None, correlation_id=correlation_id)
            raise
        bind_context(actor=principal.actor)
        try:
            require(principal, self.permission)
        except Forbidden as error:
            await services.security.denied(error, what=what, principal=principal, correlation_id=correlation_id)
            raise
        return principal


def anonymous() -> None:
    """The dependency of the few routes that need no caller (``domain.md`` §9)."""


def require_this_machine(request: Request) -> None:
    """Return for a request from this machine to this machine. Raises ``NotLoopback``."""
    require_loopback(request.client.host if request.client else None, request.headers.get("host", ""))


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        sentence = "Sign in first: send the header Authorization: Bearer and a token."
        raise Unauthenticated(sentence)
    return token.strip()


def _template(request: Request) -> str:
    route = request.scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or request.url.path)


@dataclass(frozen=True, slots=True)
class RequestCorrelation:
    """The request's correlation id, and whether the caller chose it."""

    id: str
    given: bool


def _correlation(request: Request) -> RequestCorrelation:
    return RequestCorrelation(correlation_id_of(request.scope), correlation_id_was_given(request.scope))


CorrelationId = Annotated[RequestCorrelation, Depends(_correlation)]

_KeyHeader = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="made by the caller; the same key and body give the same answer"),
]


def _optional_key(idempotency_key: _KeyHeader = None) -> str | None:
    if idempotency_key is not None and not _KEY_FORM.fullmatch(idempotency_key):
        sentence = "Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID."
        raise InvalidInput(sentence, code="idempotency_key_malformed", field="Idempotency-Key")
    return idempotency_key


def require_idempotency_key(key: Annotated[str | None, Depends(_optional_key)]) -> str:
    """The key. Raises ``InvalidInput`` (``idempotency_key_missing``)."""
    if key is None:
        sentence = "Send an Idempotency-Key, such as a UUID, so that this request can be repeated safely."
        raise InvalidInput(sentence, code="idempotency_key_missing", field="Idempotency-Key")
    return key


IdempotencyKey = Annotated[str, Depends(require_idempotency_key)]
OptionalIdempotencyKey = Annotated[str | None, Depends(_optional_key)]

Limit = Annotated[int, Query(ge=1, le=1000, description="items on a page")]
Cursor = Annotated[str | None, Query(max_length=1000, description="next_cursor of the page before")]
