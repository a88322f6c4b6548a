"""What the ``sim`` connector reads, and how it refuses what it cannot use."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import eucora.connectors.sim
from eucora.connectors.sim import settings as module
from eucora.connectors.sim.settings import SimSettings
from eucora.domain.vocabulary import RollbackStrategy
from eucora.settings import MissingSetting

GOOD = {"EUCORA_FLEET_URL": "http://127.0.0.1:8700", "EUCORA_FLEET_PLANES": "sim-windows=keyed, sim-mac=naive"}


def test_a_plane_is_keyed_or_naive_as_configured() -> None:
    assert SimSettings.from_environment("sim-windows", GOOD).keyed
    assert not SimSettings.from_environment("sim-mac", GOOD).keyed


def test_macs_are_rolled_back_by_pinning_and_windows_by_supersedence() -> None:
    assert SimSettings.from_environment("sim-mac", GOOD).strategies[0] is RollbackStrategy.JAMF_VERSION_PINNING
    assert SimSettings.from_environment("sim-windows", GOOD).strategies[0] is RollbackStrategy.INTUNE_SUPERSEDENCE


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"EUCORA_FLEET_URL": ""}, "EUCORA_FLEET_URL"),
        ({"EUCORA_FLEET_URL": "not a url"}, "EUCORA_FLEET_URL"),
        ({"EUCORA_FLEET_PLANES": ""}, "EUCORA_FLEET_PLANES"),
        ({"EUCORA_FLEET_PLANES": "sim-windows=clever"}, "EUCORA_FLEET_PLANES"),
        ({"EUCORA_FLEET_TIMEOUT_SECONDS": "soon"}, "EUCORA_FLEET_TIMEOUT_SECONDS"),
    ],
)
def test_what_is_missing_or_malformed_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(MissingSetting, match=named):
        SimSettings.from_environment("sim-windows", GOOD | changes)


def test_the_token_is_not_in_any_text() -> None:
    settings = SimSettings.from_environment("sim-mac", GOOD | {"EUCORA_FLEET_TOKEN": "hunter2"})
    assert settings.token is not None
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(inspect.getfile(eucora.connectors.sim)).parent / "README.md").read_text("utf-8")
    read = set(re.findall(r"EUCORA_[A-Z_]+", inspect.getsource(module)))
    assert len(read) == 4
    assert all(f"`{name}`" in readme for name in read)
