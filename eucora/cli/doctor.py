"""What is missing on this machine, or wrong with the stack, and how to mend it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from eucora.cli.client import ApiClient
from eucora.cli.context import state_folder
from eucora.cli.database import owner_url
from eucora.cli.errors import ApiRefused, CliError
from eucora.cli.session import Session, TokenCache
from eucora.domain.errors import EucoraError
from eucora.stack import NotInstalled, StackInfo, locate_postgres, locate_temporal
from models.wire.health import Health, HealthState

__all__ = ["Finding", "examine", "report"]

DEVELOPMENT_PERSON: Final = "auditor-ava"
"""Who looks at the development stack's health when nobody is signed in: may read everything and change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do when it is not good."""

    name: str
    good: bool
    sentence: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs; what to do only where something is to be done."""
        return {**asdict(self), "mend": "" if self.good else self.mend}


def examine(api: str, person: str | None) -> list[Finding]:
    """Look at everything, in the order in which it is needed."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _programs, _stack, _database)
    findings = [finding for check in checks for finding in check()]
    return [*findings, *_api(api, person)]


def report(findings: list[Finding]) -> RenderableType:
    """A line for each finding, and what to do about the bad ones."""
    lines: list[RenderableType] = []
    for finding in findings:
        mark = ("ok   ", "green") if finding.good else ("wrong", "bold red")
        lines.append(Text.assemble(mark, f"  {finding.name}: {finding.sentence}"))
        if not finding.good and finding.mend:
            lines.append(Text(f"       {finding.mend}", style="yellow"))
    wrong = sum(not finding.good for finding in findings)
    lines.append(Text(f"{wrong} of {len(findings)} need mending" if wrong else "all is well", style="bold"))
    return Group(*lines)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding(name="python", good=good, sentence=version, mend="eucora needs Python 3.11 or newer")


def _programs() -> Iterator[Finding]:
    if os.environ.get("TEMPORAL_ADDRESS"):
        yield Finding(name="temporal", good=True, sentence=f"server at {os.environ['TEMPORAL_ADDRESS']}")
    else:
        yield _located("temporal", locate_temporal)
    if os.environ.get("DATABASE_URL"):
        yield Finding(name="postgres", good=True, sentence="the server that DATABASE_URL names")
    else:
        yield _located("postgres", locate_postgres)
    for name, module in (("ansible", "ansible"), ("ansible-runner", "ansible_runner")):
        found = importlib.util.find_spec(module) is not None
        yield Finding(
            name=name,
            good=found,
            sentence="installed" if found else "not installed: the plane `ansible` cannot work",
            mend="install the ansible extra: `make setup`, or pip install 'eucora[ansible]'",
        )
    scanner = shutil.which("trivy") or shutil.which("grype")
    yield Finding(name="scanner", good=True, sentence=scanner or "none (trivy, grype): examples bring sample reports")


def _located(name: str, locate: Callable[[], Path]) -> Finding:
    try:
        return Finding(name=name, good=True, sentence=str(locate()))
    except NotInstalled as error:
        return Finding(name=name, good=False, sentence="not found", mend=str(error))


def _stack() -> Iterator[Finding]:
    running = StackInfo.of_running(Path.cwd())
    if running is not None:
        yield Finding(name="stack", good=True, sentence=f"process {running.pid} runs {', '.join(running.pids)}")
        return
    elsewhere = bool(os.environ.get("EUCORA_API_URL"))
    yield Finding(
        name="stack",
        good=elsewhere,
        sentence="not run here; EUCORA_API_URL names another" if elsewhere else "does not run in this folder",
        mend="start it with `eucora up`, or name a running API in EUCORA_API_URL",
    )


def _database() -> Iterator[Finding]:
    from eucora.store import migrate

    try:
        url = owner_url()
    except CliError as error:
        yield Finding(name="database", good=bool(os.environ.get("EUCORA_API_URL")), sentence=error.sentence)
        return
    try:
        current, head = migrate.current(url), migrate.head()
    except EucoraError as error:
        yield Finding(name="database", good=False, sentence=error.sentence, mend="start it, or mend its URL")
        return
    yield Finding(
        name="database",
        good=current == head,
        sentence=f"reachable, schema at {current or 'no revision'}"
        + ("" if current == head else f", newest is {head}"),
        mend="run `eucora db upgrade`",
    )


def _api(url: str, person: str | None) -> Iterator[Finding]:
    cache = TokenCache(state_folder() / "tokens.json")
    token = os.environ.get("EUCORA_TOKEN")
    speaker = person or (None if token else cache.current(url) or DEVELOPMENT_PERSON)
    session = Session(api=url, cache=cache, person=speaker, token=token)
    try:
        with ApiClient(url, token=session) as client:
            health = Health.model_validate(client.get("/health"))
    except ApiRefused as error:
        yield Finding(
            name="api", good=False, sentence=f"{url}: {error.text}", mend="sign in with `eucora login PERSON`"
        )
        return
    except CliError as error:
        yield Finding(name="api", good=False, sentence=error.sentence, mend="start it with `eucora up`")
        return
    yield Finding(name="api", good=True, sentence=f"{url}, version {health.version}")
    for part in health.parts:
        good = part.state is HealthState.OK
        mend = f"look at the log of {part.name}" if not good else ""
        yield Finding(name=part.name, good=good, sentence=part.sentence, mend=mend)
    for stuck in health.stuck_workflows:
        yield Finding(
            name=f"deployment {stuck.deployment_id}",
            good=False,
            sentence=f"its workflow {stuck.workflow_id} is stuck: {'; '.join(stuck.problems)}",
            mend="it needs a worker with corrected code; it goes on by itself then",
        )
