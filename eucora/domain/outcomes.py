"""Does an outcome answer a command that was asked for, and is it what the plan and the state allow? For the verifier.

Each rule returns the keys of the commands that the outcome answers; an answered command is over, and a second answer
to it does not follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import gates
from eucora.domain.approval import tier
from eucora.domain.rollout import decide
from eucora.domain.state import RingRun, RolloutState
from eucora.domain.vocabulary import ErrorClass, HoldKind


class DoesNotFollow(Exception):
    """A fact does not follow from what was decided before it; the sentence says why."""


Issued = Mapping[str, c.Command]
Keys = Iterable[str]

GUARDED = frozenset(HoldKind) - {HoldKind.OPERATOR, HoldKind.NEEDS_PUBLISHER, HoldKind.REVIEW_LAPSED}
"""Holds that a forward effect can come to, because the guard stopped it immediately before it acted."""

SYSTEM = ("eucora", "system")
SUCCESSES = (
    f.EvidenceSealed,
    f.RiskAssessed,
    f.EvidenceResealed,
    f.MembershipFrozen,
    f.PlanePublished,
    f.PlaneAssigned,
    f.PlaneObserved,
    f.RollbackRehearsed,
    f.PlaneRolledBack,
    f.DeploymentHeld,
)


def answered(state: RolloutState, fact: f.Fact, issued: Issued) -> tuple[str, ...]:
    """Return the keys of the issued commands that the fact answers. Raises ``DoesNotFollow`` when there is none."""
    rule = _RULES.get(type(fact))
    if rule is None:
        raise DoesNotFollow(f"{fact.type} answers no command")
    if not isinstance(fact, f.DeploymentHeld):
        _demand((fact.actor, fact.role) == SYSTEM, f"{fact.actor} ({fact.role}) is not who carries out commands")
    if isinstance(fact, SUCCESSES):
        _demand(fact.error_class is ErrorClass.NONE, f"{fact.type} is no error")
    found = tuple(key for key in rule(state, fact, issued) if key in issued)
    if not found:
        raise DoesNotFollow(f"{fact.type} answers no command that the decider had issued")
    return () if isinstance(fact, f.DeploymentHeld) else found


def _demand(holds: object, sentence: str) -> None:
    if not holds:
        raise DoesNotFollow(sentence)


def _ring(state: RolloutState, name: str) -> RingRun:
    for ring in state.rings:
        if ring.name == name:
            return ring
    raise DoesNotFollow(f"{name} had not been frozen")


def _beginning(issued: Issued, prefix: str) -> Keys:
    return [key for key in issued if key.startswith(prefix)]


def _sealed(state: RolloutState, fact: f.EvidenceSealed, _: Issued) -> Keys:
    _demand(fact.pack_digest == state.plan.pack_digest, "the pack sealed is not the one that was submitted")
    return (c.SealEvidence.key,)


def _assessed(state: RolloutState, fact: f.RiskAssessed, _: Issued) -> Keys:
    plan = state.plan
    found = tier(
        fact.score,
        plan.blast_radius_class,
        always_cab=plan.always_cab,
        automated_up_to=plan.automated_up_to,
        cab_up_to=plan.cab_up_to,
    )
    _demand(fact.tier is found, f"a score of {fact.score} is of the tier {found}")
    return (c.Assess.key,)


def _refused(state: RolloutState, _: f.DeploymentRejected | f.DeploymentFailed, __: Issued) -> Keys:
    return (c.SealEvidence.key, c.Assess.key) if state.risk is None else ()


def _resealed(_: RolloutState, fact: f.EvidenceResealed, __: Issued) -> Keys:
    return (c.ResealEvidence(checkpoint=fact.checkpoint).key,)


def _frozen(state: RolloutState, fact: f.MembershipFrozen, _: Issued) -> Keys:
    for members in fact.members:
        counted = sum(site.devices for site in members.sites)
        _demand(
            members.devices == counted > 0, f"{members.plane} has {members.devices} members, {counted} by site class"
        )
    return (c.FreezeMembership(ring=len(state.rings)).key,)


def _published(state: RolloutState, fact: f.PlanePublished, _: Issued) -> Keys:
    run = _ring(state, fact.ring).plane(fact.plane)
    return [c.Publish(ring=fact.ring, plane=fact.plane, revision=one).key for one in range(1, run.revision + 1)]


def _assigned(state: RolloutState, fact: f.PlaneAssigned, _: Issued) -> Keys:
    members = _ring(state, fact.ring).plane(fact.plane).membership
    _demand(fact.targeted <= members.devices, f"{fact.targeted} devices were targeted of {members.devices} members")
    return (c.Assign(ring=fact.ring, plane=fact.plane, revision=fact.revision).key,)


def _observed(state: RolloutState, fact: f.PlaneObserved, issued: Issued) -> Keys:
    members = _ring(state, fact.ring).plane(fact.plane).membership
    counted = {part.site_class: part.targeted for part in fact.figures.classes}
    _demand(
        counted == {site.site_class: site.devices for site in members.sites if site.devices},
        "the figures are not of the frozen members",
    )
    for part in fact.figures.classes:
        known = (part.succeeded, part.failed, part.in_progress, part.unknown)
        _demand(min(known) >= 0 and sum(known) == part.targeted, "the figures do not add up to the targeted devices")
    for command in decide(state, fact.at):
        if isinstance(command, c.Observe) and (command.ring, command.plane) == (fact.ring, fact.plane):
            news = gates.crossed(command.mark, fact.figures, fact.at)
            _demand(news, "the figures cross no mark: the observation changes nothing and should not stand")
            return _beginning(issued, f"observe/{fact.ring}/{fact.plane}/")
    raise DoesNotFollow(f"{fact.plane} was not to be observed in {fact.ring} then")


def _rehearsed(state: RolloutState, fact: f.RollbackRehearsed, _: Issued) -> Keys:
    _demand(fact.artifact_sha256 == state.plan.artifact_sha256, "another artifact was rehearsed than is rolled out")
    return (c.Rehearse(ring=fact.ring, plane=fact.plane, revision=fact.revision).key,)


def _rolled_back(state: RolloutState, fact: f.PlaneRolledBack, issued: Issued) -> Keys:
    _demand(fact.strategy is state.plan.strategy(fact.plane), "the plan names another strategy for the plane")
    _demand(fact.clean == fact.targeted, f"only {fact.clean} of {fact.targeted} devices are clean")
    return _beginning(issued, f"roll_back/{fact.ring}/{fact.plane}/")


def _not_rolled_back(state: RolloutState, fact: f.RollbackFailed, _: Issued) -> Keys:
    strategy = state.plan.strategy(fact.plane)
    return (c.RollBackPlane(ring=fact.ring, plane=fact.plane, strategy=strategy, revision=fact.revision).key,)


def _refused_by_plane(state: RolloutState, fact: f.ConnectorError, issued: Issued) -> Keys:
    if fact.operation == "freeze":
        orders = [ring.order for ring in state.plan.rings if ring.name == fact.ring and fact.plane in ring.planes]
        return [c.FreezeMembership(ring=order).key for order in orders]
    return _beginning(issued, f"{fact.operation}/{fact.ring}/{fact.plane}/")


def _stopped(_: RolloutState, fact: f.DeploymentHeld, issued: Issued) -> Keys:
    _demand(fact.kind in GUARDED, f"no effect comes to a hold of the kind {fact.kind}")
    return [key for key, command in issued.items() if isinstance(command, c.FORWARD)]


_RULES: dict[type, Callable[[RolloutState, Any, Issued], Keys]] = {
    f.EvidenceSealed: _sealed,
    f.RiskAssessed: _assessed,
    f.DeploymentRejected: _refused,
    f.DeploymentFailed: _refused,
    f.EvidenceResealed: _resealed,
    f.MembershipFrozen: _frozen,
    f.PlanePublished: _published,
    f.PlaneAssigned: _assigned,
    f.PlaneObserved: _observed,
    f.RollbackRehearsed: _rehearsed,
    f.PlaneRolledBack: _rolled_back,
    f.RollbackFailed: _not_rolled_back,
    f.ConnectorError: _refused_by_plane,
    f.DeploymentHeld: _stopped,
}
