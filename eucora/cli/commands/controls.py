"""The controls of a running deployment: each is answered at once, with yes or with the rule that says no."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import typer

from eucora.cli.context import ApiOption, AsOption, JsonOption, Output, connect
from models.wire.deployments import ControlAnswer

__all__ = ["register"]

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the deployment.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, for the record.")]

# command: (path of the API, first line of the help)
CONTROLS = {
    "hold": ("hold", "Stop new forward effects until released; observation and rollbacks go on."),
    "release": ("release", "End an operator's hold."),
    "promote": ("promote", "Enter the next ring now: ends the soak early, never passes a failed gate."),
    "skip-soak": ("skip-soak", "End the running soak; the gate still decides."),
    "roll-back": ("roll-back", "Take the release back from every ring and plane it touched, newest first."),
    "cancel": ("cancel", "Withdraw a deployment that has done nothing yet."),
}


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    for name, (path, sentence) in CONTROLS.items():
        app.command(name, help=sentence)(_control(path))
    app.command()(publish)
    app.command()(retry)


def _control(path: str) -> Any:
    """The command that posts to ``deployments/ID/path`` with who and why."""

    def control(
        deployment: IdArgument,
        *,
        why: WhyOption,
        person: AsOption = None,
        api: ApiOption = None,
        as_json: JsonOption = False,
    ) -> None:
        _post(deployment, path, {"why": why}, person=person, api=api, output=Output(as_json))

    return control


def publish(
    deployment: IdArgument,
    *,
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.")] = "",
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Adopt a deployment as its publisher, so that it may go beyond LAB."""
    _post(deployment, "publish", {"why": why}, person=person, api=api, output=Output(as_json))


def retry(
    deployment: IdArgument,
    *,
    why: WhyOption,
    plane: Annotated[list[str] | None, typer.Option("--plane", help="Only this plane; may be repeated.")] = None,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give failed devices and refused effects of the ring another attempt."""
    body = {"why": why, "planes": plane or []}
    _post(deployment, "retry", body, person=person, api=api, output=Output(as_json))


def _post(
    deployment: str, path: str, body: dict[str, Any], *, person: str | None, api: str | None, output: Output
) -> None:
    with connect(api, person) as client:
        _, answer = client.post(f"/deployments/{deployment}/{path}", body, key=str(uuid4()))
    done = ControlAnswer.model_validate(answer)
    output.show(done.model_dump(mode="json"), lambda: f"done: {', '.join(done.facts)} (fact {done.sequence})")
