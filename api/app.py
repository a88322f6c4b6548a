"""The API: routes, errors and middleware put together. ``uvicorn api.app:create_app --factory`` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from temporalio.client import Client

from api import errors
from api.context import CORRELATION_ID
from api.deps import Allows, anonymous
from api.documentation import describe
from api.middleware import BodyLimit, RequestContext
from api.routes import audit, auth, cab, connectors, deployments, events, evidence, health, policy, schema
from api.services import open_services
from eucora import __version__
from eucora.domain.vocabulary import Role
from eucora.evidence.assembly import DOCUMENT_LIMIT
from eucora.identity.permissions import PERMISSIONS, Permission
from eucora.identity.principal import IdentityProvider
from eucora.identity.provider import build_identity
from eucora.observability import Metrics, configure_logging
from eucora.runtime.health import serve_metrics
from eucora.settings import LogFormat, Settings
from models.wire.problems import Problem

__all__ = ["BASE", "UndeclaredRoute", "create_app"]

BASE = "/api/v1"
NOUNS = (auth, deployments, cab, evidence, policy, events, audit, connectors, health)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "sign in first",
        403: "another role or scope is needed",
        404: "it does not exist, or not for you",
        409: "it clashes with something that stands, or a rule says no",
        413: "the body is over the limit",
        422: "the input is wrong; `field` says where",
        503: "a part of the system is away; try again after Retry-After seconds",
    }.items()
}


class UndeclaredRoute(RuntimeError):
    """A route declares neither a permission nor that it is anonymous: it would be open to everybody, so nothing
    starts.
    """


def create_app(
    settings: Settings | None = None, *, identity: IdentityProvider | None = None, client: Client | None = None
) -> FastAPI:
    """Build the application. ``settings`` come from the environment unless they are given.

    ``identity`` and ``client`` (Temporal) replace those of the environment (tests). Raises ``MissingSetting`` when this
    environment lacks something, its identity provider above all.
    """
    if settings is None:
        settings = Settings.for_environment()
        configure_logging(level=settings.log_level, console=settings.log_format is LogFormat.CONSOLE)
    provider = identity or build_identity(settings)
    metrics = Metrics(component="api", version=__version__)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            serve_metrics(settings.health_host, settings.api_metrics_port, metrics),
            open_services(settings, identity=provider, client=client) as services,
        ):
            app.state.services = services
            yield

    app = FastAPI(
        title="eucora",
        version=__version__,
        description="Durable, auditable rollouts of end-user applications through rings."
        + (" DEVELOPMENT IDENTITY: anybody on this machine can sign in as anybody." if provider.development else ""),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    app.state.metrics = metrics
    for noun in NOUNS:
        check_declared(noun.router)
        app.include_router(noun.router, prefix=BASE)
    # The description is for those who may call; on a developer's machine the browser has no token to show.
    guard = Depends(anonymous) if provider.development else Depends(Allows(Permission.SCHEMA_READ))
    app.include_router(schema.router, prefix="/api", dependencies=[guard])
    errors.install(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    # The last one added sees a request first.
    app.add_middleware(
        BodyLimit,
        limit=settings.body_limit_bytes,
        uploads={
            f"{BASE}/evidence/artifacts": settings.artifact_size_limit_bytes,
            f"{BASE}/evidence/documents": DOCUMENT_LIMIT,
        },
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", CORRELATION_ID],
            expose_headers=[CORRELATION_ID, "Location", "Retry-After"],
        )
    app.add_middleware(RequestContext, metrics=metrics, development=provider.development)
    return app


def check_declared(router: APIRouter) -> None:
    """Raise :class:`UndeclaredRoute` unless every route says who may call it, exactly once; note it in the schema."""
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise UndeclaredRoute(f"{route!r} is no API route: nothing can say who may call it")
        permissions = [call.permission for call in _calls(route.dependant) if isinstance(call, Allows)]
        open_to_all = any(call is anonymous for call in _calls(route.dependant))
        if len(permissions) + open_to_all != 1:
            names = ", ".join(sorted(route.methods or ()))
            raise UndeclaredRoute(
                f"{names} {route.path} must declare exactly one of Allows(Permission...) and anonymous; it declares "
                f"{len(permissions)} permissions{' and anonymous' if open_to_all else ''}"
            )
        if permissions:
            roles = [role.value for role in Role if role in PERMISSIONS[permissions[0]]]
            route.openapi_extra = {**(route.openapi_extra or {}), "x-roles": roles}


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for part in dependant.dependencies:
        yield from _calls(part)
