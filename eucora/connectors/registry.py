"""Finds connectors by entry point and builds the configured planes.

A connector is a package that declares an entry point in the group ``eucora.connectors``; its name there is the
connector's name, its value a :data:`Build`::

    [project.entry-points."eucora.connectors"]
    sim = "eucora.connectors.sim:build"

Which planes exist is configuration: ``EUCORA_PLANES="sim-windows=sim,sim-mac=sim,local=ansible"`` gives three planes
and the connector of each. ``NAME`` alone stands for ``NAME=NAME``. A worker builds only the planes whose queues it
polls, so that a plane's credentials need to exist on its own workers alone (``architecture.md`` §3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from eucora.ports.plane import Plane
from eucora.settings import MissingSetting

__all__ = ["GROUP", "PLANES_VARIABLE", "Build", "UnknownPlane", "build", "configured_planes", "connectors"]

GROUP = "eucora.connectors"
PLANES_VARIABLE = "EUCORA_PLANES"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class Build(Protocol):
    """What an entry point of the group must be.

    Builds the adapter of one plane from the environment's variables, with no I/O: the plane may be down when a worker
    starts. Raises :class:`MissingSetting` naming each variable that is missing or malformed.
    """

    def __call__(self, plane: str, environment: Mapping[str, str]) -> Plane: ...


class UnknownPlane(MissingSetting):
    """A plane is asked for that is not configured, or whose connector is not installed."""


def connectors(found: Iterable[EntryPoint] | None = None) -> dict[str, EntryPoint]:
    """Return the installed connectors by name. ``found`` replaces the installed entry points (tests)."""
    points = entry_points(group=GROUP) if found is None else found
    return {point.name: point for point in sorted(points, key=lambda point: point.name)}


def configured_planes(environment: Mapping[str, str]) -> dict[str, str]:
    """Parse ``EUCORA_PLANES`` into plane name -> connector name, in the order given; empty when it is not set.

    Raises :class:`MissingSetting` for a malformed entry or a plane named twice.
    """
    planes: dict[str, str] = {}
    for entry in environment.get(PLANES_VARIABLE, "").split(","):
        if not entry.strip():
            continue
        plane, _, connector = (part.strip() for part in entry.partition("="))
        connector = connector or plane
        if not _NAME.fullmatch(plane) or not _NAME.fullmatch(connector):
            raise MissingSetting(
                f"{PLANES_VARIABLE}: {entry.strip()!r} is not PLANE=CONNECTOR in lower-case letters, digits and dashes"
            )
        if plane in planes:
            raise MissingSetting(f"{PLANES_VARIABLE}: plane {plane!r} is named twice; a plane has one connector")
        planes[plane] = connector
    return planes


def build(plane: str, environment: Mapping[str, str], *, found: Iterable[EntryPoint] | None = None) -> Plane:
    """Build the adapter of one configured plane.

    Raises :class:`UnknownPlane` when the plane is not configured or its connector is not installed, and
    :class:`MissingSetting` when the connector misses a setting.
    """
    planes = configured_planes(environment)
    if plane not in planes:
        raise UnknownPlane(
            f"plane {plane!r} is not in {PLANES_VARIABLE} (configured: {', '.join(planes) or 'none'}); "
            f"add {plane}=CONNECTOR"
        )
    installed = connectors(found)
    connector = planes[plane]
    if connector not in installed:
        raise UnknownPlane(
            f"plane {plane!r} needs connector {connector!r}, which is not installed (installed: "
            f"{', '.join(installed) or 'none'}); install the distribution that declares it in {GROUP!r}"
        )
    make: Build = installed[connector].load()
    return make(plane, environment)
