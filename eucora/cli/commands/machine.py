"""``up``, ``demo``, ``worker``, ``db``, ``doctor``: what starts, runs and mends one machine."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from eucora.cli.context import ApiOption, AsOption, JsonOption, Output, where_is_the_api
from eucora.cli.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from eucora.stack import Stack

__all__ = ["register"]

db = typer.Typer(help="The database's schema.", no_args_is_help=True)
LOOK_SECONDS = 0.5
RESTART_WINDOW = 60.0
MOST_RESTARTS = 5
"""A worker that ends more often than this within the window, in seconds, will not do better the next time."""
FORWARD = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command()(up)
    app.command()(demo)
    app.command()(doctor)
    app.command(context_settings=FORWARD)(worker)
    app.add_typer(db, name="db")


def up(*, as_json: JsonOption = False) -> None:
    """Start the local stack in this folder and keep it until Ctrl-C: Postgres, Temporal, fleet, API, worker."""
    from eucora.cli.local import ANSIBLE_PLANE, ansible_state, local_environment
    from eucora.connectors.ansible.ledger import end_jobs
    from eucora.stack import FleetPlan, Folder, Stack, StackError

    output = Output(as_json)
    root = Path.cwd()
    fleet = FleetPlan()
    try:
        with Stack(root, fleet=fleet, environment=local_environment(Folder(root), fleet)) as stack:
            info = stack.start(lambda sentence: output.say(f"  {sentence}"))
            output.show(
                {"urls": dict(info.urls), "pids": dict(info.pids), "logs": str(stack.folder.logs)},
                lambda: (
                    f"\nready. API {info.urls['api']}, Temporal Web UI {info.urls.get('temporal-ui', '-')}\n"
                    "anybody on this machine can sign in as anybody: this is a development stack\n"
                    "next: eucora people; eucora login publisher-petra; Ctrl-C ends the stack"
                ),
            )
            try:
                ended = keep_up(stack, output.say)
            finally:
                end_jobs(ansible_state(stack.folder) / ANSIBLE_PLANE)
            what = ", ".join(f"{name} ({stack.ending(name)})" for name in ended)
            logs = ", ".join(str(stack.folder.log(name)) for name in ended)
            raise Stopped(f"{what} ended by itself; its log says why: {logs}", code="service_ended")
    except StackError as error:
        raise Stopped(str(error), code="stack_failed") from None
    except KeyboardInterrupt:
        output.say("stopped")


def keep_up(stack: Stack, say: Callable[[str], None]) -> tuple[str, ...]:
    """Watch over the stack until a service ends that cannot just be started again; returns which ended.

    A worker can be: what it had under way is kept by Temporal. One that ends over and over is left down.
    """
    restarts: list[float] = []
    while True:
        ended = stack.ended()
        now = time.monotonic()
        restarts = [at for at in restarts if now - at < RESTART_WINDOW]
        if ended and (ended != ("worker",) or len(restarts) >= MOST_RESTARTS):
            return ended
        if ended:
            say(f"the worker was not asked to end ({stack.ending('worker')}): starting it again")
            restarts.append(now)
            stack.restart("worker")
            log = stack.folder.log("worker")
            say(f"the worker runs again as process {stack.info.pids['worker']}; its log goes on in {log}")
        else:
            time.sleep(LOOK_SECONDS)


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the stack afterwards, until Ctrl-C, to look around.")
    ] = False,
    examples: Annotated[Path, typer.Option("--examples", help="Folder of the examples.")] = Path("examples"),
    as_json: JsonOption = False,
) -> None:
    """Take four real deployments to their end on the local stack, and prove what they did."""
    from eucora.demo.run import run_demo

    output = Output(as_json)
    raise typer.Exit(run_demo(root=Path.cwd(), examples=examples, output=output, keep=keep))


def worker(context: typer.Context) -> NoReturn:
    """Run a worker: `eucora worker --queues all`. Every option is the worker's own; see `eucora worker --help`."""
    os.execv(sys.executable, [sys.executable, "-m", "worker", *context.args])  # noqa: S606 - becomes the worker


def doctor(*, person: AsOption = None, api: ApiOption = None, as_json: JsonOption = False) -> None:
    """Say what is missing on this machine or wrong with the stack, and how to mend it. Status 1 if anything is."""
    from eucora.cli.doctor import examine, report

    output = Output(as_json)
    findings = examine(where_is_the_api(api), person)
    output.show([finding.as_json() for finding in findings], lambda: report(findings), wrap=False)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@db.command()
def upgrade(*, as_json: JsonOption = False) -> None:
    """Apply the migrations as the role that owns the tables (EUCORA_DATABASE_OWNER_URL, or the local stack's)."""
    from eucora.cli.database import owner_url
    from eucora.domain.errors import EucoraError
    from eucora.store import migrate

    output = Output(as_json)
    try:
        revision = migrate.upgrade(owner_url())
    except EucoraError as error:
        raise Stopped(error.sentence, code=error.code) from None
    output.show({"revision": revision}, lambda: f"the database is at {revision}")


@db.command()
def status(*, as_json: JsonOption = False) -> None:
    """Say at which revision the database stands. Status 1 when it is not the newest."""
    from eucora.cli.database import owner_url
    from eucora.domain.errors import EucoraError
    from eucora.store import migrate

    output = Output(as_json)
    try:
        current, head = migrate.current(owner_url()), migrate.head()
    except EucoraError as error:
        raise Stopped(error.sentence, code=error.code) from None
    text = f"the database is at {current or 'no revision'}" + ("" if current == head else f"; the newest is {head}")
    output.show({"current": current, "head": head}, lambda: text)
    if current != head:
        raise typer.Exit(1)
