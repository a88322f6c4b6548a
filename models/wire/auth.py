"""Signing in and being known."""

from __future__ import annotations

from pydantic import Field

from models.wire.base import Answer, Request, UtcTime, Word

__all__ = ["Person", "SignIn", "Token", "WireScope"]


class WireScope(Answer):
    """Where somebody or something belongs; an empty part of a person's scope means any."""

    tenant: str = "default"
    business_unit: str = ""
    acquisition_boundary: str = ""
    site: str = ""


class Person(Answer):
    """A person or machine with their roles."""

    actor: str
    name: str
    roles: list[str]
    scope: WireScope
    identity: str = Field(description="development or entra: who vouches for them")


class SignIn(Request):
    """Sign in at the development identity provider as one of ``GET auth/people``."""

    user: Word


class Token(Answer):
    """A bearer token."""

    token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme (RFC 6750), not a password
    expires_at: UtcTime
    person: Person
