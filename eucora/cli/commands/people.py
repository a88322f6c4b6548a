"""``login`` and ``people``: who the command line speaks for."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from eucora.cli.client import ApiClient
from eucora.cli.context import ApiOption, JsonOption, Output, state_folder, where_is_the_api
from eucora.cli.session import Session, TokenCache
from models.wire.auth import Person

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command()(login)
    app.command()(people)


def login(
    person: Annotated[str, typer.Argument(help="Who: one of `eucora people`.")],
    *,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign in at the development identity provider; later commands speak for this person."""
    output = Output(as_json)
    url = where_is_the_api(api)
    cache = TokenCache(state_folder() / "tokens.json")
    session = Session(api=url, cache=cache, person=person)
    session.sign_in(person)
    with ApiClient(url, token=session) as client:
        me = Person.model_validate(client.get("/auth/me"))
    cache.make_current(url, person)
    output.show(me.model_dump(mode="json"), lambda: f"signed in as {me.name} with the role {', '.join(me.roles)}")
    if os.environ.get("EUCORA_TOKEN"):
        output.say("EUCORA_TOKEN is set and wins over this sign-in; name the person with --as, or unset it.")


def people(*, api: ApiOption = None, as_json: JsonOption = False) -> None:
    """List the people of the development identity provider."""
    output = Output(as_json)
    with ApiClient(where_is_the_api(api)) as client:
        found = [Person.model_validate(item) for item in client.get("/auth/people")]

    def table() -> RenderableType:
        drawn = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("--as", "name", "roles"):
            drawn.add_column(column)
        for person in found:
            drawn.add_row(person.actor, person.name, ", ".join(person.roles))
        return drawn

    output.show([person.model_dump(mode="json") for person in found], table)
