"""The API on a database of its own, with Temporal away unless a test brings one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eucora.settings import Settings
from tests.api.service import PLANE, Service, development_settings, serve


@pytest.fixture
def settings(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # A plane whose connector is not installed here: the API knows its name and not its manifest.
    monkeypatch.setenv("EUCORA_PLANES", f"{PLANE}=somewhere-else")
    return development_settings(tmp_path, database_url)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with serve(settings) as running:
        yield running
