"""Operators' controls: each is answered at once with yes or the reason why not, in every state (``domain.md`` §7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.judge import ALLOWED, judge
from eucora.domain.plan import Scope
from eucora.domain.rollout import decide
from eucora.domain.vocabulary import CabDecision, DeploymentState, ErrorClass, HoldKind, IncidentSeverity, Role
from tests.domain.builders import KEY, plan
from tests.domain.world import SIZES, World

S = DeploymentState
OPS, PUBLISHER, SYSTEM = Role.ENDPOINT_OPS, Role.PUBLISHER, Role.SYSTEM
STOPPED = m.LineChanged(line_stop_id="line-1", stopped=True, why="bad news")
RELEASED = m.LineChanged(line_stop_id="line-1", stopped=False, why="false alarm")


def stands(name: str) -> World:
    """A deployment in each state that controls can meet."""
    if name == "PENDING":
        return World(plan(), score=60)
    world = World(plan(preset="every_ring" if name in ("review", "APPROVED", "CANCELLED") else "standard"), score=60)
    match name:
        case "review":
            world.to_review()
        case "APPROVED":
            world.say(m.HoldRollout(why="wait"), "olga", OPS)
            world.to_review()
            world.vote("carl")
        case "started":
            world.until(lambda state: state.state is S.DEPLOYING)
        case "LAB":
            world.to_ring("LAB")
        case "AWAITING_CAB":
            world.to_review()
        case "CANARY" | "soaking":
            world.to_review()
            world.vote("carl")
            world.to_ring("CANARY")
            if name == "soaking":
                world.rest()
        case "rolling_back":
            world.until(lambda state: state.objects)
            world.say(m.RollBackRollout(why="no good"), "olga", OPS)
        case "COMPLETED" | "REJECTED" | "ROLLED_BACK" | "CANCELLED" | "FAILED":
            end(world, name)
    return world


def end(world: World, name: str) -> None:
    match name:
        case "COMPLETED":
            world.score = 10
            world.run()
        case "REJECTED":
            world.to_review()
            world.vote("carl", CabDecision.REJECTED)
            world.run()
        case "ROLLED_BACK":
            world.to_review()
            world.say(m.RollBackRollout(why="no good"), "olga", OPS)
            world.run()
        case "CANCELLED":
            world.to_review()
            world.say(m.CancelRollout(why="never mind"), "pia", PUBLISHER)
        case "FAILED":
            world.to_ring("LAB")
            refuse(world, "LAB", "sim", "publish")
            world.settle()
    assert world.state.state == name


def refuse(world: World, ring: str, plane: str, operation: str) -> None:
    world.apply(
        f.ConnectorError(
            at=world.now, ring=ring, plane=plane, operation=operation, code="plane_invalid", sentence="malformed",
            error_class=ErrorClass.PERMANENT,
        )
    )  # fmt: skip


CONTROLS: dict[str, tuple[m.Message, Role]] = {
    "hold": (m.HoldRollout(why="wait"), OPS),
    "release": (m.ReleaseRollout(why="go on"), OPS),
    "promote_now": (m.PromoteNow(why="now"), PUBLISHER),
    "retry_failed": (m.RetryFailed(why="again"), OPS),
    "skip_soak": (m.SkipSoak(why="long enough"), PUBLISHER),
    "roll_back": (m.RollBackRollout(why="no good"), OPS),
    "cancel": (m.CancelRollout(why="never mind"), PUBLISHER),
}

YES = "yes"
IDLE = {
    "hold": YES,
    "release": "not_held",
    "promote_now": "no_ring_running",
    "retry_failed": "no_ring_running",
    "skip_soak": "no_ring_running",
    "roll_back": "nothing_to_roll_back",
    "cancel": YES,
}
"""Before anything happened; the other states differ from it as follows."""

RUNNING = IDLE | {
    "promote_now": "gate_not_passed",
    "retry_failed": "nothing_failed",
    "skip_soak": "no_soak_left",
    "roll_back": YES,
    "cancel": "too_late_to_cancel",
}
OVER = dict.fromkeys(IDLE, "deployment_final")

ANSWERS = {
    "PENDING": IDLE,
    "review": IDLE,
    "APPROVED": IDLE | {"hold": "already_held", "release": YES, "promote_now": "held"},
    "started": IDLE | {"roll_back": YES, "cancel": "too_late_to_cancel"},
    "LAB": RUNNING,
    "AWAITING_CAB": RUNNING,
    "CANARY": RUNNING,
    "soaking": RUNNING | {"skip_soak": YES},
    "rolling_back": RUNNING
    | {
        "promote_now": "rolling_back",
        "retry_failed": "rolling_back",
        "skip_soak": "no_ring_running",
        "roll_back": "rolling_back",
    },
    "COMPLETED": OVER,
    "REJECTED": OVER,
    "ROLLED_BACK": OVER,
    "CANCELLED": OVER,
    "FAILED": OVER,
}


@pytest.mark.parametrize("standing", ANSWERS)
@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_in_every_state(standing: str, control: str) -> None:
    world = stands(standing)
    world.settle()
    message, role = CONTROLS[control]
    before = world.state
    sender = m.Sender(actor="olga", roles=(role,), scope=world.plan.scope, message_id="m-control")
    judgement = judge(before, message, sender, world.now)
    expected = ANSWERS[standing][control]
    if expected == YES:
        assert judgement.refusal is None
        assert judgement.facts[0].actor == "olga"
        assert judgement.facts[0].role == role
        assert asdict(judgement.facts[0])["why"] == asdict(message)["why"]
        return
    assert judgement.refusal is not None
    assert judgement.refusal.code == expected
    assert len(judgement.refusal.sentence) > len("no such luck")
    (fact,) = judgement.facts
    assert isinstance(fact, f.ControlRefused)
    assert (fact.control, fact.code) == (message.type, expected)
    world.apply(fact)
    assert replace(world.state, seen=before.seen, sequence=before.sequence) == before, "a refusal changes nothing"


def test_there_is_always_a_way_out() -> None:
    for standing, answers in ANSWERS.items():
        assert answers is OVER or standing == "rolling_back" or YES in (answers["roll_back"], answers["cancel"])


@pytest.mark.parametrize("message", ALLOWED, ids=lambda kind: kind.__name__)
def test_every_message_needs_its_role_and_scope(message: type) -> None:
    bodies = {type(body): body for body, _ in CONTROLS.values()} | {
        m.CabVote: m.CabVote(checkpoint=1, decision=CabDecision.APPROVED, pack_digest="x"),
        m.RevokeApproval: m.RevokeApproval(checkpoint=1, why="no"),
        m.AdoptRollout: m.AdoptRollout(),
        m.OpenReview: m.OpenReview(),
        m.IncidentChanged: m.IncidentChanged(incident_id="i", severity=IncidentSeverity.P1, attributed=True),
        m.ExceptionChanged: m.ExceptionChanged(
            exception_id="x", kind="high_risk", revision=1, expires_at=World(plan()).now + timedelta(days=1)
        ),
        m.LineChanged: STOPPED,
        m.TrustChange: m.TrustChange(trusted_keys=(KEY,)),
    }
    world = World(plan(), score=60)
    world.to_ring("LAB")
    body = bodies[message]
    others = tuple(role for role in Role if role not in ALLOWED[message])
    here = world.plan.scope
    for roles, scope, code in (
        (others, here, "role_missing"),
        (ALLOWED[message], Scope(business_unit="retail"), "out_of_scope"),
        (ALLOWED[message], Scope(tenant="other"), "out_of_scope"),
    ):
        sender = m.Sender(actor="somebody", roles=roles, scope=scope, message_id="m-x")
        judgement = judge(world.state, body, sender, world.now)
        assert judgement.refusal is not None
        assert judgement.refusal.code == code
        assert len(judgement.facts) == 1
        assert isinstance(judgement.facts[0], f.ControlRefused | f.CabVoteRefused)


def test_holds_add_up_and_each_is_released_by_its_own_kind() -> None:
    world = World(plan(rings=2))
    world.to_ring("LAB")
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    world.say(STOPPED, "eucora-api", SYSTEM)
    world.say(replace(STOPPED, line_stop_id="line-2"), "eucora-api", SYSTEM)
    incident = m.IncidentChanged(incident_id="i-1", severity=IncidentSeverity.P2, attributed=False)
    world.say(incident, "eucora-api", SYSTEM)
    kinds = [HoldKind.OPERATOR, HoldKind.LINE_STOP, HoldKind.LINE_STOP, HoldKind.INCIDENT]
    assert [hold.kind for hold in world.state.holds] == kinds
    assert [hold.who for hold in world.state.holds] == ["olga", "eucora-api", "eucora-api", "eucora"]
    assert all(hold.why and hold.since == world.now for hold in world.state.holds)
    world.say(m.ReleaseRollout(why="go on"), "olga", OPS)
    world.say(RELEASED, "eucora-api", SYSTEM)
    assert [(hold.kind, hold.reference) for hold in world.state.holds] == [
        (HoldKind.LINE_STOP, "line-2"),
        (HoldKind.INCIDENT, "i-1"),
    ]
    assert not [one for one in decide(world.state, world.now) if isinstance(one, c.FORWARD)]
    world.say(replace(incident, resolution="HOTFIX"), "eucora-api", SYSTEM)  # type: ignore[arg-type]
    world.say(replace(RELEASED, line_stop_id="line-2"), "eucora-api", SYSTEM)
    world.run()
    assert world.state.state is S.COMPLETED
    assert first_unfounded(world.facts) is None


def test_a_line_that_is_stopped_already_is_not_stopped_again() -> None:
    world = World(plan(rings=2))
    world.to_ring("LAB")
    assert world.say(RELEASED, "eucora-api", SYSTEM).facts == ()
    assert len(world.say(STOPPED, "eucora-api", SYSTEM).facts) == 1
    assert world.say(STOPPED, "eucora-api", SYSTEM).facts == ()


def forward(world: World) -> list[str]:
    return [one.key for one in decide(world.state, world.now) if isinstance(one, c.FORWARD)]


@pytest.mark.parametrize(
    ("reaches", "waiting"),
    [
        (lambda state: state.risk is not None and not state.rings, "freeze/0"),
        (lambda state: state.ring is not None and state.ring.started_at, "publish/LAB/sim/1"),
        (lambda state: state.objects, "assign/LAB/sim/1"),
        (lambda state: state.ring is not None and state.ring.gate, "rehearse/LAB/sim/1"),
        (lambda state: state.ring is not None and state.ring.promoted_at, "freeze/1"),
    ],
)
def test_a_hold_stops_every_forward_effect_before_it_starts(reaches: Callable[[object], object], waiting: str) -> None:
    world = World(plan(rings=3))
    world.until(reaches)
    world.settle()
    assert forward(world) == [waiting]
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    assert forward(world) == []
    before = len(world.log)
    world.rest()
    assert len(world.log) == before
    world.say(m.ReleaseRollout(why="go on"), "olga", OPS)
    assert forward(world) == [waiting]


def test_a_hold_stops_the_start_of_a_frozen_ring_and_the_promotion() -> None:
    world = World(plan(rings=2))
    world.until(lambda state: state.rings)
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    world.rest()
    assert world.state.rings[0].started_at is None or not world.log
    soaking = World(plan(rings=2))
    soaking.to_ring("CANARY")
    soaking.rest()
    soaking.say(m.HoldRollout(why="wait"), "olga", OPS)
    soaking.run()
    assert (soaking.state.state, soaking.state.reason.code) == (S.DEPLOYING, "gate_pass")
    soaking.say(m.ReleaseRollout(why="go on"), "olga", OPS)
    assert soaking.state.state is S.COMPLETED


def test_a_held_deployment_has_not_started_and_can_be_cancelled() -> None:
    world = World(plan(rings=2))
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    world.rest()
    assert (world.state.state, world.state.risk is None) == (S.APPROVED, False)
    assert world.say(m.CancelRollout(why="never mind"), "pia", PUBLISHER).refusal is None
    world.run()
    assert (world.state.state, world.log) == (S.CANCELLED, [])


def test_observation_and_gates_go_on_under_a_hold() -> None:
    good = {"devices": 48}
    world = World(plan(rings=3), outcome=lambda ring, _: (good["devices"] if ring == "CANARY" else SIZES[ring], 0))
    world.to_ring("CANARY")
    world.rest()
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    good["devices"] = 50
    world.rest()
    assert world.state.ring is not None
    assert world.state.ring.soak_since == world.now


def test_a_forced_promotion_ends_the_soak_and_nothing_else() -> None:
    world = World(plan(rings=3))
    world.to_ring("CANARY")
    world.rest()
    assert world.say(m.PromoteNow(why="urgent"), "pia", PUBLISHER).refusal is None
    assert world.state.rings[1].promoted_at == world.now
    assert [fact.type for fact in world.facts[-3:]] == ["PROMOTION_FORCED", "GATE_EVALUATED", "RING_PROMOTED"]
    assert first_unfounded(world.facts) is None


def test_a_failed_check_is_never_promoted_past() -> None:
    world = World(plan(rings=2), outcome=lambda ring, _: (48 if ring == "CANARY" else SIZES[ring], 0))
    world.to_ring("CANARY")
    world.rest()
    refusal = world.say(m.PromoteNow(why="urgent"), "pia", PUBLISHER).refusal
    assert refusal is not None
    assert refusal.code == "gate_not_passed"
    assert "48 of 50 targeted devices succeeded" in refusal.sentence
    assert world.say(m.SkipSoak(why="urgent"), "pia", PUBLISHER).refusal is not None


def test_promote_now_names_the_holds_and_a_passed_gate() -> None:
    world = World(plan(rings=2))
    world.to_ring("CANARY")
    world.rest()
    world.say(m.HoldRollout(why="wait"), "olga", OPS)
    refusal = world.say(m.PromoteNow(why="urgent"), "pia", PUBLISHER).refusal
    assert refusal is not None
    assert refusal == type(refusal)(code="held", sentence="the deployment is held (operator); release it first")
    world.say(m.SkipSoak(why="urgent"), "pia", PUBLISHER)
    refusal = world.say(m.SkipSoak(why="urgent"), "pia", PUBLISHER).refusal
    assert refusal is not None
    assert refusal.code == "no_soak_left"


def test_trust_changes_and_is_never_given_up() -> None:
    world = World(plan(rings=2))
    new = f.TrustedKey(key_id="k2", public_key="BBBB")
    assert world.say(m.TrustChange(trusted_keys=(KEY, new)), "eucora-api", SYSTEM).refusal is None
    assert world.state.trusted_keys == (KEY, new)
    refusal = world.say(m.TrustChange(trusted_keys=()), "eucora-api", SYSTEM).refusal
    assert refusal is not None
    assert refusal.code == "no_key_left"
    assert world.state.trusted_keys == (KEY, new)
