"""Migrations whose text is SQL: partitions, triggers and grants read best as what they are."""

from __future__ import annotations

from importlib import resources

from alembic import op


def run_scripts(*names: str) -> None:
    """Run SQL files of ``versions/`` in the migration's transaction, as they stand."""
    folder = resources.files("eucora.store.migrations").joinpath("versions")
    # The driver itself: several statements in one go, and no placeholders to escape.
    driver = op.get_bind().connection.driver_connection
    if driver is None:
        raise RuntimeError("migrations need a connection")
    for name in names:
        driver.execute(folder.joinpath(name).read_text(encoding="utf-8"))
