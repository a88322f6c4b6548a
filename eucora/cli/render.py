"""What people see: tables, bars of devices, gates. Pure: from answers of the API to things that Rich draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eucora.cli.listing import Listing
from models.wire.cab import ReviewSummary, ReviewView
from models.wire.deployments import (
    DeploymentSummary,
    DeploymentView,
    EventView,
    GateView,
    PlaneView,
    RingView,
    Submission,
)

__all__ = [
    "BAR_WIDTH",
    "bar",
    "deployment_detail",
    "deployment_progress",
    "deployments_table",
    "events_table",
    "gate_table",
    "moment",
    "reviews_table",
    "submission_progress",
    "waits_for",
]

BAR_WIDTH: Final = 24
ROLLED_BACK: Final = "rolled_back"
"""A plane's status after its rollback was verified."""
STYLES: Final = {
    "COMPLETED": "bold green",
    "DEPLOYING": "cyan",
    "APPROVED": "cyan",
    "AWAITING_CAB": "yellow",
    "PENDING": "dim",
    "REJECTED": "bold red",
    "ROLLED_BACK": "bold magenta",
    "FAILED": "bold red",
    "CANCELLED": "dim",
    "PASS": "green",
    "WAIT": "yellow",
    "BREACH": "bold red",
}


def styled(word: str) -> Text:
    """A state or result in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def moment(at: datetime | None, *, now: datetime | None = None) -> str:
    """A time for people: the clock in UTC, and how far away it is when ``now`` is given."""
    if at is None:
        return "-"
    at = at.astimezone(UTC)
    if now is None:
        return at.strftime("%Y-%m-%d %H:%M:%S")
    seconds = (at - now).total_seconds()
    clock = at.strftime("%H:%M:%S") if abs(seconds) < 12 * 3600 else at.strftime("%Y-%m-%d %H:%M")
    return f"{clock} ({'in ' if seconds >= 0 else ''}{_span(abs(seconds))}{'' if seconds >= 0 else ' ago'})"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def bar(plane: PlaneView, *, width: int = BAR_WIDTH) -> Text:
    """Success, failure, work in progress and silence of the targeted devices; a rare failure still gets a cell.

    Where the release was taken back there is nothing of it to count: a line.
    """
    counts = (plane.succeeded, plane.failed, plane.in_progress)
    shares = [("█", "green"), ("█", "red"), ("▒", "yellow")]
    if plane.status == ROLLED_BACK:
        return Text("─" * width, style="magenta")
    text = Text()
    left = width
    for count, (cell, style) in zip(counts, shares, strict=True):
        cells = 0 if not plane.targeted else min(left, max(1 if count else 0, width * count // plane.targeted))
        text.append(cell * cells, style=style)
        left -= cells
    text.append("░" * left, style="dim")
    return text


def plane_figures(plane: PlaneView) -> Text:
    """The same in numbers; of a release that was taken back they are history."""
    if plane.status == ROLLED_BACK:
        was = f"was {plane.succeeded} ok  {plane.failed} failed  of {plane.targeted}"
        return Text.assemble(("rolled back", STYLES["ROLLED_BACK"]), "  ", (was, "dim"))
    text = Text(f"{plane.succeeded:>5} ok  ")
    text.append(f"{plane.failed} failed", style="red" if plane.failed else "dim")
    text.append(f"  {plane.in_progress} at work  {plane.unknown} unknown  of {plane.targeted}")
    return text


def deployments_table(items: Sequence[DeploymentSummary]) -> RenderableType:
    """One line for each deployment."""
    if not items:
        return Text("no deployments", style="dim")
    rows = [
        {
            "deployment": Text(item.id),
            "application": Text(f"{item.application.name} {item.application.version}"),
            "state": styled(item.state.value),
            "ring": Text(f"{item.ring or '-'} of {item.target_ring}"),
            "score": Text("-" if item.risk_score is None else str(item.risk_score)),
            "planes": Text(", ".join(item.planes)),
            "reason": Text(item.reason.sentence),
            "updated (UTC)": Text(moment(item.updated_at)),
        }
        for item in items
    ]
    leave = ("planes", "score", "updated (UTC)", "ring", "reason", "application")
    return Listing(rows=rows, leave=leave, prose="reason")


def deployment_detail(view: DeploymentView, *, now: datetime) -> RenderableType:
    """Everything about one deployment."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    risk = "not assessed yet"
    if view.risk is not None:
        risk = f"{view.risk.score} of 100 ({view.risk.tier}; model {view.risk.model} {view.risk.model_version})"
    rows = [
        ("deployment", view.id),
        ("application", f"{view.application.name} {view.application.version} by {view.application.vendor}"),
        ("risk score", risk),
        ("blast radius", f"{view.blast_radius_class}, quorum {view.quorum}"),
        ("submitted by", f"{view.requester}, on evidence by {view.author}"),
        ("adopted by", view.adopted_by or "nobody"),
        ("evidence pack", view.evidence_pack),
        ("artifact", view.artifact_sha256),
        ("correlation id", view.correlation_id),
    ]
    for name, value in rows:
        facts.add_row(Text(name, style="dim"), value)
    return Group(facts, Text(), deployment_progress(view, now=now, gates=True))


def deployment_progress(
    view: DeploymentView, *, now: datetime, review: ReviewView | None = None, gates: bool = True
) -> RenderableType:
    """The live picture: state and reason, holds, every ring with its planes, the running ring's gate."""
    head = Text.assemble(
        (f"{view.application.name} {view.application.version}", "bold"), "  ", styled(view.state.value), "  ", view.id
    )
    parts: list[RenderableType] = [head]
    parts.append(Text(f"{view.reason.sentence} [{view.reason.code}], since {moment(view.reason.since, now=now)}"))
    waiting = waits_for(view, review, now=now)
    if waiting:
        parts.append(Text(waiting, style="yellow"))
    parts += [Text(f"held: {hold.kind} by {hold.who}: {hold.why}", style="yellow") for hold in view.holds]
    parts.append(rings_table(view.rings))
    current = running_ring(view)
    if gates and current is not None and current.gate is not None:
        parts.append(gate_table(current.name, current.gate))
    return Group(*parts)


def submission_progress(submission: Submission, standing: str) -> RenderableType:
    """A deployment that nobody has decided yet."""
    return Text.assemble(styled(submission.state.value), "  ", submission.deployment_id, "  ", (standing, "yellow"))


def running_ring(view: DeploymentView) -> RingView | None:
    """The ring that was started last."""
    started = [ring for ring in view.rings if ring.started_at is not None]
    return started[-1] if started else None


def waits_for(view: DeploymentView, review: ReviewView | None, *, now: datetime) -> str:
    """What the deployment waits for and until when; empty when it waits for nothing in particular."""
    if review is not None and review.status == "open":
        given = sum(vote.outcome == "accepted" for vote in review.votes)
        return (
            f"waits for the change advisory board before {review.ring}: {given} of {review.quorum} votes, "
            f"due {moment(review.due_at, now=now)}"
        )
    ring = running_ring(view)
    if ring is None or ring.promoted_at is not None or view.rolling_back:
        return ""
    if ring.soak_until is not None and ring.soak_until > now:
        return f"{ring.name} soaks until {moment(ring.soak_until, now=now)}"
    if ring.gate is not None and ring.gate.until is not None and ring.gate.result == "WAIT":
        return f"the gate out of {ring.name} waits until {moment(ring.gate.until, now=now)} at the latest"
    return ""


def rings_table(rings: Sequence[RingView]) -> RenderableType:
    """A line for each plane of each ring."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for ring in rings:
        if not ring.planes:
            table.add_row(Text(ring.name, style="dim"), "", Text(ring.status, style="dim"), "")
        for index, plane in enumerate(ring.planes):
            name = Text(ring.name if index == 0 else "", style="bold")
            trouble = plane.rollback_failure or plane.failure
            status = Text(plane.status.replace("_", " "), style="red" if trouble else "")
            if plane.rehearsed is not None:
                status.append(" · rollback rehearsed" if plane.rehearsed else " · rehearsal failed", style="dim")
            if trouble:
                status.append(f" · {trouble}", style="red")
            table.add_row(name, plane.plane, Group(bar(plane)), plane_figures(plane), status)
    return table


def gate_table(ring: str, gate: GateView) -> RenderableType:
    """The five checks of a gate."""
    table = Table(box=None, pad_edge=False, title=f"gate out of {ring}", title_justify="left", header_style="dim")
    for column in ("check", "result", "threshold", "actual", ""):
        table.add_column(column)
    for check in gate.checks:
        name = check.name.replace("_", " ")
        table.add_row(name, styled(check.result), check.threshold, check.actual, Text(check.sentence, style="dim"))
    return table


def reviews_table(reviews: Sequence[ReviewSummary], *, now: datetime) -> RenderableType:
    """Open reviews."""
    if not reviews:
        return Text("no open reviews", style="dim")
    rows = [
        {
            "review": Text(review.id),
            "application": Text(f"{review.application} {review.version}"),
            "before": Text(review.ring),
            "score": Text(f"{review.risk_score} ({review.tier})"),
            "class": Text(review.blast_radius_class),
            "quorum": Text(str(review.quorum)),
            "requested by": Text(review.requester),
            "due": Text(moment(review.due_at, now=now)),
        }
        for review in reviews
    ]
    return Listing(rows=rows, leave=("class", "quorum", "requested by", "score", "application", "due"))


def events_table(events: Sequence[EventView]) -> RenderableType:
    """Facts in order."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("#", "at (UTC)", "fact", "by", "ring", "plane", "hash"):
        table.add_column(column)
    for event in events:
        table.add_row(
            str(event.sequence),
            moment(event.at),
            event.type,
            f"{event.actor} ({event.role})",
            event.ring or "",
            event.plane or "",
            event.hash[:12],
        )
    return table
