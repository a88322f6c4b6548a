"""The caller of a request, as a verified token says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from eucora.domain.errors import Unauthenticated
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import Role

__all__ = ["IdentityProvider", "Principal", "TokenInvalid", "known_roles"]


class TokenInvalid(Unauthenticated):
    """A bearer token does not hold; the sentence says what is wrong and never quotes it."""

    code = "token_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person or a machine. ``actor`` is the stable identifier that the record keeps; ``name`` is for people."""

    actor: str
    name: str
    roles: tuple[Role, ...]
    scope: Scope = field(default_factory=Scope)

    def has(self, *roles: Role) -> bool:
        """Tell whether the caller holds at least one of the roles."""
        return any(role in self.roles for role in roles)


class IdentityProvider(Protocol):
    """Turns a bearer token into a principal."""

    @property
    def development(self) -> bool:
        """True for the built-in provider of development, which every answer must admit to."""
        ...

    async def authenticate(self, token: str) -> Principal:
        """The principal of ``token``. Raises :class:`TokenInvalid`, or ``Unavailable`` when keys cannot be fetched."""
        ...

    async def aclose(self) -> None:
        """Release connections; idempotent."""
        ...


def known_roles(names: Iterable[object]) -> tuple[Role, ...]:
    """Those of ``names`` that are roles of ours (``domain.md`` §9), in the order of the enumeration; others are
    ignored.

    ``system`` is nobody's role: no token can carry it.
    """
    wanted = {name for name in names if isinstance(name, str)}
    return tuple(role for role in Role if role in wanted and role is not Role.SYSTEM)
