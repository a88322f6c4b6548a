"""A database with trails in it, shared by the tests that only read it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eucora.store.engine import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database.at(database_url, pool_size=3)
    yield database
    await database.close()
