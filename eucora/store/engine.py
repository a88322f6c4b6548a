"""Connections to Postgres: one asynchronous engine per process, one transaction per request or activity (ADR 0005).

    async with database.unit_of_work() as session:   # commits at the end, rolls back on any error
        page = await list_deployments(session, wanted)

Queries never commit. A server that does not answer, or ends the connection, becomes ``Unavailable``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from eucora.domain.errors import InvalidInput, Unavailable

__all__ = ["Database", "SessionFactory", "create_engine", "driver_url"]

SessionFactory = async_sessionmaker[AsyncSession]

RETRY_AFTER = timedelta(seconds=2)
CONNECT_SECONDS = 10
POOL_SECONDS = 10.0


def driver_url(url: str) -> URL:
    """The URL with our driver: takes ``postgresql://`` and ``postgres://``, by host or by the folder of a socket.

    Raises ``InvalidInput`` (``database_url_invalid``) for another database, or no URL at all; never repeats it.
    """
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    except (ArgumentError, ValueError):  # a port that is no number
        sentence = "DATABASE_URL is not a URL: write postgresql://user:password@host/name"
        raise InvalidInput(sentence, code="database_url_invalid", field="DATABASE_URL") from None
    if parsed.get_backend_name() != "postgresql":
        sentence = f"DATABASE_URL names {parsed.get_backend_name()}; eucora stores in Postgres: postgresql://..."
        raise InvalidInput(sentence, code="database_url_invalid", field="DATABASE_URL")
    return parsed.set(drivername="postgresql+psycopg")


def create_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine that connects on first use and holds at most ``pool_size`` connections."""
    return create_async_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "eucora",
            "options": "-c timezone=UTC",
            # A dead peer is noticed within a minute instead of never.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
    )


class Database:
    """An engine and its sessions; made once per process in bootstrap, closed at its end."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sessions: SessionFactory = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)

    @classmethod
    def at(cls, url: str, *, pool_size: int = 10) -> Database:
        """The database at a URL, see :func:`driver_url`. Nothing is opened yet."""
        return cls(create_engine(url, pool_size=pool_size))

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits when the block ends, rolls back when it raises.

        Raises ``Unavailable`` (``database_unavailable``) when Postgres cannot be reached or ends the connection.
        """
        with_error: BaseException
        try:
            async with self._sessions() as session, session.begin():
                yield session
        except _EXPECTED as error:
            with_error = error
        else:
            return
        await self._raise(with_error)

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
        """The bare driver connection of the pool, for what needs a pipeline; same promise as :meth:`unit_of_work`."""
        with_error: BaseException
        try:
            async with self._engine.connect() as connection:
                raw = await connection.get_raw_connection()
                driver = raw.driver_connection
                if not isinstance(driver, psycopg.AsyncConnection):
                    raise TypeError(f"expected a psycopg connection, not {type(driver).__name__}")
                try:
                    yield driver
                    await driver.commit()
                except BaseException:
                    if not driver.closed:
                        await driver.rollback()
                    raise
        except _EXPECTED as error:
            with_error = error
        else:
            return
        await self._raise(with_error)

    async def ping(self) -> None:
        """One round trip. Raises ``Unavailable``."""
        async with self.driver() as connection:
            await connection.execute("SELECT 1")

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def _raise(self, error: BaseException) -> None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, psycopg.DataError | UnicodeEncodeError):
            sentence = (
                "The request holds a value that cannot be stored, such as a NUL character or a number out of range."
            )
            raise InvalidInput(sentence, code="value_not_storable") from error
        lost = isinstance(error, InterfaceError | OperationalError | PoolTimeout) or isinstance(
            cause, psycopg.OperationalError
        )
        if not lost:
            raise error
        if isinstance(cause, psycopg.OperationalError) and cause.sqlstate in _SERVER_GONE:
            # The other connections of the pool are as dead as this one: forget them all.
            await self._engine.dispose(close=False)
        raise Unavailable(
            "The database does not answer; nothing was changed. Try again.",
            code="database_unavailable",
            retry_after=RETRY_AFTER,
        ) from error


_EXPECTED = (DBAPIError, PoolTimeout, psycopg.OperationalError, psycopg.DataError, UnicodeEncodeError)
"""What the block may raise that is about the connection or about a value; half a surrogate pair has no UTF-8."""

_SERVER_GONE = (None, "57P01", "57P02", "57P03", "08000", "08003", "08006")
"""No SQLSTATE at all (the connection broke), the server's shutdown codes, connection exceptions (appendix A of its
manual)."""
