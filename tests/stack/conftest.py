"""The stack's tests run what they name, whatever this shell points at."""

import secrets
from collections.abc import Iterator

import pytest

from eucora.stack.processes import Processes


@pytest.fixture(autouse=True)
def no_external_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "EUCORA_DATABASE_OWNER_URL", "TEMPORAL_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Children of this test; none survives it."""
    children = Processes(marker=secrets.token_hex(16))
    yield children
    children.stop([], grace=5)
