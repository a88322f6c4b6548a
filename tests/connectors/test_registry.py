"""Connectors are found by entry point; planes are configuration."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from eucora.connectors import registry
from eucora.connectors.registry import UnknownPlane
from eucora.ports.plane import Plane
from eucora.settings import MissingSetting

ROOT = Path(__file__).resolve().parents[2]


def declared() -> list[EntryPoint]:
    """The entry points that pyproject.toml declares, as an installation would find them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"][registry.GROUP]
    return [EntryPoint(name=name, value=value, group=registry.GROUP) for name, value in points.items()]


def test_planes_are_read_in_the_order_given() -> None:
    planes = registry.configured_planes({"EUCORA_PLANES": "sim-windows=sim, sim-mac = sim,ansible"})
    assert list(planes.items()) == [("sim-windows", "sim"), ("sim-mac", "sim"), ("ansible", "ansible")]


def test_no_variable_is_no_planes() -> None:
    assert registry.configured_planes({}) == {}


@pytest.mark.parametrize("value", ["Sim=sim", "=sim", "sim=Sim Connector", "a=b=c", "-x=sim"])
def test_a_malformed_plane_is_refused(value: str) -> None:
    with pytest.raises(MissingSetting, match="PLANE=CONNECTOR"):
        registry.configured_planes({"EUCORA_PLANES": value})


def test_a_plane_has_one_connector() -> None:
    with pytest.raises(MissingSetting, match="twice"):
        registry.configured_planes({"EUCORA_PLANES": "lab=sim,lab=ansible"})


def test_every_declared_connector_can_be_loaded_and_called() -> None:
    found = registry.connectors(declared())
    assert {"sim", "ansible"} <= found.keys()
    for point in found.values():
        assert callable(point.load())


async def test_the_sim_connector_is_found_and_built_without_io() -> None:
    environment = {
        "EUCORA_PLANES": "sim-mac=sim",
        "EUCORA_FLEET_URL": "http://127.0.0.1:1",  # nothing listens there
        "EUCORA_FLEET_PLANES": "sim-mac=naive",
    }
    plane = registry.build("sim-mac", environment, found=declared())
    assert isinstance(plane, Plane)
    assert plane.name == "sim-mac"
    await plane.aclose()


def test_a_plane_that_is_not_configured_is_refused_by_name() -> None:
    with pytest.raises(UnknownPlane, match="EUCORA_PLANES"):
        registry.build("intune", {"EUCORA_PLANES": "sim-mac=sim"}, found=declared())


def test_a_connector_that_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(UnknownPlane, match="'jamf'"):
        registry.build("macs", {"EUCORA_PLANES": "macs=jamf"}, found=declared())


def test_a_missing_setting_of_the_connector_is_named() -> None:
    with pytest.raises(MissingSetting, match="EUCORA_FLEET_URL"):
        registry.build("sim-mac", {"EUCORA_PLANES": "sim-mac=sim"}, found=declared())
