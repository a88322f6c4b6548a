"""The live page of a deployment in the Temporal Web UI: state, ring, gate figures, what it waits for and until when."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from eucora.domain.state import RingRun, RolloutState
    from eucora.domain.vocabulary import GateResult

MARKS = {GateResult.PASS: "pass", GateResult.WAIT: "wait", GateResult.BREACH: "**BREACH**"}


def page(state: RolloutState, running: tuple[str, ...], wake: datetime | None) -> str:
    """Render the state as markdown. Counts, names and reasons only: nothing here is secret."""
    application = state.plan.application
    lines = [
        f"### {application.name} {application.version}: {state.state}",
        f"{state.reason.sentence} _(since {_time(state.reason.since)})_",
        "",
    ]
    if state.risk is not None:
        lines.append(
            f"Risk **{state.risk.score}** of 100 ({state.risk.tier}), {state.risk.devices} devices, "
            f"class {state.plan.blast_radius_class}, quorum {state.plan.quorum}"
        )
    review = state.open_review
    if review is not None:
        ring = state.plan.rings[review.checkpoint].name
        lines.append(
            f"Waits for the CAB before **{ring}**: {len(review.votes)} of {review.quorum} approvals, "
            f"until {_time(review.due_at)}"
        )
    lines += [f"Held ({hold.kind}) by {hold.who} since {_time(hold.since)}: {hold.why}" for hold in state.holds]
    if state.rollback is not None and not state.final:
        lines.append(f"Rolling back since {_time(state.rollback.started_at)}: {state.rollback.why}")
    for run in state.rings:
        lines += ["", *_ring(run)]
    lines += ["", f"Under way: {', '.join(running) or 'nothing'}; wakes {_time(wake) if wake else 'on a message'}"]
    return "\n".join(lines)


def _ring(run: RingRun) -> list[str]:
    title = f"**{run.name}**"
    if run.promoted_at is not None:
        title += f" promoted {_time(run.promoted_at)}"
    elif run.soak_until is not None:
        title += f" soaks until {_time(run.soak_until)}"
    lines = [title, ""]
    for plane in run.planes:
        figures, targeted = plane.figures, plane.membership.devices
        counts = "nothing known yet" if figures is None else f"{figures.succeeded} succeeded, {figures.failed} failed"
        back = ", rolled back" if plane.rolled_back else f", {plane.rollback_failure}" if plane.rollback_failure else ""
        lines.append(f"- {plane.plane}: {targeted} targeted, {counts}{back}")
    if run.gate is not None and run.promoted_at is None:
        lines += ["", "Gate:", ""]
        lines += [
            f"- {MARKS[check.result]} {check.name}: {check.actual} (wanted {check.threshold})"
            for check in run.gate.checks
        ]
    return lines


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%SZ")
