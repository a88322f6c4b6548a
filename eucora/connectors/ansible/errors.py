"""What goes wrong below the connector, as errors of the port: the one place that maps them."""

from __future__ import annotations

import sqlite3

from eucora.domain.errors import (
    EucoraError,
    NotFound,
    PlaneError,
    PlaneInvalid,
    PlaneNotFound,
    PlanePermanent,
    PlaneTransient,
    Unavailable,
)

__all__ = [
    "artifact_unreadable",
    "empty_target",
    "inventory_unreadable",
    "ledger_unavailable",
    "ledger_version",
    "unknown_assignment",
    "unknown_device",
    "unknown_object",
]


def empty_target() -> PlaneInvalid:
    return PlaneInvalid("No device is given; an empty target never means everyone.", code="empty_target")


def unknown_device(device_id: str) -> PlaneNotFound:
    return PlaneNotFound(
        f"Device {device_id!r} is not in the inventory; add the host or correct the cohort.", code="unknown_device"
    )


def unknown_object(object_id: str) -> PlaneNotFound:
    return PlaneNotFound(f"Object {object_id!r} was never published here; publish it first.", code="unknown_object")


def unknown_assignment(assignment_id: str) -> PlaneNotFound:
    return PlaneNotFound(f"There is no assignment {assignment_id!r} on this plane.", code="unknown_assignment")


def inventory_unreadable(reason: str) -> PlanePermanent:
    return PlanePermanent(f"The inventory cannot be read: {reason}", code="inventory_unreadable")


def ledger_unavailable(error: sqlite3.Error) -> PlaneTransient:
    return PlaneTransient(f"The connector's ledger does not answer: {error}", code="ledger_unavailable")


def ledger_version(path: str, version: int) -> PlanePermanent:
    return PlanePermanent(
        f"{path} was written by another version of the connector ({version}); move it away to begin a new ledger.",
        code="ledger_version",
    )


def artifact_unreadable(sha256: str, error: Exception) -> PlaneError:
    """Say what reading the artifact's bytes from our own store, or keeping them, ran into."""
    sentence = f"Artifact {sha256} could not be brought here: {error}"
    match error:
        case PlaneError():
            return error
        case NotFound():
            return PlaneNotFound(sentence, code="unknown_artifact")
        case Unavailable() | OSError():
            return PlaneTransient(sentence, code="artifact_unavailable")
        case EucoraError():
            return PlanePermanent(sentence, code="artifact_unreadable")
        case _:
            return PlaneTransient(sentence, code="artifact_unavailable")
