"""Deployments' histories from the decider itself: what the store is given in earnest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions
from eucora.domain.commands import Record
from eucora.domain.plan import Application, RolloutPlan, Scope
from eucora.domain.rollout import decide
from eucora.domain.vocabulary import CabDecision, Role
from eucora.ports.record import FactBatch
from tests.domain.builders import plan
from tests.domain.world import SIZES, World

__all__ = ["batch", "batches", "completed", "plan_of", "rejected", "rolled_back", "settled", "small", "to_review"]


def plan_of(
    number: int = 1, *, planes: tuple[str, ...] = ("sim",), rings: int = 2, tenant: str = "default", **options: object
) -> RolloutPlan:
    """The plan of deployment ``d-<number>`` with a correlation id of its own."""
    base = plan(planes=planes, rings=rings, **options)  # type: ignore[arg-type]
    return replace(
        base,
        deployment_id=f"d-{number}",
        correlation_id=f"00000000-0000-4000-8000-{number:012d}",
        scope=Scope(tenant=tenant, business_unit="finance"),
        application=Application(
            id=f"editor-{number}", name="Editor", version="2.1.0", vendor="Example", category="productivity"
        ),
    )


def small(number: int = 1, **options: object) -> tuple[f.Fact, ...]:
    """An automated deployment of two rings to its end."""
    world = World(plan=plan_of(number, **options))  # type: ignore[arg-type]
    world.run()
    return tuple(world.facts)


def completed(number: int = 1) -> tuple[f.Fact, ...]:
    """Two planes, both reviews, a condition, a refused vote, a refused control, a hold and its release."""
    world = World(plan=plan_of(number, planes=("sim-windows", "sim-mac"), rings=5), score=60)
    to_review(world)
    world.vote("pia-publisher", CabDecision.APPROVED)
    world.say(m.HoldRollout(why="wait for the \u201cmonthly\u201d patch"), "olga-ops", Role.ENDPOINT_OPS)
    world.say(m.SkipSoak(why="no"), "zoe-stranger", Role.CAB_MEMBER)
    world.vote("carl-cab", CabDecision.CONDITIONAL, conditions=Conditions(min_success_rate=97.5, text="watch it"))
    settled(world)
    world.now += timedelta(minutes=5)
    world.say(m.ReleaseRollout(why="go on"), "olga-ops", Role.ENDPOINT_OPS)
    to_review(world)
    world.vote("cora-cab", CabDecision.APPROVED)
    world.run()
    return tuple(world.facts)


def rejected(number: int = 1) -> tuple[f.Fact, ...]:
    """Rejected by the CAB after LAB."""
    world = World(plan=plan_of(number, rings=3), score=60)
    to_review(world)
    world.vote("carl-cab", CabDecision.REJECTED, comment="not now")
    world.run()
    return tuple(world.facts)


def settled(world: World) -> None:
    """Record what is due before the next message, as the interpreter does."""
    while isinstance(command := decide(world.state, world.now)[0], Record):
        world.apply(*command.facts)


def to_review(world: World) -> None:
    """Run until a review takes votes."""
    while True:
        while world.step():
            pass
        if world.state.open_review is not None:
            return
        wake = world._wake()
        assert wake is not None, world.state.reason
        world.now = wake


def rolled_back(number: int = 1) -> tuple[f.Fact, ...]:
    """Too many failures in CANARY: a breach, and everything is taken back."""
    world = World(
        plan=plan_of(number, rings=3),
        outcome=lambda ring, _: (SIZES[ring] - 5, 5) if ring == "CANARY" else (SIZES[ring], 0),
    )
    world.run()
    return tuple(world.facts)


def batch(facts: tuple[f.Fact, ...], first: int = 1, last: int | None = None) -> FactBatch:
    """The facts with the sequences ``first`` to ``last`` of a history."""
    created = facts[0]
    assert isinstance(created, f.DeploymentCreated)
    chosen = facts[first - 1 : last]
    return FactBatch(deployment_id=created.plan.deployment_id, first_sequence=first, facts=chosen)


def batches(facts: tuple[f.Fact, ...], size: int = 3) -> list[FactBatch]:
    """A history in batches of ``size``."""
    return [batch(facts, first, first + size - 1) for first in range(1, len(facts) + 1, size)]
