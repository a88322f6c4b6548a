"""The command line ``eucora``: durable, auditable rollouts from a terminal.

Everything goes through the API, except for what starts or mends a machine (``up demo db worker doctor``) and
``audit verify FILE``, which needs no server at all.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from eucora import __version__
from eucora.cli.commands import audit, controls, deployments, evidence, machine, people, reviews
from eucora.cli.context import Output
from eucora.cli.errors import CliError
from eucora.cli.manifest import ManifestInvalid

__all__ = ["app", "main"]

app = typer.Typer(
    name="eucora",
    help="Durable, auditable rollouts of end-user applications through five rings.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for group in (machine, people, evidence, deployments, reviews, controls, audit):
    group.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"eucora {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Durable, auditable rollouts of end-user applications through five rings."""


def main() -> None:
    """Run the command that the arguments name; what goes wrong is said in a sentence, with its code and field."""
    try:
        app()
    except (CliError, ManifestInvalid) as error:
        failure = error if isinstance(error, CliError) else CliError(str(error), code="manifest_invalid")
        output = Output.current
        if output is not None and output.as_json:
            value = failure.as_json()
            if isinstance(error, ManifestInvalid):
                value["error"]["problems"] = [
                    {"field": problem.field, "line": problem.line, "reason": problem.reason}
                    for problem in error.problems
                ]
            output.line(value)
        else:
            text = "\n".join(error.lines) if isinstance(error, ManifestInvalid) else failure.text
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]error:[/red] {escape(text)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
