"""What the ``ansible`` connector reads, and how it refuses what it cannot use."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import pytest

import eucora.connectors.ansible
from eucora.connectors.ansible import build
from eucora.connectors.ansible.settings import PREFIX, AnsibleSettings
from eucora.ports.plane import Plane
from eucora.settings import MissingSetting


def test_a_plane_is_built_from_an_inventory_without_io(tmp_path: Path) -> None:
    environment = {"EUCORA_ANSIBLE_INVENTORY": str(tmp_path / "hosts"), "EUCORA_ANSIBLE_STATE": str(tmp_path / "state")}
    plane = build("harbour", environment)
    assert isinstance(plane, Plane)
    assert plane.name == "harbour"
    assert list(tmp_path.iterdir()) == []


async def test_a_plane_that_did_nothing_is_closed_without_io(tmp_path: Path) -> None:
    environment = {"EUCORA_ANSIBLE_INVENTORY": str(tmp_path / "hosts"), "EUCORA_ANSIBLE_STATE": str(tmp_path / "state")}
    await build("harbour", environment).aclose()
    assert not os.listdir(tmp_path)  # noqa: PTH208 - the path's own way to list is for synchronous code


async def test_a_plane_without_its_inventory_is_unhealthy_and_says_so(tmp_path: Path) -> None:
    environment = {"EUCORA_ANSIBLE_INVENTORY": str(tmp_path / "hosts"), "EUCORA_ANSIBLE_STATE": str(tmp_path / "state")}
    health = await build("harbour", environment).health()
    assert not health.healthy
    assert "inventory" in health.sentence.lower() or "ansible-runner" in health.sentence


def test_planes_have_state_folders_of_their_own() -> None:
    environment = {"EUCORA_ANSIBLE_INVENTORY": "hosts", "EUCORA_ANSIBLE_STATE": "state"}
    states = [AnsibleSettings.for_plane(plane, environment).state for plane in ("harbour", "quay")]
    assert states == [Path("state/harbour").absolute(), Path("state/quay").absolute()]


def test_a_variable_of_the_plane_wins_over_the_common_one() -> None:
    environment = {
        "EUCORA_ANSIBLE_INVENTORY": "common",
        "EUCORA_ANSIBLE_NORTH_QUAY_INVENTORY": "own",
        "EUCORA_ANSIBLE_FORKS": "7",
        "EUCORA_ANSIBLE_PASS_ENVIRONMENT": "SSH_AUTH_SOCK, KRB5CCNAME",
    }
    settings = AnsibleSettings.for_plane("north-quay", environment)
    assert settings.inventory == Path("own").absolute()
    assert settings.forks == 7
    assert settings.pass_environment == ("SSH_AUTH_SOCK", "KRB5CCNAME")
    assert AnsibleSettings.for_plane("harbour", environment).inventory == Path("common").absolute()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"EUCORA_ANSIBLE_INVENTORY": ""}, "EUCORA_ANSIBLE_INVENTORY"),
        ({"EUCORA_ANSIBLE_FORKS": "0"}, "EUCORA_ANSIBLE_FORKS"),
        ({"EUCORA_ANSIBLE_FORKS": "many"}, "EUCORA_ANSIBLE_FORKS"),
        ({"EUCORA_ANSIBLE_MAX_ATTEMPTS": "11"}, "EUCORA_ANSIBLE_MAX_ATTEMPTS"),
    ],
)
def test_what_is_missing_or_malformed_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(MissingSetting, match=named):
        AnsibleSettings.for_plane("harbour", {"EUCORA_ANSIBLE_INVENTORY": "hosts"} | changes)


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(inspect.getfile(eucora.connectors.ansible)).parent / "README.md").read_text("utf-8")
    names = [f"{PREFIX}{name.upper()}" for name in AnsibleSettings.model_fields if name != "plane"]
    assert [name for name in names if f"`{name}`" not in readme] == []
