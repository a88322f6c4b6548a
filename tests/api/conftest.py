"""The API on a database of its own, with Temporal away unless a test brings one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from eucora.runtime.client import DATA_CONVERTER
from eucora.runtime.correlation import CorrelationInterceptor
from eucora.settings import Settings
from tests.api.engine import Engine, new_world
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


@pytest_asyncio.fixture(loop_scope="session")
async def engine(
    temporal_env: WorkflowEnvironment, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    """The API with a Temporal server; no worker runs before ``engine.workers()``. Time is the machine's here."""
    suffix = uuid4().hex[:8]
    plane = f"fake-{suffix}"
    monkeypatch.setenv("EUCORA_PLANES", f"{plane}=somewhere-else")
    # A client of its own: the environment's would let workflows skip time.
    address = temporal_env.client.service_client.config.target_host
    client = await Client.connect(address, data_converter=DATA_CONVERTER, interceptors=[CorrelationInterceptor()])
    settings = development_settings(tmp_path, database_url, task_queue=f"eucora-{suffix}")
    async with serve(settings, client=client) as service:
        yield Engine(service=service, client=client, plane=plane, world=new_world())
