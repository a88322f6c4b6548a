"""From the fleet's JSON to the port's types; pure.

Every function raises ``PlanePermanent(code="plane_bad_answer")`` for JSON of another shape: a fleet that speaks
otherwise is not the one this connector was written for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from eucora.domain.devices import Device, DeviceState, DeviceStatus
from eucora.domain.errors import PlanePermanent
from eucora.domain.vocabulary import SiteClass
from eucora.ports.plane import DevicePage, EffectKey, StatusPage

__all__ = [
    "Application",
    "Manifest",
    "Order",
    "application",
    "created",
    "device_page",
    "devices",
    "inspection",
    "is_ours",
    "manifest",
    "marker",
    "order",
    "status_page",
    "target_sha256",
]

_PREFIX: Final = "eucora:"
_STATES: Final = {
    "installed": DeviceState.SUCCEEDED,
    "failed": DeviceState.FAILED,
    "installing": DeviceState.IN_PROGRESS,
    "not_reported": DeviceState.UNKNOWN,
}

P = ParamSpec("P")
T = TypeVar("T")


def _shaped(parse: Callable[P, T]) -> Callable[P, T]:
    """Turn the exceptions of a parser that meets another shape into the error of the port."""

    @wraps(parse)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parse(*args, **kwargs)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise PlanePermanent(
                f"the virtual fleet's answer is not understood ({parse.__name__}: {type(error).__name__})",
                code="plane_bad_answer",
            ) from error

    return wrapper


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the fleet says of a plane."""

    keyed: bool
    strategies: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An object on the plane. ``marker`` is None when whoever made it wrote none."""

    id: str
    marker: str | None
    content_sha256: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An assignment, retry or uninstall on the plane."""

    id: str
    devices: int
    target_sha256: str
    removed_by: str | None
    removed: bool
    request_id: str


def marker(key: EffectKey) -> str:
    """The marker we write on what an effect makes; also its idempotency key."""
    return f"{_PREFIX}{key}"


def is_ours(found: Application) -> bool:
    """Whether an object carries a marker of ours, of whichever effect."""
    return found.marker is not None and found.marker.startswith(_PREFIX)


def target_sha256(device_ids: Iterable[str]) -> str:
    """Digest of a set of devices, as the fleet computes it: ids ascending, joined by newlines."""
    return hashlib.sha256("\n".join(sorted(set(device_ids))).encode()).hexdigest()


@_shaped
def manifest(payload: Mapping[str, Any]) -> Manifest:
    return Manifest(
        keyed={"keyed": True, "naive": False}[payload["mode"]], strategies=frozenset(payload["rollback_strategies"])
    )


@_shaped
def created(payload: Mapping[str, Any]) -> str:
    """Identifier of what was made."""
    return str(payload["id"])


@_shaped
def application(payload: Mapping[str, Any]) -> Application:
    return Application(
        id=str(payload["id"]),
        marker=payload["marker"],
        content_sha256=str(payload["content_sha256"]),
        request_id=payload["request_id"],
    )


@_shaped
def order(payload: Mapping[str, Any]) -> Order:
    return Order(
        id=str(payload["id"]),
        devices=int(payload["device_count"]),
        target_sha256=str(payload["target_sha256"]),
        removed_by=payload["removed_by"],
        removed=payload["removed_at"] is not None,
        request_id=payload["request_id"],
    )


@_shaped
def device_page(payload: Mapping[str, Any]) -> DevicePage:
    return DevicePage(
        devices=tuple(_device(member) for member in payload["members"]), next_cursor=payload["next_cursor"]
    )


@_shaped
def devices(payload: Mapping[str, Any]) -> tuple[Device, ...]:
    return tuple(_device(member) for member in payload["devices"])


@_shaped
def status_page(payload: Mapping[str, Any]) -> StatusPage:
    """Rows are (device id, state, finished attempts, seconds since the epoch or null, error or null)."""
    return StatusPage(
        statuses=tuple(
            DeviceStatus(
                device_id=device_id,
                state=_STATES[state],
                attempts=attempts,
                at=None if at is None else datetime.fromtimestamp(at, UTC),
                error=error,
            )
            for device_id, state, attempts, at, error in payload["rows"]
        ),
        as_of=datetime.fromtimestamp(payload["as_of"], UTC),
        next_cursor=payload["next_cursor"],
    )


@_shaped
def inspection(payload: Mapping[str, Any]) -> tuple[int, tuple[str, ...]]:
    """(devices inspected, ids of those that carry the object)."""
    return int(payload["inspected"]), tuple(map(str, payload["carrying"]))


def _device(member: Mapping[str, Any]) -> Device:
    return Device(
        id=str(member["id"]),
        name=str(member["name"]),
        site=str(member["site"]),
        site_class=SiteClass(member["site_class"]),
        groups=tuple(member["groups"]),
        critical_infrastructure=bool(member["critical_infrastructure"]),
    )
