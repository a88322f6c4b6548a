"""The world behind the fleet's API: planes, their devices, what was ordered for them, and what became of it.

Methods take and return plain values in the fleet's own words; a refusal is a :class:`FleetError` with the status and
code that the API answers. Nothing here knows HTTP, idempotency keys or faults (``effects.py``), and nothing here is
eucora's: to the fleet a marker is a string that its client wrote on an object.
"""

from __future__ import annotations

import hashlib
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter

from eucora.sim.behaviour import MAX_ATTEMPTS, Behaviour, Profile, Retry
from eucora.sim.population import Population
from eucora.sim.store import FleetStore, decode_indexes

__all__ = ["PAGE_LIMIT", "PROFILES", "FleetError", "Mode", "PlaneSpec", "World", "plane_shares"]

PAGE_LIMIT: Final = 10_000
PROFILES: Final = TypeAdapter(Profile)
_STRATEGIES: Final = {
    "windows": ("intune_supersedence", "assignment_remove"),
    "macos": ("jamf_version_pinning", "assignment_remove"),
}
_PREFIXES: Final = {"app": "app-", "assignment": "asg-", "retry": "rty-", "uninstall": "uni-"}


class FleetError(Exception):
    """The fleet refuses: ``status`` of HTTP, a stable ``code``, and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Mode(StrEnum):
    """Whether a plane honours idempotency keys, or applies every call again."""

    KEYED = "keyed"
    NAIVE = "naive"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSpec:
    """One plane of the fleet."""

    name: str
    mode: Mode
    platform: str
    devices: int

    @staticmethod
    def platform_of(name: str) -> str:
        """A plane whose name ends in ``mac`` or ``macos`` is one of Macs, any other of Windows devices."""
        return "macos" if name.endswith(("mac", "macos")) else "windows"

    @property
    def rollback_strategies(self) -> tuple[str, ...]:
        return _STRATEGIES[self.platform]


def plane_shares(devices: int, planes: int) -> list[int]:
    """Split the fleet's devices over its planes as evenly as can be, the first planes taking the rest."""
    return [devices // planes + (position < devices % planes) for position in range(planes)]


@dataclass(frozen=True, slots=True)
class _Command:
    """A stored order, decoded. ``indexes`` ascend."""

    number: int
    kind: str
    app: int
    ordered_at: float
    ordinal: int
    strategy: str | None
    removed_at: float | None
    indexes: Sequence[int]
    profiles: tuple[Profile, ...]
    retry: Retry | None
    assignment: int | None
    behaviour: Behaviour

    def holds(self, index: int) -> bool:
        position = bisect_left(self.indexes, index)
        return position < len(self.indexes) and self.indexes[position] == index


class World:
    """All planes of the fleet over one store. ``clock`` gives seconds since the epoch."""

    def __init__(self, specs: Sequence[PlaneSpec], *, seed: int, store: FleetStore, clock: Callable[[], float]) -> None:
        self.specs: Mapping[str, PlaneSpec] = {spec.name: spec for spec in specs}
        self.store = store
        self.clock = clock
        self.populations = {spec.name: Population(seed=seed, plane=spec.name, count=spec.devices) for spec in specs}
        self._decoded = lru_cache(maxsize=256)(self._decode)
        self._behaviour = lru_cache(maxsize=256)(self._make_behaviour)
        layout = ",".join(f"{spec.name}={spec.mode}:{spec.devices}" for spec in specs)
        store.bind({"seed": str(seed), "planes": layout})

    # Reading

    def spec(self, plane: str) -> PlaneSpec:
        if plane not in self.specs:
            raise FleetError(404, "unknown_plane", f"this fleet has no plane {plane!r}")
        return self.specs[plane]

    def manifest(self, plane: str) -> dict[str, Any]:
        spec = self.spec(plane)
        return {
            "plane": spec.name,
            "mode": spec.mode.value,
            "platform": spec.platform,
            "devices": spec.devices,
            "rollback_strategies": list(spec.rollback_strategies),
            "max_attempts": MAX_ATTEMPTS,
        }

    def members(self, plane: str, group: str, *, cursor: str | None, limit: int) -> dict[str, Any]:
        population = self.populations[plane]
        try:
            indexes = population.group(group)
        except KeyError:
            raise FleetError(404, "unknown_group", f"plane {plane!r} has no group {group!r}") from None
        page, following = self._page(plane, indexes, cursor, limit)
        return {"members": [self._describe(plane, index) for index in page], "next_cursor": following}

    def lookup(self, plane: str, device_ids: Sequence[str]) -> dict[str, Any]:
        """Describe devices in the order asked for."""
        return {"devices": [self._describe(plane, self._index(plane, device_id)) for device_id in device_ids]}

    def app(self, plane: str, app_id: str) -> sqlite3.Row:
        row = self.store.app(plane, _number("app", app_id))
        if row is None:
            raise FleetError(404, "unknown_object", f"plane {plane!r} has no object {app_id!r}")
        return row

    def assignment(self, plane: str, assignment_id: str) -> sqlite3.Row:
        row = self.store.command(plane, "assignment", _number("assignment", assignment_id))
        if row is None:
            raise FleetError(404, "unknown_assignment", f"plane {plane!r} has no assignment {assignment_id!r}")
        return row

    def statuses(self, plane: str, assignment_id: str, *, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of device states: rows of (device id, state, finished attempts, seconds since the epoch, error)."""
        row = self.assignment(plane, assignment_id)
        now = self.clock()
        command = self._decoded(row["number"], row["removed_at"], plane)
        others = self._commands_of(plane, self.app(plane, f"app-{row['app']}")["name"])
        retries = _retries(others, command.number)
        later = [other for other in others if other.number > command.number and _ends(command, other)]
        page, following = self._page(plane, command.indexes, cursor, limit)
        observe, profiles, name = command.behaviour.observe, command.profiles, self.populations[plane].device_id
        until = now if command.removed_at is None else min(now, command.removed_at)
        rows = []
        for index in page:
            end = until if not later else _cut(later, index, until)
            seen = observe(index, profiles, assigned_at=command.ordered_at, now=end, retries=retries)
            rows.append((name(index), *seen))
        return {"as_of": now, "rows": rows, "next_cursor": following}

    def inspect(self, plane: str, app_id: str, device_ids: Sequence[str]) -> dict[str, Any]:
        """Which of the devices carry the object now, ascending."""
        app = self.app(plane, app_id)
        now = self.clock()
        indexes = sorted({self._index(plane, device_id) for device_id in device_ids})
        commands = self._commands_of(plane, app["name"])
        carrying = [index for index in indexes if _standing(commands, index, now) == app["number"]]
        name = self.populations[plane].device_id
        return {"as_of": now, "inspected": len(indexes), "carrying": [name(index) for index in carrying]}

    # Effects: each is called inside a transaction of the store

    def add_content(self, plane: str, sha256: str, size: int) -> bool:
        self.spec(plane)
        return self.store.add_content(plane, sha256, size)

    def create_app(self, plane: str, body: Mapping[str, Any]) -> dict[str, Any]:
        spec = self.spec(plane)
        if self.store.content_size(plane, body["content_sha256"]) is None:
            raise FleetError(422, "content_missing", f"upload the content {body['content_sha256']} first")
        name, version = body["name"], body["version"]
        if spec.mode is Mode.KEYED and (taken := self.store.apps(plane, marker=None, name=name, version=version)):
            raise FleetError(409, "name_taken", f"{name} {version} exists as app-{taken[0]['number']}")
        number = self.store.add_app(
            plane=plane, name=name, version=version, marker=body.get("marker"), at=self.clock(), body=body
        )
        return {"id": f"app-{number}"}

    def assign(self, plane: str, app_id: str, device_ids: Sequence[str], marker: str | None) -> dict[str, Any]:
        app = self.app(plane, app_id)
        return self._order(plane, "assignment", app, device_ids, marker)

    def retry(self, plane: str, assignment_id: str, device_ids: Sequence[str], marker: str | None) -> dict[str, Any]:
        assignment = self.assignment(plane, assignment_id)
        targeted = set(decode_indexes(assignment["indexes"]))
        for device_id in device_ids:
            if self._index(plane, device_id) not in targeted:
                raise FleetError(422, "not_targeted", f"{assignment_id} does not target {device_id}")
        app = self.app(plane, f"app-{assignment['app']}")
        return self._order(plane, "retry", app, device_ids, marker, assignment=assignment["number"])

    def uninstall(
        self, plane: str, app_id: str, device_ids: Sequence[str], strategy: str, marker: str | None
    ) -> dict[str, Any]:
        app = self.app(plane, app_id)
        if strategy not in self.spec(plane).rollback_strategies:
            raise FleetError(422, "strategy_unsupported", f"plane {plane!r} has no strategy {strategy!r}")
        return self._order(plane, "uninstall", app, device_ids, marker, strategy=strategy)

    def unassign(self, plane: str, assignment_id: str, marker: str | None) -> dict[str, Any]:
        row = self.assignment(plane, assignment_id)
        self.store.remove_assignment(row["number"], at=self.clock(), marker=marker)
        return {"id": assignment_id, "device_count": row["devices"]}

    # Inside

    def _order(
        self,
        plane: str,
        kind: str,
        app: sqlite3.Row,
        device_ids: Sequence[str],
        marker: str | None,
        *,
        assignment: int | None = None,
        strategy: str | None = None,
    ) -> dict[str, Any]:
        if not device_ids:
            raise FleetError(422, "empty_target", "name at least one device")
        indexes = sorted({self._index(plane, device_id) for device_id in device_ids})
        body = self.store.profile(app["name"], app["version"]) or {}
        profile = PROFILES.dump_python(PROFILES.validate_python(body), mode="json")
        name = self.populations[plane].device_id
        number = self.store.add_command(
            plane=plane,
            kind=kind,
            app=app["number"],
            at=self.clock(),
            indexes=indexes,
            target_sha256=hashlib.sha256("\n".join(map(name, indexes)).encode()).hexdigest(),
            profile=profile,
            marker=marker,
            assignment=assignment,
            strategy=strategy,
        )
        return {"id": f"{_PREFIXES[kind]}{number}", "device_count": len(indexes)}

    def _index(self, plane: str, device_id: str) -> int:
        index = self.populations[plane].index(device_id)
        if index is None:
            raise FleetError(404, "unknown_device", f"plane {plane!r} has no device {device_id!r}")
        return index

    def _describe(self, plane: str, index: int) -> dict[str, Any]:
        member = self.populations[plane].member(index)
        return {
            "id": member.id,
            "name": member.name,
            "site": member.site,
            "site_class": member.site_class,
            "groups": member.groups,
            "critical_infrastructure": member.critical_infrastructure,
        }

    def _page(
        self, plane: str, indexes: Sequence[int], cursor: str | None, limit: int
    ) -> tuple[Sequence[int], str | None]:
        """The ``limit`` indexes after the cursor, a device id, and the cursor of the page that follows."""
        if not 1 <= limit <= PAGE_LIMIT:
            raise FleetError(400, "bad_limit", f"limit is between 1 and {PAGE_LIMIT}")
        start = 0
        if cursor is not None:
            index = self.populations[plane].index(cursor)
            if index is None:
                raise FleetError(400, "bad_cursor", "the cursor is not one of this fleet's")
            start = bisect_right(indexes, index)
        page = indexes[start : start + limit]
        more = start + limit < len(indexes)
        return page, self.populations[plane].device_id(page[-1]) if more else None

    def _commands_of(self, plane: str, application: str) -> list[_Command]:
        rows = self.store.application_commands(plane, application)
        return [self._decoded(row["number"], row["removed_at"], plane) for row in rows]

    def _decode(self, number: int, removed_at: float | None, plane: str) -> _Command:
        row = self.store.command_with_app(number)
        profile = PROFILES.validate_json(row["profile"])
        indexes = decode_indexes(row["indexes"])
        again = row["kind"] == "retry"
        return _Command(
            number=number,
            kind=row["kind"],
            app=row["app"],
            ordered_at=row["ordered_at"],
            ordinal=row["ordinal"],
            strategy=row["strategy"],
            removed_at=removed_at,
            indexes=indexes,
            profiles=Behaviour.per_group(profile),
            retry=Retry(row["ordered_at"], profile, frozenset(indexes)) if again else None,
            assignment=row["assignment"],
            behaviour=self._behaviour(plane, row["name"], row["version"]),
        )

    def _make_behaviour(self, plane: str, application: str, version: str) -> Behaviour:
        return Behaviour(self.populations[plane], application=application, version=version)


def _number(kind: str, identifier: str) -> int:
    """The row number in an identifier of ours; -1, which no row has, for anything else."""
    digits = identifier.removeprefix(_PREFIXES[kind])
    return int(digits) if digits != identifier and digits.isascii() and digits.isdigit() and len(digits) < 19 else -1


def _ends(command: _Command, later: _Command) -> bool:
    """Whether a later order ends what ``command``, an assignment, still does on the devices of both."""
    return (later.kind == "uninstall" and later.app == command.app) or (
        later.kind == "assignment" and later.app != command.app
    )


def _cut(later: Sequence[_Command], index: int, until: float) -> float:
    """When an assignment's work on a device ends at the latest: at the first order that ends it, or ``until``."""
    return next((min(until, order.ordered_at) for order in later if order.holds(index)), until)


def _retries(commands: Sequence[_Command], assignment: int) -> tuple[Retry, ...]:
    return tuple(command.retry for command in commands if command.retry and command.assignment == assignment)


def _standing(commands: Sequence[_Command], index: int, now: float) -> int | None:
    """Which object of an application stands on a device at ``now``, by everything ordered for it."""
    mine = [command for command in commands if command.holds(index)]
    stack: list[int] = []  # objects in the order in which they came; the last one stands
    for position, command in enumerate(mine):
        if command.kind == "assignment":
            until = now if command.removed_at is None else min(now, command.removed_at)
            until = _cut([later for later in mine[position + 1 :] if _ends(command, later)], index, until)
            retries = _retries(mine, command.number)
            arguments = {"assigned_at": command.ordered_at, "now": until}
            if command.behaviour.installed_at(index, command.profiles, **arguments, retries=retries) is not None:
                stack = [app for app in stack if app != command.app] + [command.app]
        elif command.kind == "uninstall" and command.app in stack:
            at = command.behaviour.removed_at(
                index, command.profiles, ordered_at=command.ordered_at, ordinal=command.ordinal
            )
            if at is not None and now >= at:
                stack.remove(command.app)
                if command.strategy == "assignment_remove":
                    stack.clear()  # nothing is put back; the other strategies bring the version before
    return stack[-1] if stack else None
