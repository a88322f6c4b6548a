"""The table of roles: complete, in step with what the workflow asks, and default deny."""

from __future__ import annotations

import pytest

from eucora.domain import messages
from eucora.domain.judge import ALLOWED
from eucora.domain.vocabulary import Role
from eucora.identity.permissions import PERMISSIONS, Permission, RoleMissing, require
from eucora.identity.principal import Principal, known_roles

CONTROLS = {
    Permission.DEPLOYMENT_PUBLISH: messages.AdoptRollout,
    Permission.DEPLOYMENT_HOLD: messages.HoldRollout,
    Permission.DEPLOYMENT_RELEASE: messages.ReleaseRollout,
    Permission.DEPLOYMENT_PROMOTE: messages.PromoteNow,
    Permission.DEPLOYMENT_RETRY: messages.RetryFailed,
    Permission.DEPLOYMENT_SKIP_SOAK: messages.SkipSoak,
    Permission.DEPLOYMENT_ROLL_BACK: messages.RollBackRollout,
    Permission.DEPLOYMENT_CANCEL: messages.CancelRollout,
    Permission.REVIEW_SUBMIT: messages.OpenReview,
    Permission.REVIEW_VOTE: messages.CabVote,
}


def test_every_permission_has_its_roles_and_none_is_granted_to_the_system() -> None:
    assert PERMISSIONS.keys() == set(Permission)
    assert all(roles and Role.SYSTEM not in roles for roles in PERMISSIONS.values())


@pytest.mark.parametrize("permission", CONTROLS)
def test_the_api_lets_through_whom_the_workflow_would(permission: Permission) -> None:
    assert PERMISSIONS[permission] == set(ALLOWED[CONTROLS[permission]])


def test_the_auditor_may_read_and_never_write() -> None:
    granted = {permission for permission, roles in PERMISSIONS.items() if Role.AUDITOR in roles}
    assert granted == {permission for permission in granted if permission.endswith(".read")}
    assert Permission.EVENTS_READ in granted


def test_nobody_may_both_package_and_vote() -> None:
    for role in Role:
        granted = {permission for permission, roles in PERMISSIONS.items() if role in roles}
        assert not {Permission.EVIDENCE_CREATE, Permission.REVIEW_VOTE} <= granted
        assert not {Permission.DEPLOYMENT_PUBLISH, Permission.REVIEW_VOTE} <= granted


def test_a_refusal_names_the_roles_that_could() -> None:
    auditor = Principal(actor="auditor-ava", name="Ava", roles=(Role.AUDITOR,))
    with pytest.raises(RoleMissing, match=r"publisher or endpoint_ops; auditor-ava has auditor"):
        require(auditor, Permission.DEPLOYMENT_HOLD)
    with pytest.raises(RoleMissing, match="has no role"):
        require(Principal(actor="x", name="X", roles=()), Permission.SCHEMA_READ)


def test_roles_that_we_do_not_know_are_ignored() -> None:
    assert known_roles(["auditor", "root", 7, "system"]) == (Role.AUDITOR,)
