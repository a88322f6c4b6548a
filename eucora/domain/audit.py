"""Is every fact of a stream founded? The verifier's question, answered with the functions that made the facts.

The interpreter settles before it listens and before it takes an outcome. So at the time of any fact either something
was due, and the fact is exactly that; or nothing was, and the fact is what ``judge`` makes of a message, or the
outcome of a command that ``decide`` had asked for (``outcomes.py``). Refusals change nothing and are taken as they
stand.

What nothing is decided from can be altered without contradicting the decider, such as who held and why, ids that
planes gave, or figures that cross the same mark. The hash chain protects that;
``tests/domain/test_audit_alterations.py`` lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.evolve import begin, evolve
from eucora.domain.judge import judge
from eucora.domain.outcomes import DoesNotFollow, answered
from eucora.domain.rollout import decide
from eucora.domain.settle import settle
from eucora.domain.state import RolloutState
from eucora.domain.states import IllegalTransition
from eucora.domain.vocabulary import HoldKind, IncidentSeverity

REFUSALS = (f.CabVoteRefused, f.ControlRefused, f.AccessDenied)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfounded:
    """The first fact that does not hold: its index in the stream, from 0, and why."""

    index: int
    why: str


def first_unfounded(facts: Sequence[f.Fact]) -> Unfounded | None:
    """Fold a stream and decide again at every step; return the first fact that does not follow, or None."""
    if not facts or not isinstance(facts[0], f.DeploymentCreated):
        return Unfounded(index=0, why="a deployment's stream begins with DEPLOYMENT_CREATED")
    plan = facts[0].plan
    if (facts[0].actor, facts[0].role) != (plan.requester, next(iter(plan.requester_roles), "")):
        return Unfounded(index=0, why=f"it was submitted by {plan.requester}, as the plan says")
    if [ring.order for ring in plan.rings] != list(range(len(plan.rings))):
        return Unfounded(index=0, why="the rings of the plan are not in order")
    state = begin(facts[0])
    issued: dict[str, c.Command] = {}
    index = 1
    while index < len(facts):
        fact = facts[index]
        if fact.at < facts[index - 1].at:
            return Unfounded(index=index, why="it lies before the fact before it")
        try:
            _issue(state, facts[index - 1].at, fact.at, issued)
            expected = _expected(state, fact, issued)
            found = tuple(facts[index : index + len(expected)])
            if found != expected:
                position = next(i for i, wanted in enumerate(expected) if i >= len(found) or found[i] != wanted)
                wanted = expected[position].type
                if position == len(found):
                    return Unfounded(index=len(facts) - 1, why=f"the decision breaks off before {wanted}")
                if found[position].type == wanted:
                    return Unfounded(index=index + position, why=f"the decider says otherwise in this {wanted}")
                return Unfounded(index=index + position, why=f"the decider says {wanted} here")
            for one in expected:
                state = evolve(state, one)
        except (DoesNotFollow, IllegalTransition, ValueError, LookupError) as error:
            return Unfounded(index=index, why=str(error) or type(error).__name__)
        index += len(expected)
    return None


def _issue(state: RolloutState, since: datetime, until: datetime, issued: dict[str, c.Command]) -> None:
    """Add the commands asked for between two facts: at the first, whenever ``decide`` woke, and at the second."""
    now = since
    while True:
        wake = None
        for command in decide(state, now):
            issued[command.key] = command
            if isinstance(command, c.Await):
                wake = command.until
        if now >= until:
            return
        now = until if wake is None else min(wake, until)


def _expected(state: RolloutState, fact: f.Fact, issued: dict[str, c.Command]) -> tuple[f.Fact, ...]:
    """Return the facts that must stand here, beginning with this one. Raises ``DoesNotFollow`` when it cannot."""
    if isinstance(fact, REFUSALS):
        return (fact,)
    due = settle(state, fact.at)
    if due:
        return due
    message = _message_of(fact)
    if message is not None:
        sender = m.Sender(
            actor=fact.actor, roles=(fact.role,), scope=state.plan.scope, message_id=getattr(fact, "message_id", "")
        )
        judgement = judge(state, message, sender, fact.at)
        if judgement.refusal is not None:
            raise DoesNotFollow(judgement.refusal.sentence)
        if not judgement.facts:
            raise DoesNotFollow("the message was judged before or comes to nothing")
        return judgement.facts
    for key in answered(state, fact, issued):
        issued.pop(key, None)
    return (fact,)


def _message_of(fact: f.Fact) -> m.Message | None:
    """Rebuild the message that a fact came from; None when it did not come from one."""
    if not getattr(fact, "message_id", ""):
        return None
    build = _MESSAGES.get(type(fact))
    return None if build is None else build(fact)


def _held(fact: f.DeploymentHeld) -> m.Message:
    if fact.kind is HoldKind.LINE_STOP:
        return m.LineChanged(line_stop_id=fact.reference, stopped=True, why=fact.why)
    return m.HoldRollout(why=fact.why)


def _released(fact: f.DeploymentReleased) -> m.Message:
    if fact.kind is HoldKind.LINE_STOP:
        return m.LineChanged(line_stop_id=fact.reference, stopped=False, why=fact.why)
    return m.AdoptRollout(why=fact.why) if fact.kind is HoldKind.NEEDS_PUBLISHER else m.ReleaseRollout(why=fact.why)


_MESSAGES: dict[type, Callable[[Any], m.Message]] = {
    f.CabVoted: lambda x: m.CabVote(
        checkpoint=x.checkpoint,
        decision=x.decision,
        pack_digest=x.pack_digest,
        comment=x.comment,
        conditions=x.conditions,
    ),
    f.CabSubmitted: lambda _: m.OpenReview(),
    f.ApprovalRevoked: lambda x: m.RevokeApproval(checkpoint=x.checkpoint, why=x.why),
    f.DeploymentHeld: _held,
    f.DeploymentReleased: _released,
    f.PromotionForced: lambda x: m.PromoteNow(why=x.why),
    f.SoakSkipped: lambda x: m.SkipSoak(why=x.why),
    f.RetryRequested: lambda x: m.RetryFailed(why=x.why, planes=x.planes),
    f.RollbackInitiated: lambda x: m.RollBackRollout(why=x.why),
    f.DeploymentCancelled: lambda x: m.CancelRollout(why=x.why),
    f.IncidentOpened: lambda x: m.IncidentChanged(
        incident_id=x.incident_id, severity=x.severity, attributed=x.attributed
    ),
    f.IncidentResolved: lambda x: m.IncidentChanged(
        incident_id=x.incident_id, severity=IncidentSeverity.P4, attributed=x.attributed, resolution=x.resolution
    ),
    f.ExceptionApproved: lambda x: m.ExceptionChanged(
        exception_id=x.exception_id, kind=x.kind, revision=x.revision, expires_at=x.expires_at, subject=x.subject
    ),
    f.ExceptionRevoked: lambda x: m.ExceptionChanged(
        exception_id=x.exception_id, kind="", revision=0, expires_at=x.at, revoked=True
    ),
    f.TrustChanged: lambda x: m.TrustChange(trusted_keys=x.trusted_keys),
}
