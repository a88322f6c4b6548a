"""Connecting to Temporal, or saying why not."""

from __future__ import annotations

import socket

import pytest
from temporalio.testing import WorkflowEnvironment

from eucora.domain.errors import Unavailable
from eucora.runtime.client import connect
from eucora.settings import MissingSetting


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDRESS", "NAMESPACE", "PROFILE", "CONFIG_FILE", "API_KEY", "TLS"):
        monkeypatch.delenv(f"TEMPORAL_{name}", raising=False)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_sdks_own_profile_says_where(
    temporal_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_env.client.service_client.config.target_host)
    client = await connect()
    assert await client.service_client.check_health()
    assert client.namespace == "default"


async def test_no_address_is_a_missing_setting() -> None:
    with pytest.raises(MissingSetting, match="TEMPORAL_ADDRESS is not set"):
        await connect()


async def test_no_answer_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and never listens
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        with pytest.raises(Unavailable, match=f"Temporal does not answer at {address}"):
            await connect()
        await connect(lazy=True)  # connects with its first call
