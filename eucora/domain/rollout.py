"""The rollout as a decider (``architecture.md`` §2): ``decide`` says what must happen next, ``evolve`` folds what
happened.

Both are pure. The workflow, the what-if simulation, the audit verifier and the property tests run these same two
functions::

    state = begin(created)
    while not state.final:
        for command in decide(state, now):   # now is an argument; nobody reads a clock in here
            ...                              # do it, and fold what came of it
            state = evolve(state, fact)

``decide`` returns all commands that should be under way at ``now``, because the planes of a ring run side by side
(ADR 0006). Facts that are due are recorded first: then the only command is ``Record``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from eucora.domain import commands as c
from eucora.domain import gates
from eucora.domain.evolve import begin, evolve, fold
from eucora.domain.settle import review_due, sealed_for, settle
from eucora.domain.standing import (
    approval_standing,
    deadlines,
    forward_allowed,
    next_order,
    rehearsal_needed,
    seen_after_rehearsal,
    thresholds_of,
    watched,
)
from eucora.domain.state import PlaneRun, RingRun, RolloutState
from eucora.domain.vocabulary import GateResult, HoldKind

__all__ = ["begin", "decide", "evolve", "fold"]

UNSEEN = gates.Standing(success=GateResult.WAIT, time=GateResult.WAIT)
"""The standing of a plane of which nothing is known: an observation is news only when it differs."""

AFTER_REHEARSAL = timedelta(microseconds=1)


def decide(state: RolloutState, now: datetime) -> tuple[c.Command, ...]:
    """Return the commands that should be under way at ``now``; ``(Record,)`` alone when facts are due, ``(Finish,)``
    at the end.
    """
    due = settle(state, now)
    if due:
        return (c.Record(facts=due),)
    if state.final:
        return (c.Finish(),)
    if state.evidence is None:
        return (c.SealEvidence(),)
    if state.risk is None:
        return (c.Assess(),)
    effects = _rollback(state) if state.rollback is not None else _forward(state, now)
    return (*effects, c.Await(until=_wake(state, now)))


def _rollback(state: RolloutState) -> tuple[c.Command, ...]:
    """Newest ring first; an older ring begins when every plane of the newer one was taken back or has failed to be."""
    rollback = state.rollback
    assert rollback is not None, "called in a rollback only"  # noqa: S101 - invariant
    if rollback.automatic and any(hold.kind is HoldKind.LINE_STOP for hold in state.holds):
        return ()
    for ring in reversed(state.rings):
        if ring.started_at is None:
            continue
        open_planes = [
            run.plane
            for run in ring.planes
            if state.object_id(run.plane) and not run.rolled_back and not run.rollback_failure
        ]
        if open_planes:
            return tuple(
                c.RollBackPlane(
                    ring=ring.name, plane=plane, strategy=state.plan.strategy(plane), revision=rollback.revision
                )
                for plane in open_planes
            )
    return ()


def _forward(state: RolloutState, now: datetime) -> tuple[c.Command, ...]:
    due = review_due(state, now)
    reseal: tuple[c.Command, ...] = ()
    if due is not None and not sealed_for(state, due[0]) and state.freeze_failure is None:
        reseal = (c.ResealEvidence(checkpoint=due[0]),)
    ring = state.ring
    if ring is None or ring.promoted_at is not None:
        return (*reseal, *_next_ring(state, now))
    if ring.started_at is None:
        return reseal
    allowed = forward_allowed(state)
    work = tuple(command for run in ring.planes for command in _plane(state, ring, run, now, allowed=allowed))
    return (*reseal, *work)


def _next_ring(state: RolloutState, now: datetime) -> tuple[c.Command, ...]:
    order = next_order(state)
    ready = forward_allowed(state) and state.freeze_failure is None and approval_standing(state, order, now).permits
    return (c.FreezeMembership(ring=order),) if ready else ()


def _plane(state: RolloutState, ring: RingRun, run: PlaneRun, now: datetime, *, allowed: bool) -> tuple[c.Command, ...]:
    work: list[c.Command] = []
    if allowed and run.failure is None:
        if not state.object_id(run.plane):
            work.append(c.Publish(ring=ring.name, plane=run.plane, revision=run.revision))
        elif run.assigned_revision < run.revision:
            work.append(c.Assign(ring=ring.name, plane=run.plane, revision=run.revision))
    if watched(run):
        mark = observation_mark(state, ring, run)
        work.append(c.Observe(ring=ring.name, plane=run.plane, mark=mark))
        wanted = rehearsal_needed(state, ring, run.plane, now) and run.rehearsal is None
        if allowed and wanted and mark.standing is not None and mark.standing.success is GateResult.PASS:
            work.append(c.Rehearse(ring=ring.name, plane=run.plane, revision=run.rehearsal_revision))
    return tuple(work)


def observation_mark(state: RolloutState, ring: RingRun, run: PlaneRun) -> gates.Mark:
    """Return what an observer of this plane must wait for: another standing, or a time at which figures are needed."""
    limits = thresholds_of(state, ring, run)
    known = UNSEEN if run.figures is None else gates.standing(limits, run.figures)
    times = [] if ring.soak_until is None or ring.soak_skipped else [ring.soak_until]
    passes_for_good = limits.required + limits.tolerated >= run.membership.devices
    if GateResult.WAIT in (known.success, known.time) or not passes_for_good:
        times.extend(deadlines(state, ring, run))
    if not seen_after_rehearsal(run) and run.rehearsal is not None:
        times.append(run.rehearsal.at + AFTER_REHEARSAL)
    seen = run.observed_at
    later = [time for time in times if seen is None or seen < time]
    return gates.Mark(thresholds=limits, standing=known, until=min(later) if later else None)


def _wake(state: RolloutState, now: datetime) -> datetime | None:
    """Return the next time at which something is due although nothing happened; None when only the world can help."""
    times = [one.expires_at for one in state.exceptions if not one.ended]
    review = state.open_review
    if review is not None:
        times += [review.due_at] if review.reminded else [review.remind_at, review.due_at]
    if state.rollback is None:
        order = next_order(state)
        for one in state.approvals:
            if not one.ended and not one.automated and one.reach >= order:
                times.append(one.expires_at)
                if one.conditions.not_before is not None:
                    times.append(one.conditions.not_before)
        ring = state.ring
        if ring is not None and ring.promoted_at is None:
            times += [limit for run in ring.planes if not watched(run) for limit in deadlines(state, ring, run)]
    later = [time for time in times if time > now]
    return min(later) if later else None
