"""Migrations: forward only, run as the role that owns the tables.

``upgrade`` needs no configuration file; the scripts are part of the package. It may be called by several processes at
the same time and for a database that is up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from eucora.domain.errors import Unavailable
from eucora.evidence.canonical import canonical_json, sha256_hex
from eucora.policy.documents import shipped_document
from eucora.policy.risk_models import DEFAULT_RISK_MODEL, shipped_risk_models
from eucora.store.engine import RETRY_AFTER, driver_url

__all__ = ["current", "head", "upgrade"]

_LOCK = 0x6575636F7261  # "eucora"


def upgrade(url: str) -> str:
    """Bring the database at ``url`` (the owner role's) to the newest revision and return it.

    Raises ``Unavailable`` when the server does not answer.
    """
    with _connect(url) as connection:
        # Held by the session: the lock must outlive the migrations' own transaction.
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            _realign(connection)
            _keep_risk_models(connection)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()
    return head()


def current(url: str) -> str | None:
    """The revision the database stands at; None before the first. Raises ``Unavailable``."""
    with _connect(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision this release knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("the package holds no migrations")
    return revision


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "eucora.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(
            "The database does not answer; start it or check its URL.",
            code="database_unavailable",
            retry_after=RETRY_AFTER,
        ) from error
    finally:
        engine.dispose()


def _keep_risk_models(connection: Connection) -> None:
    """Keep the risk models that this release ships: what was scored with them derives again after they are replaced."""
    for name, model in shipped_risk_models().items():
        document = canonical_json(shipped_document(f"risk-model-{name}"))
        connection.execute(
            text(
                "INSERT INTO risk_model (tenant, digest, model_id, version, status, document)"
                " VALUES ('default', :digest, :model_id, :version, :status, CAST(:document AS json))"
                " ON CONFLICT DO NOTHING"
            ),
            {
                "digest": sha256_hex(document),
                "model_id": model.model_id,
                "version": model.version,
                "status": "active" if name == DEFAULT_RISK_MODEL else "proposed",
                "document": document.decode(),
            },
        )


def _realign(connection: Connection) -> None:
    """Let the order of events go on where the record ends, when a restored database came to a younger cluster.

    Transaction numbers start low in a new cluster; without a shift its events would sort before those that were
    restored.
    """
    newest = connection.execute(text("SELECT max(transaction) FROM event")).scalar_one()
    now = connection.execute(text("SELECT event_transaction()")).scalar_one()
    if newest is None or newest < now:
        return
    bare = connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
    shift = int(newest) + 1 - int(bare)
    connection.execute(
        text(
            "CREATE OR REPLACE FUNCTION event_transaction() RETURNS bigint LANGUAGE sql VOLATILE"
            f" AS 'SELECT pg_catalog.pg_current_xact_id()::text::bigint + {shift}'"
        )
    )
    connection.execute(
        text(
            "CREATE OR REPLACE FUNCTION event_horizon() RETURNS bigint LANGUAGE sql STABLE"
            f" AS 'SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint + {shift}'"
        )
    )
