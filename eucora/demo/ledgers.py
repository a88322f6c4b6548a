"""What the planes say was done to them: the virtual fleet's ledger and the Ansible connector's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from eucora.cli.local import ANSIBLE_PLANE
from eucora.connectors.ansible.ledger import read_ledger

__all__ = ["Effect", "Fleet", "ansible_effects", "duplicated", "missing_effects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One effect of a deployment on a plane, how often it was applied, and the devices it was for."""

    deployment: str
    ring: str
    plane: str
    operation: str
    revision: int
    action: str
    applied: int
    devices: int = 0


class Fleet:
    """The virtual fleet's control side, which no real plane has. Raises ``httpx.HTTPError`` when it does not answer."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/control", trust_env=False, timeout=10.0)

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def behave(self, application: str, version: str, profile: Mapping[str, Any]) -> None:
        """Say how a release behaves on the devices it is assigned to from now on."""
        answer = self._http.put(f"/profiles/{application}", params={"version": version}, json=dict(profile))
        answer.raise_for_status()

    def effects(self, deployment: str) -> list[Effect]:
        """Every effect of a deployment that the fleet applied."""
        applied: Counter[tuple[str, str, str, int, str]] = Counter()
        devices: dict[tuple[str, str, str, int, str], int] = {}
        for entry in self._entries(deployment):
            key = (entry["ring"], entry["plane"], entry["operation"], entry["revision"], entry["action"])
            if entry["applied"]:
                applied[key] += 1
                devices[key] = entry["devices"]
        return [
            Effect(
                deployment=deployment,
                ring=key[0],
                plane=key[1],
                operation=key[2],
                revision=key[3],
                action=key[4],
                applied=count,
                devices=devices[key],
            )
            for key, count in sorted(applied.items())
        ]

    def duplicates(self) -> int:
        """Effects of any deployment that were applied more than once, as the fleet itself counts them."""
        answer = self._http.get("/duplicates")
        answer.raise_for_status()
        count: int = answer.json()["count"]
        return count

    def _entries(self, deployment: str) -> Iterable[dict[str, Any]]:
        cursor = 0
        while True:
            answer = self._http.get("/ledger", params={"deployment": deployment, "cursor": cursor})
            answer.raise_for_status()
            page = answer.json()
            yield from page["entries"]
            if page["next_cursor"] is None:
                return
            cursor = page["next_cursor"]


def ansible_effects(state: Path) -> list[Effect]:
    """Every effect that the Ansible plane received, and how often its plays changed one and the same host."""
    return [
        Effect(
            deployment=entry.deployment_id,
            ring=entry.ring,
            plane=entry.plane,
            operation=entry.operation,
            revision=entry.revision,
            action=entry.operation,
            applied=entry.applied,
        )
        for entry in read_ledger(state / ANSIBLE_PLANE)
    ]


def duplicated(effects: Iterable[Effect]) -> list[Effect]:
    """Those that took place more than once."""
    return [effect for effect in effects if effect.applied > 1]


def missing_effects(effects: Iterable[Effect], *, rings: Mapping[str, Iterable[str]]) -> list[str]:
    """What a complete rollout over ``rings`` (ring to planes) must have done exactly once and did not.

    On each plane one object was published, and in each ring each of its planes was assigned.
    """
    done = list(effects)
    missing = []
    for plane in dict.fromkeys(plane for planes in rings.values() for plane in planes):
        published = [
            one for one in done if one.plane == plane and one.operation == "publish" and one.action != "upload"
        ]
        if [one.applied for one in published] != [1]:
            missing.append(f"publish on {plane}: {[one.applied for one in published]}")
    for ring, planes in rings.items():
        for plane in planes:
            assigned = [one for one in done if (one.ring, one.plane, one.operation) == (ring, plane, "assign")]
            if [one.applied for one in assigned] != [1]:
                missing.append(f"assign in {ring} on {plane}: {[one.applied for one in assigned]}")
    return missing
