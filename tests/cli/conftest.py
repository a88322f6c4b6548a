"""Answers of the API as the wire models give them, for tests of what the command line makes of them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

NOW = datetime(2025, 11, 3, 9, 0, tzinfo=UTC)


def plane(name: str, **changes: Any) -> dict[str, Any]:
    """A plane's work in a ring."""
    return {
        "plane": name,
        "status": "observing",
        "targeted": 25,
        "succeeded": 20,
        "failed": 1,
        "in_progress": 2,
        "unknown": 2,
        "observed_at": NOW.isoformat(),
        "object_id": "app-1",
        "assignment_id": "assignment-1",
        "rehearsed": None,
        "failure_code": "",
        "failure": "",
        "rollback_failure": "",
        **changes,
    }


def ring(name: str, order: int, **changes: Any) -> dict[str, Any]:
    """A ring of the plan."""
    return {
        "name": name,
        "order": order,
        "status": "planned",
        "success_rate": 97.0,
        "planes": [],
        "gate": None,
        "frozen_at": None,
        "started_at": None,
        "soak_since": None,
        "soak_until": None,
        "promoted_at": None,
        **changes,
    }


def deployment(**changes: Any) -> dict[str, Any]:
    """A deployment that runs in CANARY."""
    checks = [
        {"name": name, "threshold": "t", "actual": "a", "result": result, "sentence": f"{name} is {result}"}
        for name, result in (
            ("success_rate", "WAIT"),
            ("time_to_compliance", "WAIT"),
            ("incidents", "PASS"),
            ("approval", "PASS"),
            ("rollback_rehearsed", "PASS"),
        )
    ]
    gate = {"result": "WAIT", "checks": checks, "until": "2025-11-03T09:01:00Z", "at": NOW.isoformat()}
    started = "2025-11-03T08:59:30Z"
    return {
        "id": "dep-1",
        "state": "DEPLOYING",
        "reason": {"code": "observing", "sentence": "CANARY is under way", "since": started},
        "application": {
            "id": "example-works.fieldnotes",
            "name": "Fieldnotes",
            "version": "3.2.0",
            "vendor": "Example Works",
            "category": "productivity",
        },
        "scope": {},
        "ring": "CANARY",
        "target_ring": "PILOT",
        "planes": ["sim-windows", "sim-mac"],
        "risk_score": 62,
        "requester": "publisher-petra",
        "correlation_id": "c-1",
        "created_at": started,
        "updated_at": started,
        "kind": "deploy",
        "author": "packager-pia",
        "evidence_pack": "a" * 64,
        "release_digest": "b" * 64,
        "artifact_sha256": "c" * 64,
        "risk": {"score": 62, "model": "v1.0", "model_version": "v1.0", "tier": "cab"},
        "blast_radius_class": "PRODUCTIVITY_TOOLS",
        "quorum": 1,
        "adopted_by": "publisher-petra",
        "rolling_back": False,
        "holds": [],
        "rings": [
            ring("LAB", 0, started_at=started, promoted_at=started, planes=[plane("sim-windows", rehearsed=True)]),
            ring("CANARY", 1, started_at=started, gate=gate, planes=[plane("sim-windows"), plane("sim-mac")]),
            ring("PILOT", 2),
        ],
        "sequence": 17,
        **changes,
    }


def review(**changes: Any) -> dict[str, Any]:
    """A review before PILOT that is open for votes."""
    return {
        "id": "rev-1",
        "deployment_id": "dep-1",
        "application": "Fieldnotes",
        "version": "3.2.0",
        "ring": "PILOT",
        "covers": ["PILOT"],
        "status": "open",
        "round": 1,
        "quorum": 1,
        "risk_score": 62,
        "tier": "cab",
        "blast_radius_class": "PRODUCTIVITY_TOOLS",
        "evidence_pack": "d" * 64,
        "requester": "publisher-petra",
        "author": "packager-pia",
        "opened_at": NOW.isoformat(),
        "remind_at": "2025-11-04T09:00:00Z",
        "due_at": "2025-11-05T09:00:00Z",
        "votes": [],
        **changes,
    }


@pytest.fixture
def answers() -> SimpleNamespace:
    """The builders above, for tests to vary."""
    return SimpleNamespace(now=NOW, plane=plane, ring=ring, deployment=deployment, review=review)
