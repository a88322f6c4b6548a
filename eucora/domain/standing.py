"""Where a rollout stands: approvals, gate of the running ring, holds. Questions only; nothing here decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from eucora.domain import gates
from eucora.domain.approval import Approval, Conditions, in_force, strictest, why_not_in_force
from eucora.domain.gates import Check, Evaluation, Figures, Thresholds
from eucora.domain.plan import HOUR, Checkpoint
from eucora.domain.state import PlaneRun, RingRun, RolloutState
from eucora.domain.vocabulary import (
    ApprovalTier,
    GateResult,
    HoldKind,
    IncidentResolution,
    IncidentSeverity,
    Role,
    SiteClass,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStanding:
    """May ring ``order`` be entered? ``waits_until`` is set when an approval exists that begins to hold then."""

    required: bool
    approval: Approval | None
    sentence: str
    waits_until: datetime | None = None

    @property
    def permits(self) -> bool:
        """True when no approval is needed or one is in force."""
        return not self.required or self.approval is not None


NOT_REQUIRED = ApprovalStanding(required=False, approval=None, sentence="not required")


def next_order(state: RolloutState) -> int:
    """Return the order of the ring that is to be entered next; one past the plan's last when there is none."""
    ring = state.ring
    if ring is None:
        return 0
    return ring.order if ring.started_at is None else ring.order + 1


def checkpoint_of(state: RolloutState, order: int) -> Checkpoint | None:
    """Return the planned checkpoint that covers a ring, or None where no approval is needed."""
    for checkpoint in state.checkpoints:
        if checkpoint.before <= order <= checkpoint.until:
            return checkpoint
    return None


def exception_active(state: RolloutState, kind: str, now: datetime, subject: str = "") -> bool:
    """Tell whether an approved exception of that kind holds at ``now``; one without a subject holds for all."""
    return any(
        one.kind == kind and not one.ended and now < one.expires_at and one.subject in ("", subject)
        for one in state.exceptions
    )


def approval_standing(state: RolloutState, order: int, now: datetime) -> ApprovalStanding:
    """Say whether ring ``order`` may be entered at ``now`` as far as people are concerned (``domain.md`` §4)."""
    if not state.checkpoints or order > state.plan.last or checkpoint_of(state, order) is None:
        return NOT_REQUIRED
    current = state.binding
    if current is None or state.risk is None:
        return NOT_REQUIRED
    if state.risk.tier is ApprovalTier.CAB_WITH_EXCEPTION and not exception_active(state, "high_risk", now):
        sentence = f"a score of {state.risk.score} also needs an active high_risk exception"
        return ApprovalStanding(required=True, approval=None, sentence=sentence)
    found = in_force(state.approvals, ring=order, current=current, now=now)
    if found is not None:
        sentence = f"approved by {', '.join(found.approvers)} until {found.expires_at.isoformat()}"
        return ApprovalStanding(required=True, approval=found, sentence=sentence)
    ring = state.plan.rings[order].name
    waits_until = None
    sentence = f"no approval in force for {ring}"
    for one in reversed(state.approvals):
        begins = one.conditions.not_before
        if begins is not None and now < begins and not why_not_in_force(one, ring=order, current=current, now=begins):
            waits_until = begins
            sentence = f"the approval for {ring} holds from {begins.isoformat()} on"
            break
    return ApprovalStanding(required=True, approval=None, sentence=sentence, waits_until=waits_until)


def conditions_on(state: RolloutState, ring: RingRun) -> Conditions:
    """Return the conditions that bind a started ring: the strictest of the approvals under which it was entered.

    They bind for as long as the ring runs, also when the approval expires meanwhile.
    """
    return strictest(one.conditions for one in state.approvals if ring.order in one.entered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A ring's rates in percent: ``required`` to pass; where ``breach`` cannot be reached any more, the gate is
    breached.
    """

    required: float
    breach: float


def rates(state: RolloutState, ring: RingRun) -> Rates:
    """Return the policy's rate, or a stricter one of the conditions ``min_success_rate`` and ``rollback_below``."""
    conditions = conditions_on(state, ring)
    required = max(state.plan.rings[ring.order].gate.success_rate, conditions.min_success_rate or 0.0)
    return Rates(required=required, breach=max(required, conditions.rollback_below or 0.0))


def soak_seconds(state: RolloutState, ring: RingRun) -> float:
    """Return how long the ring soaks: the policy's time, or a longer one of an ``observe_hours`` condition."""
    conditions = conditions_on(state, ring)
    return max(state.plan.rings[ring.order].gate.soak, (conditions.observe_hours or 0.0) * HOUR)


def thresholds_of(state: RolloutState, ring: RingRun, run: PlaneRun) -> Thresholds:
    """Return the marks of one plane in one ring."""
    return _thresholds(rates(state, ring), (run,))


def _sizes(run: PlaneRun) -> tuple[tuple[SiteClass, int], ...]:
    return tuple((site.site_class, site.devices) for site in run.membership.sites)


def _thresholds(limits: Rates, runs: Iterable[PlaneRun]) -> Thresholds:
    sizes = tuple(size for run in runs for size in _sizes(run))
    return gates.thresholds(sizes, success_rate=limits.required, breach_rate=limits.breach)


def incidents_check(state: RolloutState, limit: int) -> Check:
    """Judge incidents attributed to the package (``domain.md`` §7)."""
    attributed = [one for one in state.incidents if one.attributed and one.severity is not IncidentSeverity.P4]
    still_open = [one for one in attributed if one.resolution is None]
    breach = any(one.severity is IncidentSeverity.P1 for one in still_open) or any(
        one.resolution is IncidentResolution.ROLLBACK for one in attributed
    )
    if breach:
        result, sentence = GateResult.BREACH, "an incident demands a rollback"
    elif len(still_open) > limit:
        names = ", ".join(one.incident_id for one in still_open)
        result, sentence = GateResult.WAIT, f"open incidents over the limit of {limit}: {names}"
    else:
        result, sentence = GateResult.PASS, f"{len(still_open)} open incident(s), {limit} allowed"
    return Check(
        name="incidents", threshold=f"<= {limit}", actual=str(len(still_open)), result=result, sentence=sentence
    )


APPROVAL_NOT_REQUIRED = Check(
    name="approval",
    threshold="not required",
    actual="not required",
    result=GateResult.PASS,
    sentence="not required",
)


def approval_check(state: RolloutState, ring: RingRun, now: datetime) -> Check:
    """Judge whether the next ring may be entered as far as approval is concerned."""
    following = approval_standing(state, ring.order + 1, now)
    if not following.required:
        return APPROVAL_NOT_REQUIRED
    return Check(
        name="approval",
        threshold="in force",
        actual="in force" if following.permits else "missing",
        result=GateResult.PASS if following.permits else GateResult.WAIT,
        sentence=following.sentence,
    )


def rehearsal_needed(state: RolloutState, ring: RingRun, plane: str, now: datetime) -> bool:
    """Tell whether the gate wants a rehearsal on this plane: yes, unless a gate_override exception names it."""
    return state.plan.rings[ring.order].gate.rehearsal and not exception_active(state, "gate_override", now, plane)


def rehearsal_check(state: RolloutState, ring: RingRun, now: datetime) -> Check:
    """Judge the rehearsal of the rollback (``domain.md`` §6)."""
    wanted = [run for run in ring.planes if rehearsal_needed(state, ring, run.plane, now)]
    done = [run for run in wanted if run.rehearsal is not None and run.rehearsal.succeeded]
    failed = [run for run in wanted if run.rehearsal is not None and not run.rehearsal.succeeded]
    if not wanted:
        sentence = "not required"
    elif failed:
        sentence = "; ".join(f"{run.plane}: {run.rehearsal.sentence}" for run in failed if run.rehearsal is not None)
    elif len(done) < len(wanted):
        missing = ", ".join(run.plane for run in wanted if run not in done)
        sentence = f"the rollback is not rehearsed yet on {missing}"
    else:
        sentence = "the rollback was rehearsed on " + ", ".join(
            f"{run.plane} ({run.rehearsal.device})" for run in done if run.rehearsal is not None
        )
    return Check(
        name="rollback_rehearsed",
        threshold="every plane" if wanted else "not required",
        actual=f"{len(done)} of {len(wanted)} planes",
        result=GateResult.PASS if len(done) == len(wanted) else GateResult.WAIT,
        sentence=sentence,
    )


def soaked(ring: RingRun, now: datetime) -> bool:
    """Tell whether the soak is over and every plane was seen after it (a soak of 0 s needs no second look)."""
    if ring.soak_until is None or ring.soak_since is None:
        return False
    if ring.soak_skipped or ring.soak_until <= ring.soak_since:
        return True
    soak_until = ring.soak_until
    return now >= soak_until and all(
        run.observed_at is not None and run.observed_at >= soak_until for run in ring.planes
    )


def soak_over(ring: RingRun, now: datetime) -> bool:
    """Tell whether the soak is over and no plane has yet to be seen after its rehearsal."""
    return soaked(ring, now) and all(seen_after_rehearsal(run) for run in ring.planes)


def seen_after_rehearsal(run: PlaneRun) -> bool:
    """Tell whether the plane was observed after its rehearsal put a device through uninstall and reinstall."""
    return run.rehearsal is None or (run.observed_at is not None and run.observed_at > run.rehearsal.at)


def deadlines(state: RolloutState, ring: RingRun, run: PlaneRun) -> tuple[datetime, ...]:
    """Return when the plane's site classes run out of time, in order."""
    if ring.started_at is None:
        return ()
    windows = state.plan.rings[ring.order].gate.compliance
    return tuple(
        sorted(
            ring.started_at + timedelta(seconds=windows.seconds(site.site_class))
            for site in run.membership.sites
            if site.devices
        )
    )


def watched(run: PlaneRun) -> bool:
    """Tell whether the plane can be observed: devices are assigned, and the plane has not refused to be read for
    good.
    """
    return run.assigned_revision > 0 and (run.failure is None or run.failure.operation != "observe")


def figures_of(state: RolloutState, ring: RingRun, run: PlaneRun, now: datetime) -> Figures | None:
    """Return what is known of the plane's devices at ``now``: as observed, or aged where nobody can look."""
    if watched(run) or ring.started_at is None:
        return run.figures
    windows, started_at = state.plan.rings[ring.order].gate.compliance, ring.started_at
    expired = [name for name in SiteClass if now >= started_at + timedelta(seconds=windows.seconds(name))]
    return gates.unwatched(run.figures, _sizes(run), expired)


def evaluate(state: RolloutState, ring: RingRun, now: datetime) -> Evaluation:
    """Evaluate a running ring's gate at ``now``: five checks, and the soak as the time to wait for."""
    gate = state.plan.rings[ring.order].gate
    limits = rates(state, ring)
    planes = [
        gates.judged(run.plane, _thresholds(limits, (run,)), figures_of(state, ring, run, now)) for run in ring.planes
    ]
    checks = (
        gates.success_check(planes, _thresholds(limits, ring.planes), success_rate=limits.required),
        gates.time_check(planes, gate),
        incidents_check(state, gate.incidents),
        approval_check(state, ring, now),
        rehearsal_check(state, ring, now),
    )
    combined = gates.worst(check.result for check in checks)
    if combined is GateResult.PASS and not soak_over(ring, now):
        combined = GateResult.WAIT
    return Evaluation(result=combined, checks=checks, until=_until(state, ring, checks, combined, now))


def _until(
    state: RolloutState, ring: RingRun, checks: tuple[Check, ...], combined: GateResult, now: datetime
) -> datetime | None:
    if combined is not GateResult.WAIT:
        return None
    times = [ring.soak_until] if ring.soak_until is not None and not ring.soak_skipped else []
    if GateResult.WAIT in (checks[0].result, checks[1].result):
        times = [limit for run in ring.planes for limit in deadlines(state, ring, run)]
    later = [time for time in times if time > now]
    return max(later) if later else None


def measured(evaluation: Evaluation) -> bool:
    """Tell whether everything but people has passed: what a review before the next ring waits for."""
    return all(check.result is GateResult.PASS for check in evaluation.checks if check.name != "approval")


def forward_allowed(state: RolloutState) -> bool:
    """Tell whether new forward effects may begin: no hold stands and no rollback is under way."""
    return not state.holds and state.rollback is None


def needs_publisher(state: RolloutState) -> bool:
    """Tell whether nobody with the publisher's role answers for this deployment yet (``domain.md`` §9)."""
    return Role.PUBLISHER not in state.plan.requester_roles and not state.adopted_by


def has_hold(state: RolloutState, kind: HoldKind, reference: str = "") -> bool:
    """Tell whether that hold stands."""
    return any(hold.kind is kind and hold.reference == reference for hold in state.holds)
