"""Bearer tokens of Entra ID: JSON Web Tokens of the v2.0 endpoint, RS256, keys by JWKS (RFC 7517).

Keys and the issuer come from the tenant's OpenID Connect discovery document and are kept for a day; a token signed
with an unknown key makes them be fetched again, at most once in five minutes, so that strangers cannot make us knock at
Entra's door.

Roles are Entra app roles whose values are the names of ``domain.md`` §9. Where a person belongs is one more app role,
``scope:BUSINESS_UNIT/ACQUISITION_BOUNDARY/SITE`` (parts may be empty or left out); without one the scope is the
whole tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import structlog

from eucora.domain.errors import Unavailable
from eucora.domain.plan import Scope
from eucora.identity.principal import Principal, TokenInvalid, known_roles
from eucora.settings import MissingSetting, Settings

__all__ = ["EntraIdentity"]

AUTHORITY = "https://login.microsoftonline.com"
ALGORITHM = "RS256"
KEEP = timedelta(days=1)
REFETCH = timedelta(minutes=5)
PATIENCE = timedelta(seconds=10)
LEEWAY = timedelta(seconds=60)
TIMEOUT = httpx.Timeout(5.0)
SCOPE_PREFIX = "scope:"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """The tenant's issuer and signing keys by key id, as fetched at ``at``."""

    issuer: str
    keys: dict[str, jwt.PyJWK]
    at: datetime


class EntraIdentity:
    """Checks bearer tokens issued by one Entra tenant for our audience.

    Raises :class:`MissingSetting` when built without tenant or audience.
    """

    development = False

    def __init__(
        self,
        settings: Settings,
        *,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not settings.entra_tenant or not settings.entra_audience:
            raise MissingSetting("set EUCORA_ENTRA_TENANT and EUCORA_ENTRA_AUDIENCE: bearer tokens are checked by them")
        self._tenant = settings.entra_tenant
        self._audience = settings.entra_audience
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT)
        self._clock = clock
        self._keys: _Keys | None = None
        self._fetching = asyncio.Lock()
        self._failed_at: datetime | None = None

    async def authenticate(self, token: str) -> Principal:
        """See ``IdentityProvider.authenticate``."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise TokenInvalid(f"The bearer token cannot be read: {error}.") from None
        key_id = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
            raise TokenInvalid(f"The bearer token must be signed with {ALGORITHM} and name its key.")
        known = await self._known_keys(key_id)
        key = known.keys.get(key_id)
        if key is None:
            raise TokenInvalid("The bearer token is signed with a key that the tenant does not publish.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=known.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenInvalid("The bearer token has expired.", code="token_expired") from None
        except jwt.InvalidTokenError as error:
            raise TokenInvalid(f"The bearer token does not hold: {error}.") from None
        return _principal(claims)

    async def aclose(self) -> None:
        """See ``IdentityProvider.aclose``."""
        await self._client.aclose()

    async def _known_keys(self, key_id: str) -> _Keys:
        known = self._keys
        if known is not None and not self._stale(known, key_id):
            return known
        async with self._fetching:
            known = self._keys  # another request may have fetched them meanwhile
            if known is not None and not self._stale(known, key_id):
                return known
            # Callers queue at this lock: while the provider is down, only one of them in ten seconds waits for its
            # timeout.
            if self._failed_at is None or self._clock() - self._failed_at >= PATIENCE:
                try:
                    self._keys = await self._fetch()
                    self._failed_at = None
                    return self._keys
                except (httpx.HTTPError, KeyError, TypeError, ValueError, jwt.PyJWTError) as error:
                    self._failed_at = self._clock()
                    log.warning("identity.keys_not_fetched", error=repr(error))
            if known is not None and key_id in known.keys:
                return known  # an outage of the provider must not lock out those whose key we know
            sentence = "The identity provider's keys cannot be fetched now."
            raise Unavailable(sentence, code="identity_provider_unavailable", retry_after=timedelta(seconds=30))

    def _stale(self, known: _Keys, key_id: str) -> bool:
        age = self._clock() - known.at
        return age >= KEEP or (key_id not in known.keys and age >= REFETCH)

    async def _fetch(self) -> _Keys:
        discovery = await self._document(f"{AUTHORITY}/{self._tenant}/v2.0/.well-known/openid-configuration")
        issuer, address = discovery["issuer"], discovery["jwks_uri"]
        if not isinstance(issuer, str) or not isinstance(address, str):
            message = "the discovery document names no issuer or no keys"
            raise TypeError(message)
        published = jwt.PyJWKSet.from_dict(await self._document(address))
        return _Keys(issuer=issuer, keys={key.key_id: key for key in published.keys if key.key_id}, at=self._clock())

    async def _document(self, address: str) -> dict[str, Any]:
        answer = await self._client.get(address)
        answer.raise_for_status()
        document = answer.json()
        if not isinstance(document, dict):
            message = "the identity provider answered with something else than a JSON object"
            raise TypeError(message)
        return document


def _principal(claims: dict[str, Any]) -> Principal:
    """The principal of verified claims. The actor is ``oid``: unlike names it never changes and is never given
    again.
    """
    actor = claims.get("oid")
    if not isinstance(actor, str) or not actor:
        raise TokenInvalid("The bearer token names no object id (oid).")
    name = claims.get("preferred_username") or claims.get("app_displayname") or claims.get("azp") or actor
    granted = claims.get("roles", [])
    if not isinstance(granted, list):
        raise TokenInvalid("The bearer token's roles are not a list.")
    return Principal(actor=actor, name=str(name), roles=known_roles(granted), scope=_scope(granted))


def _scope(granted: list[Any]) -> Scope:
    scopes = [
        role.removeprefix(SCOPE_PREFIX) for role in granted if isinstance(role, str) and role.startswith(SCOPE_PREFIX)
    ]
    if not scopes:
        return Scope()
    parts = scopes[0].split("/")
    if len(scopes) > 1 or len(parts) > 3:
        sentence = "The bearer token carries several scopes, or one that is not scope:BUSINESS_UNIT/BOUNDARY/SITE."
        raise TokenInvalid(sentence, code="token_scope_ambiguous")
    business_unit, acquisition_boundary, site = (*parts, "", "")[:3]
    return Scope(business_unit=business_unit, acquisition_boundary=acquisition_boundary, site=site)
