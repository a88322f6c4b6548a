"""Where the database is, for the commands that mend it: named in the environment, or the local stack's own."""

from __future__ import annotations

from pathlib import Path

from eucora.cli.errors import Stopped
from eucora.settings import MissingSetting, Settings
from eucora.stack import Folder, Postgres, StackInfo
from eucora.stack.postgres import OWNER

__all__ = ["owner_url"]


def owner_url() -> str:
    """The URL of the role that owns the tables.

    EUCORA_DATABASE_OWNER_URL, then DATABASE_URL (whose role may own them), then the local stack's. Raises
    :class:`Stopped` when there is none.
    """
    try:
        settings = Settings.for_environment()
    except MissingSetting as error:
        raise Stopped(str(error), code="setting_missing") from None
    named = settings.database_owner_url or settings.database_url
    if named is not None:
        return named.get_secret_value()
    running = StackInfo.of_running(Path.cwd())
    if running is not None and "postgres" in running.pids:
        folder = Folder(Path(running.root))
        return Postgres(
            folder=folder.postgres,
            secrets_folder=folder.keys,
            log=folder.log("postgres"),
            port=running.ports["postgres"],
        ).url(OWNER)
    raise Stopped(
        "No database: set EUCORA_DATABASE_OWNER_URL, or start the local stack with `eucora up`.", code="no_database"
    )
