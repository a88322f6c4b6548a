"""Rolling back: every touched ring and plane, newest first, verified; failures are loud and retryable (``domain.md``
§7).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.rollout import decide
from eucora.domain.vocabulary import (
    DeploymentState,
    HoldKind,
    IncidentResolution,
    IncidentSeverity,
    Role,
    RollbackStrategy,
)
from tests.domain.builders import plan
from tests.domain.world import SIZES, World

S = DeploymentState
OPS, PUBLISHER, SYSTEM = Role.ENDPOINT_OPS, Role.PUBLISHER, Role.SYSTEM
STOPPED = m.LineChanged(line_stop_id="line-1", stopped=True, why="bad news")
RELEASED = m.LineChanged(line_stop_id="line-1", stopped=False, why="false alarm")


def roll_back(world: World) -> str:
    refusal = world.say(m.RollBackRollout(why="no good"), "olga", OPS).refusal
    return "" if refusal is None else refusal.code


def incident(world: World, severity: IncidentSeverity, resolution: IncidentResolution | None = None) -> None:
    message = m.IncidentChanged(incident_id="i-1", severity=severity, attributed=True, resolution=resolution)
    assert world.say(message, "eucora-api", SYSTEM).refusal is None


def commanded(world: World) -> list[str]:
    return [one.key for one in decide(world.state, world.now) if isinstance(one, c.RollBackPlane)]


def breaching(planes: tuple[str, ...] = ("win",), works: Callable[[str, str, int], bool] = lambda *_: True) -> World:
    """PILOT goes wrong."""

    def outcome(ring: str, _: str) -> tuple[int, int]:
        return (SIZES[ring] - 20, 20) if ring == "PILOT" else (SIZES[ring], 0)

    return World(plan(rings=3, planes=planes), outcome=outcome, rollback_works=works)


def test_every_touched_ring_and_plane_is_taken_back_newest_first() -> None:
    world = breaching(("win", "mac"))
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.ROLLED_BACK, "gate_breach")
    assert [line for line in world.log if line.startswith("roll_back")] == [
        f"roll_back {ring} {plane}" for ring in ("PILOT", "CANARY", "LAB") for plane in ("win", "mac")
    ]
    assert first_unfounded(world.facts) is None


def test_the_planes_of_a_ring_are_taken_back_side_by_side_and_the_next_ring_waits_for_both() -> None:
    world = breaching(("win", "mac"))
    world.until(lambda state: state.rollback)
    assert commanded(world) == ["roll_back/PILOT/win/1", "roll_back/PILOT/mac/1"]
    strategy = RollbackStrategy.ASSIGNMENT_REMOVE
    done = f.PlaneRolledBack(at=world.now, ring="PILOT", plane="mac", strategy=strategy, targeted=500, clean=500)
    world.apply(done)
    assert commanded(world) == ["roll_back/PILOT/win/1"]
    world.apply(f.RollbackFailed(at=world.now, ring="PILOT", plane="win", sentence="devices remain", revision=1))
    assert commanded(world) == ["roll_back/CANARY/win/1", "roll_back/CANARY/mac/1"], "older rings are not left waiting"


def test_a_plane_that_was_published_and_never_assigned_is_taken_back_too() -> None:
    world = World(plan(rings=2, planes=("win", "mac")))
    world.until(lambda state: state.objects)
    assert roll_back(world) == ""
    assert commanded(world) == ["roll_back/LAB/win/1"], "mac has no object: nothing ever stood there"
    world.run()
    assert world.state.state is S.ROLLED_BACK


def test_a_started_deployment_that_touched_nothing_is_over_at_once() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.state is S.DEPLOYING)
    assert roll_back(world) == ""
    assert (world.state.state, world.state.reason.code, world.log) == (S.ROLLED_BACK, "operator", [])


def test_a_rollback_that_fails_is_loud_visible_and_retryable() -> None:
    world = breaching(works=lambda ring, _plane, revision: ring != "CANARY" or revision > 2)
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.DEPLOYING, "rollback_failed")
    assert world.state.reason.sentence == "CANARY on win: devices remain"
    assert not world.state.final
    assert decide(world.state, world.now) == (c.Await(until=None),)
    for revision in (2, 3):
        assert roll_back(world) == ""
        assert world.state.reason.code == "rolling_back"
        assert commanded(world) == [f"roll_back/CANARY/win/{revision}"], "what is clean is not touched again"
        world.run()
    assert world.state.state is S.ROLLED_BACK
    assert (world.state.reason.code, world.state.reason.sentence[:5]) == ("gate_breach", "PILOT"), "the cause stays"
    assert first_unfounded(world.facts) is None


def test_the_failure_of_an_attempt_that_was_repeated_meanwhile_is_old_news() -> None:
    world = breaching()
    world.until(lambda state: state.rollback)
    world.say(STOPPED, "eucora-api", SYSTEM)
    assert roll_back(world) == "", "an operator may, where the automatic one waits"
    assert commanded(world) == ["roll_back/PILOT/win/2"]
    world.apply(f.RollbackFailed(at=world.now, ring="PILOT", plane="win", sentence="stopped midway", revision=1))
    assert commanded(world) == ["roll_back/PILOT/win/2"]
    assert world.state.reason.code == "rolling_back"


def test_nothing_but_the_rollback_explains_a_deployment_that_is_rolled_back() -> None:
    world = World(plan(rings=3), score=60, rollback_works=lambda *_: False)
    world.to_review()
    world.vote("carl")
    world.to_ring("CANARY")
    roll_back(world)
    world.say(m.RevokeApproval(checkpoint=1, why="too late"), "carl", Role.CAB_MEMBER)
    world.apply(
        f.ConnectorError(at=world.now, ring="CANARY", plane="sim", operation="assign", code="x", sentence="too late")
    )
    assert world.state.reason.code == "rolling_back"
    world.run()
    world.say(m.RevokeApproval(checkpoint=1, why="again"), "carl", Role.CAB_MEMBER)
    assert world.state.reason.code == "rollback_failed"


@pytest.mark.parametrize("hold", [HoldKind.OPERATOR, HoldKind.INCIDENT, HoldKind.REVIEW_LAPSED])
def test_holds_never_delay_a_rollback(hold: HoldKind) -> None:
    world = World(plan(rings=3), score=60)
    world.to_review()
    match hold:
        case HoldKind.OPERATOR:
            world.say(m.HoldRollout(why="wait"), "olga", OPS)
        case HoldKind.INCIDENT:
            incident(world, IncidentSeverity.P2)
        case _:
            world.run()
    assert [one.kind for one in world.state.holds] == [hold]
    incident(world, IncidentSeverity.P1)
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.ROLLED_BACK, "incident_p1")
    assert first_unfounded(world.facts) is None


def test_a_stopped_line_stops_an_automatic_rollback_until_it_is_released() -> None:
    world = breaching()
    world.until(lambda state: state.rollback)
    world.say(STOPPED, "eucora-api", SYSTEM)
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    assert commanded(world) == []
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.DEPLOYING, "rolling_back")
    world.say(RELEASED, "eucora-api", SYSTEM)
    assert commanded(world) == ["roll_back/PILOT/win/1"]
    world.run()
    assert world.state.state is S.ROLLED_BACK


def test_a_stopped_line_does_not_stop_an_operator() -> None:
    world = breaching()
    world.to_ring("CANARY")
    world.rest()
    world.say(STOPPED, "eucora-api", SYSTEM)
    assert roll_back(world) == ""
    assert commanded(world) == ["roll_back/CANARY/win/1"]
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.ROLLED_BACK, "operator")
    assert first_unfounded(world.facts) is None


def test_an_operator_takes_over_a_rollback_that_the_line_stops() -> None:
    world = breaching()
    world.until(lambda state: state.rollback)
    assert roll_back(world) == "rolling_back", "it is under way: nothing to take over"
    world.say(STOPPED, "eucora-api", SYSTEM)
    assert roll_back(world) == ""
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.ROLLED_BACK, "gate_breach")
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize("attributed", [True, False])
def test_p1_rolls_back_whether_or_not_it_is_attributed(attributed: bool) -> None:
    world = World(plan(rings=3))
    world.to_ring("CANARY")
    world.rest()
    message = m.IncidentChanged(incident_id="i-1", severity=IncidentSeverity.P1, attributed=attributed)
    world.say(message, "eucora-api", SYSTEM)
    assert world.state.rollback is not None
    assert world.state.reason.sentence == "incident i-1 (P1)"
    world.run()
    assert (world.state.state, world.state.reason.code) == (S.ROLLED_BACK, "incident_p1")
    assert first_unfounded(world.facts) is None


def test_p1_before_any_effect_only_holds() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.risk)
    incident(world, IncidentSeverity.P1)
    world.run()
    assert world.state.rollback is None
    assert [hold.kind for hold in world.state.holds] == [HoldKind.INCIDENT]
    incident(world, IncidentSeverity.P1, IncidentResolution.WORKAROUND)
    world.run()
    assert world.state.state is S.COMPLETED


def test_p2_holds_until_it_is_resolved() -> None:
    world = World(plan(rings=3))
    world.to_ring("CANARY")
    world.rest()
    incident(world, IncidentSeverity.P2)
    assert world.state.holds[0].why == "incident i-1 (P2) is open"
    world.run()
    assert world.state.ring is not None
    assert world.state.ring.name == "CANARY"
    incident(world, IncidentSeverity.P2, IncidentResolution.HOTFIX)
    assert world.seen(f.DeploymentReleased)[-1].why == "incident i-1 is resolved: HOTFIX"
    world.run()
    assert world.state.state is S.COMPLETED


def test_p2_that_gets_worse_rolls_back() -> None:
    world = World(plan(rings=3))
    world.to_ring("CANARY")
    incident(world, IncidentSeverity.P2)
    incident(world, IncidentSeverity.P1)
    world.run()
    assert world.state.state is S.ROLLED_BACK


def test_an_incident_that_was_never_opened_here_cannot_be_resolved() -> None:
    world = World(plan(rings=2))
    message = m.IncidentChanged(
        incident_id="i-9", severity=IncidentSeverity.P2, attributed=True, resolution=IncidentResolution.HOTFIX
    )
    refusal = world.say(message, "eucora-api", SYSTEM).refusal
    assert refusal is not None
    assert refusal.code == "incident_unknown"
