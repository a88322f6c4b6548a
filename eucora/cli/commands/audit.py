"""``audit``: export the record, and verify it without trusting the server that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eucora.cli.context import ApiOption, AsOption, JsonOption, Output, connect, hint
from eucora.cli.errors import Stopped

__all__ = ["register"]

group = typer.Typer(help="The audit trail: verify, export.", no_args_is_help=True)
DeploymentOption = Annotated[
    str | None, typer.Option("--deployment", metavar="ID", help="Only the trail of this deployment.")
]


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.add_typer(group, name="audit")


@group.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export file; needs no server.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Export the whole record and verify it here.")] = False,
    deployment: DeploymentOption = None,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash every event again, fold and decide every deployment again, derive every assessment again.

    Ends with status 1 and names the first event that does not hold.
    """
    from eucora.cli import audit

    output = Output(as_json)
    if sum((file is not None, everything, deployment is not None)) != 1:
        raise Stopped("Name an export file, or give --all or --deployment.", code="nothing_to_verify")
    if file is not None:
        report = audit.verify_path(file)
    else:
        with connect(api, person) as client:
            report = audit.verify_all(client, deployment=deployment)
    output.show(audit.as_json(report), lambda: audit.summary(report))
    if not report.ok:
        raise typer.Exit(1)


@group.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write: JSON Lines, verifiable with no server.")],
    *,
    deployment: DeploymentOption = None,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the record to a file that `eucora audit verify FILE` checks anywhere."""
    from eucora.cli import audit

    output = Output(as_json)
    with connect(api, person) as client:
        audit.download(client, out, deployment=deployment)
    value = {"file": str(out), "size": out.stat().st_size}
    output.show(value, lambda: f"wrote {out}, {value['size']} bytes; verify it with: {hint('audit verify', out)}")
