"""The verifier on complete histories: facts left out, told twice, told in another order, or made up."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions, Covers
from eucora.domain.audit import Unfounded, first_unfounded
from eucora.domain.gates import ClassFigures, Figures
from eucora.domain.rollout import begin, evolve, fold
from eucora.domain.state import RolloutState
from eucora.domain.vocabulary import CabDecision, DeploymentState, ErrorClass, GateResult, HoldKind, Role, SiteClass
from tests.domain.builders import created, membership, plan
from tests.domain.histories import HISTORIES
from tests.domain.world import World


@cache
def history(name: str) -> tuple[f.Fact, ...]:
    return tuple(HISTORIES[name]().facts)


@pytest.mark.parametrize("name", HISTORIES)
def test_what_happened_is_founded_and_folds_to_what_stood(name: str) -> None:
    world = HISTORIES[name]()
    assert first_unfounded(world.facts) is None
    assert fold(world.facts) == world.state


def test_the_histories_show_every_type_of_fact_but_one() -> None:
    shown = {type(fact) for name in HISTORIES for fact in history(name)}
    assert set(typing.get_args(f.Fact)) - shown == {f.DeploymentFailed}


# ---- left out -------------------------------------------------------------------------------------------------------

MAY_BE_MISSING = {
    "ACCESS_DENIED": "changes nothing",
    "CAB_VOTE_REFUSED": "changes nothing",
    "CONTROL_REFUSED": "changes nothing",
    "CAB_SUBMITTED": "changes nothing where the review was open already",
    "POLICY_ACTIVATED": "no decision reads the keys; every message was verified before",
    "CONNECTOR_ERROR": "one that passes changes only the reason",
    "REVIEW_REMINDED": "nothing is decided from it, and a late worker skips it",
    "PLANE_ASSIGNED": "another attempt for one device, which changed no figure",
    "PLANE_OBSERVED": "a look that the next one replaced before anything came of it",
}
"""What a history can do without and still follow from itself; sequence numbers and the hash chain miss it."""


@pytest.mark.parametrize("name", HISTORIES)
def test_a_fact_left_out_is_missed(name: str) -> None:
    facts = history(name)
    for index in range(1, len(facts) - 1):
        found = first_unfounded(facts[:index] + facts[index + 1 :])
        assert found is not None or facts[index].type in MAY_BE_MISSING, f"{index} {facts[index].type}"
        assert found is None or found.index >= index, "nothing before it is blamed"


def test_a_tail_that_is_cut_off_follows_and_is_for_the_signed_heads_to_find() -> None:
    facts = history("automated")
    assert first_unfounded(facts[:-1]) is None


def test_a_decision_that_breaks_off_is_named_at_its_end() -> None:
    facts = history("contested")
    index = next(index for index, fact in enumerate(facts) if isinstance(fact, f.ReviewEscalated))
    found = first_unfounded(facts[: index + 1])
    assert found == Unfounded(index=index, why="the decision breaks off before REVIEW_LAPSED")


# ---- told twice -----------------------------------------------------------------------------------------------------

MAY_BE_DOUBLE = {
    "ACCESS_DENIED": "each stranger is recorded",
    "CAB_VOTE_REFUSED": "each refusal is recorded",
    "CONTROL_REFUSED": "each refusal is recorded",
    "CONNECTOR_ERROR": "one that passes comes again",
    "DEPLOYMENT_HELD": "the guard stops every effect that runs into the same stop",
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_fact_told_twice_is_found(name: str) -> None:
    facts = history(name)
    for index in range(len(facts)):
        found = first_unfounded(facts[: index + 1] + facts[index:])
        assert found is not None or facts[index].type in MAY_BE_DOUBLE, f"{index} {facts[index].type}"
        assert found is None or found.index > index


# ---- told in another order ------------------------------------------------------------------------------------------

WITHOUT_CONSEQUENCE = {"ACCESS_DENIED", "CAB_VOTE_REFUSED", "CONTROL_REFUSED", "CAB_SUBMITTED", "POLICY_ACTIVATED"}
SIDE_BY_SIDE = {
    ("CONNECTOR_ERROR", "PLANE_PUBLISHED"),
    ("DEPLOYMENT_RELEASED", "PLANE_ASSIGNED"),
    ("PLANE_OBSERVED", "PLANE_OBSERVED"),
    ("PLANE_OBSERVED", "PLANE_PUBLISHED"),
    ("PLANE_ROLLED_BACK", "PLANE_ROLLED_BACK"),
    ("PLANE_ROLLED_BACK", "ROLLBACK_FAILED"),
    ("PLANE_ROLLED_BACK", "ROLLBACK_INITIATED"),
}
"""Neighbours that do not depend on each other: two planes, or an effect under way while something else is said."""


@pytest.mark.parametrize("name", HISTORIES)
def test_neighbours_that_change_places_are_found(name: str) -> None:
    """Their times stay where they were, or the order of the times would tell."""
    facts = history(name)
    for index in range(len(facts) - 1):
        one, other = facts[index], facts[index + 1]
        swapped = (replace(other, at=one.at), replace(one, at=other.at))
        found = first_unfounded((*facts[:index], *swapped, *facts[index + 2 :]))
        free = (one.type, other.type) in SIDE_BY_SIDE or WITHOUT_CONSEQUENCE & {one.type, other.type}
        assert found is not None or free or one == other, f"{index} {one.type} {other.type}"


def test_time_never_runs_backwards() -> None:
    facts = history("automated")
    early = replace(facts[5], at=facts[4].at - timedelta(seconds=1))
    assert first_unfounded((*facts[:5], early, *facts[6:])) == Unfounded(
        index=5, why="it lies before the fact before it"
    )


# ---- made up --------------------------------------------------------------------------------------------------------


def at_review() -> World:
    world = World(plan(rings=3), score=60)
    world.to_review()
    return world


def in_lab() -> World:
    world = World(plan(rings=3, planes=("win", "mac")))
    world.until(lambda state: state.object_id("win"))
    return world


def figures(succeeded: int, failed: int = 0, targeted: int = 10, unknown: int | None = None) -> Figures:
    rest = targeted - succeeded - failed if unknown is None else unknown
    part = ClassFigures(
        site_class=SiteClass.ONLINE, targeted=targeted, succeeded=succeeded, failed=failed, unknown=rest
    )
    return Figures(classes=(part,))


def voted(world: World, actor: str, **changes: object) -> f.Fact:
    review = world.state.open_review
    assert review is not None
    vote = f.CabVoted(
        at=world.now, actor=actor, role="cab_member", checkpoint=1, round=1, decision=CabDecision.APPROVED,
        conditions=Conditions(), comment="", pack_digest=review.pack_digest, message_id="m-forged",
    )  # fmt: skip
    return replace(vote, **changes)  # type: ignore[arg-type]


def approved(world: World) -> f.Fact:
    binding = world.state.binding
    assert binding is not None
    return f.CabApproved(
        at=world.now, checkpoint=1, covers=Covers(first=1, last=2), approvers=("carl",), binding=binding,
        expires_at=world.now + timedelta(days=30),
    )  # fmt: skip


FORGED: dict[str, tuple[Callable[[], World], Callable[[World], f.Fact], str]] = {
    "a vote of the submitter": (at_review, lambda w: voted(w, "pia-publisher"), "the submitter cannot vote"),
    "a vote of the author": (at_review, lambda w: voted(w, "paul-packager"), "the author of the evidence pack"),
    "a vote without the role": (at_review, lambda w: voted(w, "carl", role="auditor"), "needs the role cab_member"),
    "a vote on another pack": (at_review, lambda w: voted(w, "carl", pack_digest="f" * 64), "the review is of the"),
    "a vote in another round": (at_review, lambda w: voted(w, "carl", round=2), "the decider says otherwise"),
    "an approval without votes": (at_review, approved, "CAB_APPROVED answers no command"),
    "a promotion without its gate": (
        at_review, lambda w: f.RingPromoted(at=w.now, ring="LAB", to_ring="CANARY"), "RING_PROMOTED answers no command",
    ),
    "a ring entered": (at_review, lambda w: f.RingStarted(at=w.now, ring="CANARY"), "RING_STARTED answers no command"),
    "a gate that passed": (
        at_review,
        lambda w: f.GateEvaluated(at=w.now, ring="LAB", result=GateResult.PASS, checks=()),
        "GATE_EVALUATED answers no command",
    ),
    "an end": (at_review, lambda w: f.DeploymentCompleted(at=w.now), "DEPLOYMENT_COMPLETED answers no command"),
    "a failure after the assessment": (
        at_review, lambda w: f.DeploymentFailed(at=w.now, code="x", sentence="x"), "DEPLOYMENT_FAILED answers no",
    ),
    "a second submission": (at_review, lambda w: created(w.plan, w.now), "DEPLOYMENT_CREATED answers no command"),
    "an effect nobody asked for": (
        at_review,
        lambda w: f.PlanePublished(at=w.now, ring="LAB", plane="sim", object_id="o", request_id="q"),
        "PLANE_PUBLISHED answers no command",
    ),
    "an effect in a ring to come": (
        at_review,
        lambda w: f.PlanePublished(at=w.now, ring="CANARY", plane="sim", object_id="o", request_id="q"),
        "CANARY had not been frozen",
    ),
    "a membership frozen too early": (
        at_review,
        lambda w: f.MembershipFrozen(at=w.now, ring="CANARY", members=(membership("sim", 50),)),
        "MEMBERSHIP_FROZEN answers no command",
    ),
    "a rollback by nobody": (
        at_review,
        lambda w: f.RollbackInitiated(
            at=w.now, code="operator", why="x", outcome=DeploymentState.ROLLED_BACK, automatic=True
        ),
        "ROLLBACK_INITIATED answers no command",
    ),
    "a hold by the guard that only people can put": (
        in_lab, lambda w: f.DeploymentHeld(at=w.now, kind=HoldKind.OPERATOR, why="x"), "no effect comes to a hold",
    ),
    "more devices than members": (
        in_lab,
        lambda w: f.PlaneAssigned(
            at=w.now, ring="LAB", plane="win", assignment_id="a", targeted=11, request_id="q", revision=1
        ),
        "11 devices were targeted of 10 members",
    ),
    "an assignment of a revision to come": (
        in_lab,
        lambda w: f.PlaneAssigned(
            at=w.now, ring="LAB", plane="win", assignment_id="a", targeted=10, request_id="q", revision=2
        ),
        "PLANE_ASSIGNED answers no command",
    ),
    "an observation of what is not assigned": (
        in_lab,
        lambda w: f.PlaneObserved(at=w.now, ring="LAB", plane="win", figures=figures(10)),
        "win was not to be observed in LAB then",
    ),
    "an outcome in somebody's name": (
        in_lab,
        lambda w: f.PlanePublished(at=w.now, actor="olga", ring="LAB", plane="mac", object_id="o", request_id="q"),
        "olga (system) is not who carries out commands",
    ),
    "a success that is an error": (
        in_lab,
        lambda w: f.PlanePublished(
            at=w.now, error_class=ErrorClass.PERMANENT, ring="LAB", plane="mac", object_id="o", request_id="q"
        ),
        "PLANE_PUBLISHED is no error",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_fact_that_was_made_up_is_found(name: str) -> None:
    stage, forge, why = FORGED[name]
    world = stage()
    facts = (*world.facts, forge(world))
    found = first_unfounded(facts)
    assert found is not None
    assert found.index == len(facts) - 1
    assert why in found.why


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        (figures(5), "cross no mark"),
        (figures(10, targeted=11), "not of the frozen members"),
        (figures(10, unknown=3), "do not add up"),
        (figures(12, unknown=-2), "do not add up"),
    ],
)
def test_figures_that_cannot_be_are_found(forged: Figures, why: str) -> None:
    world = World(plan(rings=2), outcome=lambda *_: (0, 0))
    world.until(lambda state: state.ring is not None and state.ring.planes[0].assigned_revision)
    observed = f.PlaneObserved(at=world.now, ring="LAB", plane="sim", figures=forged)
    found = first_unfounded((*world.facts, observed))
    assert found is not None
    assert why in found.why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"actor": "somebody"}, "it was submitted by pia-publisher, as the plan says"),
        ({"role": "auditor"}, "it was submitted by pia-publisher, as the plan says"),
        ({"plan": replace(plan(rings=2), rings=plan(rings=2).rings[::-1])}, "the rings of the plan are not in order"),
    ],
)
def test_a_submission_agrees_with_its_plan(changes: dict[str, object], why: str) -> None:
    first = replace(created(plan(rings=2)), **changes)  # type: ignore[arg-type]
    assert first_unfounded((first,)) == Unfounded(index=0, why=why)


def test_a_stream_begins_with_the_submission() -> None:
    why = "a deployment's stream begins with DEPLOYMENT_CREATED"
    assert first_unfounded(()) == Unfounded(index=0, why=why)
    assert first_unfounded(history("automated")[1:]) == Unfounded(index=0, why=why)
    for facts, message in (((), "an empty stream has no state"), (history("automated")[1:], "begins with")):
        with pytest.raises(ValueError, match=message):
            fold(facts)


def test_an_effect_under_way_when_an_exception_ends_is_founded() -> None:
    """It was asked for between two facts that were due by time: nobody decided anything at its own time."""
    world = World(plan(rings=3), score=90)
    world.to_review()
    exception = m.ExceptionChanged(
        exception_id="x-1", kind="high_risk", revision=1, expires_at=world.now + timedelta(hours=2)
    )
    world.say(exception, "eucora-api", Role.SYSTEM)
    world.vote("carl")
    world.to_ring("CANARY")
    world.now += timedelta(hours=2)
    world.settle()
    assert [hold.kind for hold in world.state.holds] == [HoldKind.EXCEPTION_ENDED]
    assigned = f.PlaneAssigned(
        at=world.now, ring="CANARY", plane="sim", assignment_id="a", targeted=50, request_id="q", revision=1
    )
    world.apply(assigned)
    assert first_unfounded(world.facts) is None


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (
            lambda s: f.CabVoted(
                at=s.created_at, checkpoint=3, round=1, decision=CabDecision.APPROVED, conditions=Conditions(),
                comment="", pack_digest="x", message_id="m",
            ),
            "a vote on checkpoint 3, which has no review",
        ),
        (lambda s: f.RollbackCompleted(at=s.created_at), "ROLLBACK_COMPLETED without a rollback"),
        (lambda s: created(s.plan, s.created_at), "was created already"),
    ],
)  # fmt: skip
def test_facts_that_cannot_be_folded_are_refused(fact: Callable[[RolloutState], f.Fact], message: str) -> None:
    state = begin(created())
    with pytest.raises(ValueError, match=message):
        evolve(state, fact(state))
