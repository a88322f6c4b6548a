"""Gates of a running rollout: early decisions, deadlines, planes, incidents (``domain.md`` §6, §7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.rollout import decide
from eucora.domain.state import RingRun
from eucora.domain.vocabulary import (
    DeploymentState,
    ErrorClass,
    GateResult,
    HoldKind,
    IncidentResolution,
    IncidentSeverity,
    Role,
)
from tests.domain.builders import RINGS, plan
from tests.domain.world import SIZES, World

PASS, WAIT, BREACH = GateResult.PASS, GateResult.WAIT, GateResult.BREACH
HOURS = {"LAB": 4, "CANARY": 24, "PILOT": 24, "DEPARTMENT": 24, "GLOBAL": 24}


def failing(ring: str, failed: int, silent: int = 0, plane: str = "") -> World:
    """A rollout in which one ring does not go well, on one plane or on all."""

    def outcome(name: str, of: str) -> tuple[int, int]:
        bad = name == ring and plane in ("", of)
        return (SIZES[name] - failed - silent, failed) if bad else (SIZES[name], 0)

    return World(plan(planes=("win", "mac") if plane else ("win",)), outcome=outcome)


def ring_of(world: World, name: str) -> RingRun:
    return next(ring for ring in world.state.rings if ring.name == name)


def last_gate(world: World) -> f.GateEvaluated:
    return world.seen(f.GateEvaluated)[-1]


def checks(world: World) -> dict[str, GateResult]:
    return {check.name: check.result for check in last_gate(world).checks}


def incident(
    world: World, severity: IncidentSeverity, *, attributed: bool = True, resolution: IncidentResolution | None = None
) -> None:
    message = m.IncidentChanged(incident_id="i-1", severity=severity, attributed=attributed, resolution=resolution)
    assert world.say(message, "eucora-api", Role.SYSTEM).refusal is None


TOLERATED = {"LAB": 0, "CANARY": 1, "PILOT": 15, "DEPARTMENT": 10, "GLOBAL": 50}


@pytest.mark.parametrize("ring", RINGS)
def test_a_ring_passes_with_the_last_tolerated_failure(ring: str) -> None:
    world = failing(ring, TOLERATED[ring])
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize("ring", RINGS)
def test_one_failure_more_breaches_at_once_and_never_waits_for_the_deadline(ring: str) -> None:
    world = failing(ring, TOLERATED[ring] + 1, silent=2)
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    assert world.state.reason.code == "gate_breach"
    assert last_gate(world).result is BREACH
    assert last_gate(world).at == ring_of(world, ring).started_at
    assert ring in world.state.reason.sentence
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize("ring", RINGS)
def test_silence_over_the_tolerance_fails_with_the_deadline_and_not_before(ring: str) -> None:
    world = failing(ring, 0, silent=TOLERATED[ring] + 1)
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    started = ring_of(world, ring).started_at
    assert started is not None
    assert last_gate(world).at == started + timedelta(hours=HOURS[ring])


def test_a_gate_waits_until_its_deadline_and_says_so() -> None:
    world = failing("CANARY", 1, silent=1)
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY" and state.ring.gate is not None)
    found = last_gate(world)
    started = ring_of(world, "CANARY").started_at
    assert started is not None
    assert (found.result, found.until) == (WAIT, started + timedelta(hours=24))
    assert world.state.reason.code == "gate_wait"
    assert "48 of 50 targeted devices succeeded, 1 failed for good" in world.state.reason.sentence


def test_a_device_that_succeeds_after_the_deadline_stays_failed_for_the_gate() -> None:
    late = {"silent": 2}
    world = failing("CANARY", 0)
    world.outcome = lambda ring, _: (SIZES[ring] - (late["silent"] if ring == "CANARY" else 0), 0)
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY" and state.ring.gate is not None)
    world.now += timedelta(hours=24)
    world.rest()
    late["silent"] = 0
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK


def test_a_gate_is_recorded_when_its_standing_changes_and_only_then() -> None:
    succeeded = {"devices": 0}
    world = World(plan(rings=2))
    world.outcome = lambda ring, _: (succeeded["devices"] if ring == "CANARY" else SIZES[ring], 0)
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY" and state.ring.started_at)
    before = len(world.facts)
    for count in (10, 20, 47):
        succeeded["devices"] = count
        world.now += timedelta(minutes=15)
        world.rest()
    assert [fact.type for fact in world.facts[before:]] == ["PLANE_ASSIGNED"]
    succeeded["devices"] = 48
    world.rest()
    assert checks(world) == {
        "success_rate": WAIT,
        "time_to_compliance": PASS,
        "incidents": PASS,
        "approval": PASS,
        "rollback_rehearsed": PASS,
    }
    succeeded["devices"] = 49
    world.rest()
    assert checks(world)["success_rate"] is PASS


def test_every_plane_passes_by_itself() -> None:
    world = failing("CANARY", 2, plane="mac")
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    assert "weakest plane mac at 96.00 %" in last_gate(world).checks[0].sentence
    fine = failing("CANARY", 1, plane="mac")
    fine.run()
    assert fine.state.state is DeploymentState.COMPLETED


def refuse(world: World, ring: str, plane: str, operation: str, *, error: ErrorClass = ErrorClass.PERMANENT) -> None:
    world.apply(
        f.ConnectorError(
            at=world.now, ring=ring, plane=plane, operation=operation, code="plane_invalid", sentence="malformed",
            error_class=error,
        )
    )  # fmt: skip


def test_a_plane_that_refuses_stops_no_other_plane_and_holds_the_promotion() -> None:
    world = World(plan(planes=("win", "mac")))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    refuse(world, "LAB", "mac", "publish")
    assert world.state.reason.code == "connector_error"
    world.rest()
    assert world.log == ["publish LAB win", "assign LAB win 1", "rehearse LAB win"]
    assert last_gate(world).result is WAIT
    assert "nothing known yet of mac" in world.state.reason.sentence
    world.say(m.RetryFailed(why="mended"), "olga", Role.ENDPOINT_OPS)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert "publish LAB mac" in world.log
    assert first_unfounded(world.facts) is None


def test_devices_of_a_plane_that_never_took_the_release_fail_with_their_deadline() -> None:
    world = World(plan(planes=("win", "mac")))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    started = world.now
    refuse(world, "LAB", "mac", "publish")
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    assert last_gate(world).at == started + timedelta(hours=4)
    assert last_gate(world).checks[0].actual == "10/20"
    assert first_unfounded(world.facts) is None


def test_devices_of_a_plane_that_refuses_to_be_read_fail_with_their_deadline() -> None:
    world = World(plan(rings=2, planes=("win", "mac")), outcome=lambda ring, plane: (SIZES[ring] - (plane == "mac"), 0))
    world.until(lambda state: state.ring is not None and state.ring.plane("mac").assigned_revision)
    refuse(world, "LAB", "mac", "observe")
    assert not [one for one in decide(world.state, world.now) if isinstance(one, c.Observe) and one.plane == "mac"]
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    assert last_gate(world).at - world.facts[0].at >= timedelta(hours=4)
    assert first_unfounded(world.facts) is None


def test_the_clock_of_a_ring_runs_on_while_it_is_held() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    world.say(m.HoldRollout(why="lunch"), "olga", Role.ENDPOINT_OPS)
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    assert last_gate(world).at == world.facts[0].at + timedelta(hours=4)


def test_planes_that_all_refuse_fail_the_deployment_before_any_effect_on_a_device() -> None:
    world = World(plan(planes=("win", "mac")))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    refuse(world, "LAB", "win", "publish")
    refuse(world, "LAB", "mac", "publish")
    world.run()
    assert (world.state.state, world.state.reason.code) == (DeploymentState.FAILED, "plane_invalid")


def test_planes_that_all_refuse_later_roll_back() -> None:
    world = World(plan(planes=("win", "mac")))
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY" and state.ring.started_at)
    refuse(world, "CANARY", "win", "assign")
    refuse(world, "CANARY", "mac", "assign")
    world.run()
    assert (world.state.state, world.state.reason.code) == (DeploymentState.ROLLED_BACK, "connector_error")
    assert world.log[-4:] == ["roll_back CANARY win", "roll_back CANARY mac", "roll_back LAB win", "roll_back LAB mac"]


def test_a_passing_error_is_no_failure_of_the_plane() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    refuse(world, "LAB", "sim", "publish", error=ErrorClass.TRANSIENT)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED
    assert first_unfounded(world.facts) is None


def test_lab_tolerates_one_open_incident_and_canary_none() -> None:
    world = World(plan(rings=3))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    incident(world, IncidentSeverity.P3)
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY" and state.ring.gate)
    assert checks(world)["incidents"] is WAIT
    world.run()
    assert not world.state.final
    assert "open incidents over the limit of 0: i-1" in world.state.reason.sentence
    incident(world, IncidentSeverity.P3, resolution=IncidentResolution.WORKAROUND)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED


@pytest.mark.parametrize(("severity", "attributed"), [(IncidentSeverity.P4, True), (IncidentSeverity.P3, False)])
def test_incidents_that_do_not_count_do_not_wait(severity: IncidentSeverity, attributed: bool) -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY")
    incident(world, severity, attributed=attributed)
    world.run()
    assert world.state.state is DeploymentState.COMPLETED


@pytest.mark.parametrize(
    ("resolution", "attributed", "end"),
    [
        (IncidentResolution.ROLLBACK, True, DeploymentState.ROLLED_BACK),
        (IncidentResolution.ROLLBACK, False, DeploymentState.COMPLETED),
        (IncidentResolution.HOTFIX, True, DeploymentState.COMPLETED),
        (IncidentResolution.MANUAL_REMEDIATION, True, DeploymentState.COMPLETED),
        (IncidentResolution.WORKAROUND, True, DeploymentState.COMPLETED),
    ],
)
def test_how_an_incident_was_resolved_decides(
    resolution: IncidentResolution, attributed: bool, end: DeploymentState
) -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.name == "CANARY" and state.ring.gate)
    incident(world, IncidentSeverity.P2)
    assert [hold.kind for hold in world.state.holds] == [HoldKind.INCIDENT]
    incident(world, IncidentSeverity.P2, attributed=attributed, resolution=resolution)
    world.run()
    assert world.state.state is end
    assert first_unfounded(world.facts) is None


def test_a_resolution_by_rollback_breaches_before_anything_is_known() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    incident(world, IncidentSeverity.P2)
    incident(world, IncidentSeverity.P2, resolution=IncidentResolution.ROLLBACK)
    world.run()
    assert world.state.state is DeploymentState.ROLLED_BACK
    assert world.log == [], "nothing was published, so there is nothing to take back"


def test_an_incident_that_turns_out_less_severe_releases_its_hold() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.ring is not None and state.ring.started_at)
    incident(world, IncidentSeverity.P2)
    incident(world, IncidentSeverity.P4)
    assert world.state.holds == ()
    assert world.seen(f.DeploymentReleased)[-1].why == "incident i-1 is P4 now"


def test_membership_on_other_planes_than_the_plans_is_impossible() -> None:
    world = World(plan(planes=("win", "mac")))
    world.until(lambda state: state.state is DeploymentState.DEPLOYING)
    frozen = f.MembershipFrozen(at=world.now, ring="LAB", members=())
    with pytest.raises(ValueError, match="LAB was frozen on other planes than the plan's LAB: win, mac"):
        world.apply(frozen)
    with pytest.raises(ValueError, match="CANARY was frozen on other planes"):
        world.apply(replace(frozen, ring="CANARY"))
