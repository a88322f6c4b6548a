"""Devices and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eucora.domain.vocabulary import SiteClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as the plane's inventory knows it. ``name`` is for people, ``id`` is the plane's stable identifier."""

    id: str
    name: str
    site: str
    site_class: SiteClass = SiteClass.ONLINE
    groups: tuple[str, ...] = ()
    critical_infrastructure: bool = False


class DeviceState(StrEnum):
    """What a plane says about one device and one assignment."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """One device's state. ``attempts`` counts finished attempts; ``at`` is when the plane learned of it (UTC)."""

    device_id: str
    state: DeviceState
    attempts: int = 0
    at: datetime | None = None
    error: str | None = None
