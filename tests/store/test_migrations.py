"""The schema that migrations make is the schema that the tables describe."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlmodel import SQLModel

import models.tables  # noqa: F401 - registers the tables in the metadata
from eucora.store import migrate
from eucora.store.engine import driver_url


def test_migrations_make_exactly_the_tables_of_the_models(owner_database_url: str) -> None:
    engine = create_engine(driver_url(owner_database_url))
    with engine.connect() as connection:
        options = {"compare_type": True, "include_name": _ours}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, SQLModel.metadata)
    engine.dispose()
    assert differences == [], "write a new migration, never edit one that was released"


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith("event_2"))


def test_upgrading_twice_changes_nothing(owner_database_url: str) -> None:
    assert migrate.upgrade(owner_database_url) == migrate.head()
    assert migrate.current(owner_database_url) == migrate.head()
