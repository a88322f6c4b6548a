"""``submit``, ``list``, ``show``, ``watch``: deployments, from a manifest to their end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from eucora.cli import render
from eucora.cli.client import ApiClient
from eucora.cli.context import ApiOption, AsOption, JsonOption, Output, connect, hint
from eucora.cli.errors import ApiRefused, ApiUnreachable, Stopped
from eucora.cli.manifest import load_manifest, published_schema
from eucora.cli.submission import create_pack, idempotency_key
from eucora.cli.submission import submit as submit_deployment
from eucora.cli.watch import WAITS_FOR_WORKER, find_deployment, follow
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import DeploymentState
from models.wire.auth import Person
from models.wire.deployments import DeploymentSummary, EventView, Submission

__all__ = ["register"]

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the deployment.")]


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command()(submit)
    app.command("list")(list_deployments)
    app.command()(show)
    app.command()(watch)


def submit(
    manifest: Annotated[Path | None, typer.Argument(help="The manifest; --schema prints its JSON Schema.")] = None,
    *,
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="DIGEST", help="An evidence pack that somebody else made.")
    ] = None,
    idempotency: Annotated[
        str | None, typer.Option("--idempotency-key", help="Default: derived from manifest, pack and person.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the manifest's JSON Schema and end.")] = False,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a deployment. Without --evidence the pack is made first, and you are its author.

    The author of the evidence and the submitter must be different people: `eucora evidence create` as one of them,
    `eucora submit --evidence` as the other.
    """
    output = Output(as_json)
    if schema:
        print(published_schema(), end="")
        return
    if manifest is None:
        raise Stopped("Name the manifest to submit.", code="manifest_missing")
    loaded = load_manifest(manifest)
    with connect(api, person) as client:
        me = Person.model_validate(client.get("/auth/me")).actor
        digest = evidence or create_pack(client, loaded, say=output.say).pack_digest
        key = idempotency or idempotency_key(loaded, pack_digest=digest, person=me)
        answer = submit_deployment(client, loaded, pack_digest=digest, key=key)
        answer = answer.model_copy(update={"state": _state_now(client, answer)})
    output.show(answer.model_dump(mode="json"), lambda: _what_next(answer, loaded.path, digest, person=person, api=api))


def _state_now(client: ApiClient, answer: Submission) -> DeploymentState:
    """The state now: a repeated submission is answered as it was answered first, perhaps long ago."""
    try:
        return find_deployment(client, answer.deployment_id).state
    except (ApiRefused, ApiUnreachable):  # the submission is made all the same
        return answer.state


def _what_next(answer: Submission, manifest: Path, pack: str, *, person: str | None, api: str | None) -> str:
    """What the submission came to and which commands follow."""
    watching = hint("watch", answer.deployment_id, person=person, api=api)
    if answer.outcome == "pending" and answer.state is DeploymentState.PENDING:
        return (
            f"{answer.deployment_id} is kept; it is assessed as soon as a worker runs (see `eucora doctor`)\n"
            f"next: {watching}"
        )
    risk = "" if answer.risk_score is None else f": risk score {answer.risk_score}, tier {answer.tier}"
    lines = [f"{answer.deployment_id} is {answer.state.value}{risk}"]
    if answer.state in FINAL:
        anew = hint("submit", manifest, "--evidence", pack, "--idempotency-key", uuid4(), person=person, api=api)
        lines.append("the same manifest, evidence and person submitted it before: nothing new was begun")
        lines.append(f"what became of it: {hint('show', answer.deployment_id, person=person, api=api)}")
        lines.append(f"to submit it anew: {anew}")
        return "\n".join(lines)
    if answer.outcome == "pending":
        return "\n".join([*lines, f"next: {watching}"])
    if answer.checkpoints:
        people = f"{answer.quorum} vote{'s' if answer.quorum != 1 else ''} of the change advisory board"
        lines.append(f"needs {people} before each of: {', '.join(answer.checkpoints)}")
        lines.append(f"next: {watching}")
        lines.append(f"and as a member of the board (see `eucora people`): {hint('reviews --as PERSON', api=api)}")
    else:
        lines += ["needs no votes: approved by the system", f"next: {watching}"]
    return "\n".join(lines)


def list_deployments(
    *,
    state: Annotated[DeploymentState | None, typer.Option("--state", help="Only those in this state.")] = None,
    application: Annotated[str | None, typer.Option("--application", help="Only those of this application id.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """List deployments, newest first."""
    output = Output(as_json)
    wanted = {"state": state.value if state else None, "application": application}
    with connect(api, person) as client:
        items = [DeploymentSummary.model_validate(item) for item in client.pages("/deployments", wanted, limit=limit)]
    output.show([item.model_dump(mode="json") for item in items], lambda: render.deployments_table(items))


def show(
    deployment: IdArgument,
    *,
    events: Annotated[bool, typer.Option("--events", help="Its facts instead, in order.")] = False,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a deployment, or its facts."""
    output = Output(as_json)
    with connect(api, person) as client:
        if events:
            facts = [EventView.model_validate(item) for item in client.pages(f"/deployments/{deployment}/events")]
            output.show([fact.model_dump(mode="json") for fact in facts], lambda: render.events_table(facts))
            return
        view = find_deployment(client, deployment)
    if isinstance(view, Submission):
        watching = hint("watch", deployment, person=person, api=api)
        text = f"{deployment} is {view.state.value}: {WAITS_FOR_WORKER} (see `eucora doctor`)\nnext: {watching}"
        output.show(view.model_dump(mode="json"), lambda: text)
        return
    now = datetime.now(UTC)
    output.show(view.model_dump(mode="json"), lambda: render.deployment_detail(view, now=now))


def watch(
    deployment: IdArgument,
    *,
    interval: Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between two looks.")] = 1.0,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a deployment to its end: bars per ring and plane, the gate's figures, what it waits for and until when.

    Ends with status 0 when the deployment is COMPLETED and 1 for every other end. With --json: one line per change.
    """
    output = Output(as_json)
    with connect(api, person, patience=60.0) as client:
        view = follow(client, deployment, output=output, interval=interval)
    if view.state is not DeploymentState.COMPLETED:
        raise typer.Exit(1)
