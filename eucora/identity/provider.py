"""Which identity provider this environment has: there is no other choice than the environment itself."""

from __future__ import annotations

from eucora.identity.development import DevelopmentIdentity
from eucora.identity.entra import EntraIdentity
from eucora.settings import Settings

__all__ = ["build_identity"]


def build_identity(settings: Settings) -> DevelopmentIdentity | EntraIdentity:
    """The development provider in development, Entra ID anywhere else.

    Raises ``MissingSetting`` naming the variables to set: an API without an identity provider does not start.
    """
    return DevelopmentIdentity(settings) if settings.is_development else EntraIdentity(settings)
