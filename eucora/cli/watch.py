"""Following a deployment: a live screen on a terminal, a line per change anywhere else."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from rich.live import Live

from eucora.cli import render
from eucora.cli.client import ApiClient
from eucora.cli.context import Output
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import DeploymentState
from models.wire.cab import ReviewView
from models.wire.deployments import DeploymentView, Submission

__all__ = ["WAITS_FOR_WORKER", "find_deployment", "follow", "open_review", "summary_line"]

WAITS_FOR_WORKER = "kept; waits for a worker"
"""How a deployment stands that the API accepted and that no worker has taken yet."""


def find_deployment(client: ApiClient, deployment: str) -> DeploymentView | Submission:
    """The deployment as it stands now, or its submission while no worker has taken it (202)."""
    answer = client.get(f"/deployments/{deployment}")
    return Submission.model_validate(answer) if "outcome" in answer else DeploymentView.model_validate(answer)


def open_review(client: ApiClient, deployment: str) -> ReviewView | None:
    """The review of a deployment that is open for votes now."""
    for item in client.pages("/cab/pending"):
        if item["deployment_id"] == deployment:
            return ReviewView.model_validate(client.get(f"/cab/{item['id']}"))
    return None


def follow(client: ApiClient, deployment: str, *, output: Output, interval: float) -> DeploymentView:
    """Show the deployment until it is final and return its last view."""
    if output.as_json or not output.console.is_terminal:
        return _lines(client, deployment, output=output, interval=interval)
    with Live(console=output.console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            view, review = _look(client, deployment)
            if isinstance(view, Submission):
                live.update(render.submission_progress(view, WAITS_FOR_WORKER), refresh=True)
                time.sleep(interval)
                continue
            live.update(render.deployment_progress(view, now=datetime.now(UTC), review=review), refresh=True)
            if view.state in FINAL:
                return view
            time.sleep(interval)


def _lines(client: ApiClient, deployment: str, *, output: Output, interval: float) -> DeploymentView:
    before = ""
    while True:
        view, review = _look(client, deployment)
        if isinstance(view, Submission):
            if output.as_json and before != WAITS_FOR_WORKER:
                output.line(view.model_dump(mode="json"))
            elif before != WAITS_FOR_WORKER:
                output.say(f"{view.state.value}  {WAITS_FOR_WORKER}")
            before = WAITS_FOR_WORKER
            time.sleep(interval)
            continue
        line = summary_line(view, review)
        if output.as_json:
            value = view.model_dump(mode="json", exclude={"updated_at"})
            value["waits_for"] = render.waits_for(view, review, now=datetime.now(UTC)) or None
            line = view.model_dump_json(exclude={"updated_at"})
            if line != before:
                output.line(value)
        elif line != before:
            output.say(line)
        before = line
        if view.state in FINAL:
            return view
        time.sleep(interval)


def _look(client: ApiClient, deployment: str) -> tuple[DeploymentView | Submission, ReviewView | None]:
    view = find_deployment(client, deployment)
    waiting = view.state is DeploymentState.AWAITING_CAB
    return view, open_review(client, deployment) if waiting else None


def summary_line(view: DeploymentView, review: ReviewView | None = None) -> str:
    """One line: state, ring, figures of each plane, reason. Without times, so that it changes only with the rollout."""
    ring = render.running_ring(view)
    figures = ""
    if ring is not None:
        planes = (
            f"{plane.plane} rolled back"
            if plane.status == render.ROLLED_BACK
            else f"{plane.plane} {plane.succeeded} ok {plane.failed} failed {plane.unknown} unknown of {plane.targeted}"
            for plane in ring.planes
        )
        figures = f"{ring.name}: {'; '.join(planes)}"
    waiting = f"review before {review.ring} open, {len(review.votes)} of {review.quorum} votes" if review else ""
    parts = [view.state.value, figures, waiting or view.reason.sentence]
    return "  ".join(part for part in parts if part)
