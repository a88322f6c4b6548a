"""Which roles may do what (``domain.md`` §9): the one table, asked by every route; what is not in it is refused.

The workflow asks again, with the roles of the signed claim, and it alone decides about scope, quorum and separation
of duties.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from eucora.domain.errors import Forbidden
from eucora.domain.vocabulary import Role
from eucora.identity.principal import Principal

__all__ = ["PERMISSIONS", "Permission", "RoleMissing", "require"]


class Permission(StrEnum):
    """What a route does; each route declares exactly one."""

    DEPLOYMENT_CREATE = "deployment.create"
    DEPLOYMENT_READ = "deployment.read"
    DEPLOYMENT_PUBLISH = "deployment.publish"
    DEPLOYMENT_HOLD = "deployment.hold"
    DEPLOYMENT_RELEASE = "deployment.release"
    DEPLOYMENT_PROMOTE = "deployment.promote"
    DEPLOYMENT_RETRY = "deployment.retry"
    DEPLOYMENT_SKIP_SOAK = "deployment.skip-soak"
    DEPLOYMENT_ROLL_BACK = "deployment.roll-back"
    DEPLOYMENT_CANCEL = "deployment.cancel"
    REVIEW_SUBMIT = "review.submit"
    REVIEW_READ = "review.read"
    REVIEW_VOTE = "review.vote"
    EVIDENCE_CREATE = "evidence.create"
    EVIDENCE_READ = "evidence.read"
    POLICY_READ = "policy.read"
    EVENTS_READ = "events.read"
    CONNECTORS_READ = "connectors.read"
    HEALTH_READ = "health.read"
    SCHEMA_READ = "schema.read"
    IDENTITY_READ = "identity.read"


class RoleMissing(Forbidden):
    """The caller holds none of the roles that may do this."""

    code = "role_missing"


_ADMIN = Role.PLATFORM_ADMIN
_PACKAGER = Role.PACKAGING_ENGINEER
_PUBLISHER = Role.PUBLISHER
_CAB = Role.CAB_MEMBER
_SECURITY = Role.SECURITY_REVIEWER
_OPERATIONS = Role.ENDPOINT_OPS
_AUDITOR = Role.AUDITOR
_MACHINE = Role.CONNECTOR

_PEOPLE = frozenset({_ADMIN, _PACKAGER, _PUBLISHER, _CAB, _SECURITY, _OPERATIONS, _AUDITOR})
_EVERYBODY = _PEOPLE | {_MACHINE}

PERMISSIONS: Mapping[Permission, frozenset[Role]] = {
    Permission.DEPLOYMENT_CREATE: frozenset({_PACKAGER, _PUBLISHER}),
    Permission.DEPLOYMENT_READ: _PEOPLE,
    Permission.DEPLOYMENT_PUBLISH: frozenset({_PUBLISHER}),
    Permission.DEPLOYMENT_HOLD: frozenset({_PUBLISHER, _OPERATIONS}),
    Permission.DEPLOYMENT_RELEASE: frozenset({_PUBLISHER, _OPERATIONS}),
    Permission.DEPLOYMENT_PROMOTE: frozenset({_PUBLISHER}),
    Permission.DEPLOYMENT_RETRY: frozenset({_OPERATIONS}),
    Permission.DEPLOYMENT_SKIP_SOAK: frozenset({_PUBLISHER}),
    Permission.DEPLOYMENT_ROLL_BACK: frozenset({_PUBLISHER, _OPERATIONS}),
    Permission.DEPLOYMENT_CANCEL: frozenset({_PUBLISHER}),
    Permission.REVIEW_SUBMIT: frozenset({_PACKAGER, _PUBLISHER}),
    Permission.REVIEW_READ: _PEOPLE,
    Permission.REVIEW_VOTE: frozenset({_CAB}),
    Permission.EVIDENCE_CREATE: frozenset({_PACKAGER}),
    Permission.EVIDENCE_READ: _PEOPLE,
    Permission.POLICY_READ: _PEOPLE,
    Permission.EVENTS_READ: frozenset({_ADMIN, _SECURITY, _AUDITOR}),
    Permission.CONNECTORS_READ: _PEOPLE,
    Permission.HEALTH_READ: _PEOPLE,
    Permission.SCHEMA_READ: _EVERYBODY,
    Permission.IDENTITY_READ: _EVERYBODY,
}


def require(principal: Principal, permission: Permission) -> None:
    """Return when ``principal`` may; raise :class:`RoleMissing` naming the roles that could."""
    allowed = PERMISSIONS[permission]
    if not principal.has(*allowed):
        names = " or ".join(role.value for role in Role if role in allowed)
        sentence = f"{permission.value} needs the role {names}; {principal.actor} has {_held(principal)}."
        raise RoleMissing(sentence)


def _held(principal: Principal) -> str:
    return ", ".join(principal.roles) or "no role"
