"""What every command needs: where the API is, for whom it speaks, and how it answers."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import httpx
import typer
from rich.console import Console, RenderableType

from eucora.cli.client import ApiClient
from eucora.cli.errors import Stopped
from eucora.cli.session import Session, TokenCache

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ApiOption", "AsOption", "JsonOption", "Output", "connect", "hint", "state_folder", "where_is_the_api"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
AsOption = Annotated[
    str | None, typer.Option("--as", metavar="PERSON", help="Speak for this person (development identity provider).")
]
ApiOption = Annotated[
    str | None,
    typer.Option("--api", metavar="URL", help="The API. Default: EUCORA_API_URL, or the stack that runs here."),
]
PIPED_WIDTH = 180
PATIENCE = 20.0
"""Seconds for which a command goes on asking an API that says 503."""


def _console() -> Console:
    """Standard output; where it is no terminal and nothing says how wide, wide enough for every table."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=PIPED_WIDTH if plain else None)


@dataclass(slots=True)
class Output:
    """How a command answers: text for people on a terminal, or one JSON value on standard output."""

    as_json: bool
    console: Console = field(default_factory=_console)
    current: ClassVar[Output | None] = None

    def __post_init__(self) -> None:
        Output.current = self

    def show(self, value: Any, text: Callable[[], RenderableType], *, wrap: bool = True) -> None:
        """Print ``value`` as JSON, or what ``text`` makes of it.

        Plain text, and with ``wrap`` False anything, keeps its lines whole: people copy commands out of them.
        """
        if self.as_json:
            self.line(value)
        else:
            drawn = text()
            self.console.print(drawn, markup=False, soft_wrap=isinstance(drawn, str) or not wrap)

    def line(self, value: Any) -> None:
        """One JSON value on one line, at once."""
        print(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str), flush=True)

    def say(self, sentence: str) -> None:
        """A remark for people; nothing in JSON."""
        if not self.as_json:
            self.console.print(sentence, markup=False, soft_wrap=True)


def hint(command: str, *arguments: object, person: str | None = None, api: str | None = None) -> str:
    """A command that a person can copy: quoted for the shell, speaking for the same person to the same API."""
    words = ["eucora", *command.split(), *(shlex.quote(str(argument)) for argument in arguments)]
    words += ["--as", shlex.quote(person)] if person else []
    words += ["--api", shlex.quote(api)] if api else []
    return " ".join(words)


def state_folder() -> Path:
    """Where the local stack of this folder keeps its state."""
    return Path.cwd() / ".eucora"


def where_is_the_api(given: str | None) -> str:
    """The API's URL: as given, from EUCORA_API_URL, or of the stack that runs in this folder.

    Raises :class:`Stopped` (``api_url_invalid``) for what is no URL.
    """
    from eucora.settings import Settings
    from eucora.stack.state import StackInfo

    named = given or os.environ.get("EUCORA_API_URL")
    if named:
        _check_url(named, field="--api" if given else "EUCORA_API_URL")
        return named.rstrip("/")
    running = StackInfo.of_running(Path.cwd())
    if running is not None and "api" in running.urls:
        return running.urls["api"]
    return str(Settings.model_fields["api_url"].default)


def _check_url(given: str, *, field: str) -> None:
    try:
        url = httpx.URL(given)
        good = url.scheme in ("http", "https") and bool(url.host)
    except httpx.InvalidURL:
        good = False
    if not good:
        raise Stopped(
            f"{given!r} is no URL; one looks like http://127.0.0.1:8000.", code="api_url_invalid", field=field
        )


@contextmanager
def connect(api: str | None, person: str | None, *, patience: float = PATIENCE) -> Iterator[ApiClient]:
    """The API's client, speaking for ``person``."""
    url = where_is_the_api(api)
    session = Session(
        api=url, cache=TokenCache(state_folder() / "tokens.json"), person=person, token=os.environ.get("EUCORA_TOKEN")
    )
    with ApiClient(url, token=session, patience=patience) as client:
        yield client
