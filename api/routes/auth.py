"""Being known: who am I; and, in development only, signing in as one of the invented people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.deps import Allows, ServicesDep, anonymous, require_this_machine
from eucora.domain.errors import NotFound
from eucora.identity.development import DevelopmentIdentity
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from models.wire.auth import Person, SignIn, Token, WireScope

router = APIRouter(prefix="/auth", tags=["auth"])


@router.get("/me", summary="Who you are")
async def me(caller: Annotated[Principal, Depends(Allows(Permission.IDENTITY_READ))], services: ServicesDep) -> Person:
    return _person(caller, development=services.identity.development)


@router.post("/login", summary="Sign in at the development identity provider", dependencies=[Depends(anonymous)])
async def login(body: SignIn, request: Request, services: ServicesDep) -> Token:
    identity = _development(services, request)
    issued = identity.sign_in(body.user)
    return Token(token=issued.token, expires_at=issued.expires_at, person=_person(issued.principal, development=True))


@router.get("/people", summary="Everybody at the development identity provider", dependencies=[Depends(anonymous)])
async def people(request: Request, services: ServicesDep) -> list[Person]:
    identity = _development(services, request)
    return [_person(person, development=True) for person in identity.people]


def _development(services: ServicesDep, request: Request) -> DevelopmentIdentity:
    if not isinstance(services.identity, DevelopmentIdentity):
        raise NotFound("People sign in at Entra ID; send its bearer token.", code="path_not_found")
    require_this_machine(request)
    return services.identity


def _person(principal: Principal, *, development: bool) -> Person:
    scope = principal.scope
    return Person(
        actor=principal.actor,
        name=principal.name,
        roles=[role.value for role in principal.roles],
        scope=WireScope(
            tenant=scope.tenant,
            business_unit=scope.business_unit,
            acquisition_boundary=scope.acquisition_boundary,
            site=scope.site,
        ),
        identity="development" if development else "entra",
    )
