"""The virtual fleet as a plane; see ``README.md`` in this folder."""

from __future__ import annotations

from collections.abc import Mapping

from eucora.connectors.sim.plane import SimPlane
from eucora.connectors.sim.settings import SimSettings
from eucora.ports.plane import Plane

__all__ = ["build"]


def build(plane: str, environment: Mapping[str, str]) -> Plane:
    """Build the adapter of one plane of the fleet; raises ``MissingSetting`` (see ``settings.py``)."""
    return SimPlane(SimSettings.from_environment(plane, environment))
