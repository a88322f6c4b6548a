"""The development identity provider: people made up for one laptop, so that roles are real from the first day.

It cannot be built outside ``EUCORA_ENV=development``, believes only clients and host names of this machine, and
makes every answer say so. Its tokens are JSON Web Tokens (RFC 7519, HS256) under a secret that lives in one file;
roles are looked up here and never read from a token.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import structlog

from eucora.domain.errors import Forbidden, InvalidInput
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import Role
from eucora.identity.principal import Principal, TokenInvalid
from eucora.settings import MissingSetting, Settings

__all__ = ["PEOPLE", "DevelopmentIdentity", "IssuedToken", "NotLoopback", "UnknownPerson", "require_loopback"]

ALGORITHM = "HS256"
SECRET_BYTES = 32
ISSUER = "eucora-development"
AUDIENCE = "eucora"
LIFETIME = timedelta(hours=8)

log = structlog.get_logger(__name__)


class NotLoopback(Forbidden):
    """The development identity provider was approached from beyond this machine."""

    code = "development_identity_loopback_only"


class UnknownPerson(InvalidInput):
    """Nobody of that name exists at the development identity provider."""

    code = "unknown_person"


def _person(actor: str, name: str, role: Role) -> Principal:
    return Principal(actor=actor, name=name, roles=(role,), scope=Scope())


PEOPLE: tuple[Principal, ...] = (
    _person("admin-ada", "Ada (platform admin)", Role.PLATFORM_ADMIN),
    _person("admin-bo", "Bo (platform admin)", Role.PLATFORM_ADMIN),
    _person("packager-pia", "Pia (packaging engineer)", Role.PACKAGING_ENGINEER),
    _person("packager-paul", "Paul (packaging engineer)", Role.PACKAGING_ENGINEER),
    _person("publisher-petra", "Petra (publisher)", Role.PUBLISHER),
    _person("publisher-paco", "Paco (publisher)", Role.PUBLISHER),
    _person("cab-anna", "Anna (CAB member)", Role.CAB_MEMBER),
    _person("cab-ben", "Ben (CAB member)", Role.CAB_MEMBER),
    _person("cab-chloe", "Chloe (CAB member)", Role.CAB_MEMBER),
    _person("security-sara", "Sara (security reviewer)", Role.SECURITY_REVIEWER),
    _person("security-sven", "Sven (security reviewer)", Role.SECURITY_REVIEWER),
    _person("ops-olga", "Olga (endpoint operations)", Role.ENDPOINT_OPS),
    _person("ops-omar", "Omar (endpoint operations)", Role.ENDPOINT_OPS),
    _person("auditor-ava", "Ava (auditor)", Role.AUDITOR),
    _person("auditor-axel", "Axel (auditor)", Role.AUDITOR),
    _person("connector-one", "First connector (machine)", Role.CONNECTOR),
    _person("connector-two", "Second connector (machine)", Role.CONNECTOR),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A bearer token and when it ends (UTC)."""

    token: str
    expires_at: datetime
    principal: Principal


class DevelopmentIdentity:
    """Issues and checks tokens of :data:`PEOPLE`.

    Raises :class:`MissingSetting` when built for another environment than development.
    """

    development = True

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not settings.is_development:
            raise MissingSetting(
                f"EUCORA_ENV={settings.environment.value}: the development identity provider exists only with "
                "EUCORA_ENV=development; configure Entra ID"
            )
        self._secret = _kept_secret(settings.require_identity_secret_file())
        self._clock = clock
        self._people = {person.actor: person for person in PEOPLE}
        log.warning("identity.development", meaning="anybody on this machine can sign in as anybody")

    @property
    def people(self) -> tuple[Principal, ...]:
        """Everybody who can sign in."""
        return PEOPLE

    def sign_in(self, user: str) -> IssuedToken:
        """A token for ``user``. Raises :class:`UnknownPerson`."""
        person = self._people.get(user)
        if person is None:
            sentence = f"{user!r} is nobody here; sign in as one of {', '.join(self._people)}."
            raise UnknownPerson(sentence, field="user")
        now = self._clock().replace(microsecond=0)
        expires_at = now + LIFETIME
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": person.actor, "iat": now, "exp": expires_at}
        token = jwt.encode(claims, self._secret, algorithm=ALGORITHM)
        return IssuedToken(token=token, expires_at=expires_at, principal=person)

    async def authenticate(self, token: str) -> Principal:
        """See ``IdentityProvider.authenticate``. Roles come from :data:`PEOPLE`, never from the token."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise TokenInvalid(f"The bearer token does not hold: {error}. Sign in again.") from None
        if not isinstance(claims["exp"], int) or self._clock().timestamp() >= claims["exp"]:
            raise TokenInvalid("The bearer token has expired. Sign in again.", code="token_expired")
        person = self._people.get(claims["sub"])
        if person is None:
            raise TokenInvalid("The bearer token is for nobody who exists here. Sign in again.")
        return person

    async def aclose(self) -> None:
        """Hold nothing, release nothing."""


def _kept_secret(path: Path) -> str:
    """The secret in ``path``, drawn at the first start; the file is for its owner's eyes only. Raises
    :class:`MissingSetting`.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):  # another process was faster: its secret is the one
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(SECRET_BYTES))
    secret = path.read_text(encoding="ascii").strip()
    if len(secret) < SECRET_BYTES:
        raise MissingSetting(
            f"{path} must hold a secret of at least {SECRET_BYTES} characters; remove it to draw a new one"
        )
    return secret


def require_loopback(client: str | None, host: str) -> None:
    """Return when both the client's address and the host name it asked for are this machine's.

    The host name matters too: a web page elsewhere whose name is made to resolve to 127.0.0.1 must not sign in here.
    Raises :class:`NotLoopback`.
    """
    if not (client and _is_loopback(client)):
        raise NotLoopback("The development identity provider answers only clients on this machine.")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if not _is_loopback(name.strip("[]")):
        raise NotLoopback("The development identity provider answers only at 127.0.0.1, [::1] or localhost.")


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
