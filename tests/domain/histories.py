"""Complete histories of several kinds for the verifier's tests; ours, labelled, deterministic."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions
from eucora.domain.plan import ReviewPolicy
from eucora.domain.vocabulary import (
    BlastRadiusClass,
    CabDecision,
    DeploymentState,
    ErrorClass,
    HoldKind,
    IncidentResolution,
    IncidentSeverity,
    Role,
)
from tests.domain.builders import KEY, plan
from tests.domain.world import SIZES, World

OPS, PUBLISHER, SYSTEM, CAB = Role.ENDPOINT_OPS, Role.PUBLISHER, Role.SYSTEM, Role.CAB_MEMBER


def governed() -> World:
    """Packaged, adopted, approved under conditions, held, exempted, reported, and completed on two planes."""
    world = World(
        plan(rings=3, planes=("win", "mac"), requester="pete", requester_roles=(Role.PACKAGING_ENGINEER,), quorum=2),
        score=76,
    )
    world.to_ring("LAB")
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    world.say(m.CancelRollout(why="never mind"), "pia", PUBLISHER)
    world.say(m.ReleaseRollout(why="go on"), "olga", OPS)
    world.say(m.TrustChange(trusted_keys=(KEY, f.TrustedKey(key_id="k2", public_key="BBBB"))), "eucora-api", SYSTEM)
    world.to_review()
    exception = m.ExceptionChanged(
        exception_id="x-1", kind="high_risk", revision=1, expires_at=world.now + timedelta(days=60)
    )
    world.say(exception, "eucora-api", SYSTEM)
    world.say(m.OpenReview(), "pete", Role.PACKAGING_ENGINEER)
    world.vote("carl")
    world.vote("pete")
    world.say(m.AdoptRollout(), "puck", PUBLISHER)
    world.apply(
        f.AccessDenied(
            at=world.now, actor="unknown", role="unknown", message="hold", code="claim_missing", sentence="no"
        )
    )
    conditions = Conditions(observe_hours=30.0, text="slowly")
    world.vote("cora", CabDecision.CONDITIONAL, conditions=conditions)
    world.to_ring("CANARY")
    world.rest()
    incident = m.IncidentChanged(incident_id="i-1", severity=IncidentSeverity.P2, attributed=True)
    world.say(incident, "eucora-api", SYSTEM)
    world.say(m.LineChanged(line_stop_id="l-1", stopped=True, why="bad news"), "eucora-api", SYSTEM)
    world.say(m.LineChanged(line_stop_id="l-1", stopped=False, why="false alarm"), "eucora-api", SYSTEM)
    world.say(replace(incident, resolution=IncidentResolution.HOTFIX), "eucora-api", SYSTEM)
    world.to_review()
    world.vote("carl")
    world.vote("cora")
    world.to_ring("PILOT")
    world.rest()
    world.say(m.SkipSoak(why="long enough"), "puck", PUBLISHER)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED, world.state.reason
    return world


def troubled() -> World:
    """Refused by a plane and tried again; breached; a rollback that fails first and is asked for again."""
    pilot = (SIZES["PILOT"] - 20, 20)
    world = World(
        plan(rings=3, planes=("win", "mac")),
        outcome=lambda ring, _: pilot if ring == "PILOT" else (SIZES[ring] - (ring == "CANARY"), int(ring == "CANARY")),
        rollback_works=lambda ring, plane, revision: (ring, plane) != ("CANARY", "mac") or revision > 1,
    )
    world.to_ring("LAB")
    _refused(world, "LAB", "mac", "publish", ErrorClass.TRANSIENT)
    _refused(world, "LAB", "mac", "publish", ErrorClass.PERMANENT)
    world.rest()
    world.now += timedelta(minutes=5)
    world.say(m.RetryFailed(why="mended"), "olga", OPS)
    world.to_ring("CANARY")
    world.rest()
    world.now += timedelta(hours=2)
    world.say(m.RetryFailed(why="one device", planes=("win",)), "olga", OPS)
    world.rest()
    world.say(m.PromoteNow(why="urgent"), "pia", PUBLISHER)
    world.run()
    world.now += timedelta(minutes=5)
    world.say(m.RollBackRollout(why="once more"), "olga", OPS)
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK, world.state.reason
    return world


def contested() -> World:
    """Lapsed, opened again, approved, expired, approved, revoked, voided, and at last rejected."""
    chosen = replace(plan(rings=3), review=ReviewPolicy(window=8 * 3600, approval_valid=2 * 24 * 3600))
    world = World(chosen, score=51)
    world.to_review()
    world.run()
    world.now += timedelta(hours=1)
    world.say(m.OpenReview(), "pia", PUBLISHER)
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    world.vote("carl")
    world.to_review()
    world.vote("carl")
    world.now += timedelta(hours=1)
    world.say(m.RevokeApproval(checkpoint=1, why="second thoughts"), "cora", CAB)
    world.vote("carl")
    exception = m.ExceptionChanged(
        exception_id="x-1", kind="scope_violation", revision=1, expires_at=world.now + timedelta(hours=1)
    )
    world.say(exception, "eucora-api", SYSTEM)
    world.vote("carl")
    world.now += timedelta(hours=1)
    world.settle()
    world.say(replace(exception, revision=2, expires_at=world.now + timedelta(days=9)), "eucora-api", SYSTEM)
    world.now += timedelta(hours=1)
    world.say(replace(exception, revoked=True), "eucora-api", SYSTEM)
    world.vote("cora", CabDecision.REJECTED, comment="enough")
    world.run()
    assert world.state.state is DeploymentState.REJECTED, world.state.reason
    return world


def withdrawn() -> World:
    """Cancelled before anything happened."""
    world = World(plan(rings=2, preset="every_ring", blast_class=BlastRadiusClass.BUSINESS_CRITICAL))
    world.to_review()
    world.say(m.CancelRollout(why="never mind"), "pia", PUBLISHER)
    world.run()
    assert world.state.state is DeploymentState.CANCELLED, world.state.reason
    return world


def automated() -> World:
    """Within the automated tier, to its end; the guard stops one effect in between."""
    world = World(plan(rings=2))
    world.to_ring("CANARY")
    world.apply(f.DeploymentHeld(at=world.now, actor="sam", kind=HoldKind.LINE_STOP, why="stop", reference="l-2"))
    world.say(m.LineChanged(line_stop_id="l-2", stopped=False, why="go on"), "eucora-api", SYSTEM)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED, world.state.reason
    return world


def _refused(world: World, ring: str, plane: str, operation: str, error: ErrorClass) -> None:
    world.apply(
        f.ConnectorError(
            at=world.now, ring=ring, plane=plane, operation=operation, code="plane_invalid", sentence="malformed",
            error_class=error,
        )
    )  # fmt: skip
    world.settle()


HISTORIES = {
    "governed": governed,
    "troubled": troubled,
    "contested": contested,
    "withdrawn": withdrawn,
    "automated": automated,
}
