"""Reads the inventory with Ansible's own tool: every format and plugin that Ansible knows means what it means there."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from eucora.connectors.ansible import errors, player, translate
from eucora.connectors.ansible.settings import AnsibleSettings
from eucora.domain.devices import Device
from eucora.domain.errors import PlaneNotFound

__all__ = ["Inventory", "InventoryReader"]

READ_TIMEOUT = 60.0
"""Seconds that reading may take; a dynamic inventory asks somebody else."""

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Hosts by name and the sorted members of every group, those of its child groups included."""

    hosts: Mapping[str, Device]
    groups: Mapping[str, tuple[str, ...]]

    def members(self, group: str) -> tuple[str, ...]:
        """Raises ``PlaneNotFound(code="unknown_group")``."""
        if group not in self.groups:
            raise PlaneNotFound(f"The inventory has no group {group!r}.", code="unknown_group")
        return self.groups[group]

    def require(self, device_ids: tuple[str, ...]) -> tuple[Device, ...]:
        """Return the devices in the order asked for. Raises ``PlaneNotFound(code="unknown_device")``."""
        for device_id in device_ids:
            if device_id not in self.hosts:
                raise errors.unknown_device(device_id)
        return tuple(self.hosts[device_id] for device_id in device_ids)


def parse(listing: Mapping[str, Any]) -> Inventory:
    """Build the inventory from ``ansible-inventory --list``. Raises ``PlaneInvalid``."""
    groups = {name: _members(listing, name, frozenset()) for name in listing if name != "_meta"}
    groups["all"] = tuple(sorted({host for members in groups.values() for host in members}))
    of_host: dict[str, list[str]] = {host: [] for host in groups["all"]}
    for name, members in sorted(groups.items()):
        if name not in {"all", "ungrouped"}:
            for host in members:
                of_host[host].append(name)
    return Inventory(
        hosts={host: translate.device(listing, host, tuple(names)) for host, names in of_host.items()}, groups=groups
    )


def _members(listing: Mapping[str, Any], name: str, above: frozenset[str]) -> tuple[str, ...]:
    group = listing.get(name, {})
    hosts = set(group.get("hosts", []))
    for child in group.get("children", []):
        if child not in above:
            hosts.update(_members(listing, child, above | {name}))
    return tuple(sorted(hosts))


class InventoryReader:
    """Caches the inventory until a file of it changes, or for ``inventory_max_age`` seconds."""

    def __init__(self, settings: AnsibleSettings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._cached: Inventory | None = None
        self._fingerprint: Fingerprint = ()
        self._read_at = 0.0

    async def read(self) -> Inventory:
        """Raises ``PlanePermanent(code="inventory_unreadable")`` and ``PlaneInvalid``."""
        async with self._lock:
            fingerprint = await asyncio.to_thread(_fingerprint, self._settings.inventory)
            fresh = monotonic() - self._read_at <= self._settings.inventory_max_age
            if self._cached is None or not fresh or fingerprint != self._fingerprint:
                self._cached = parse(await self._list())
                self._fingerprint, self._read_at = fingerprint, monotonic()
            return self._cached

    async def _list(self) -> Mapping[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ansible",
            "inventory",
            "--list",
            "-i",
            str(self._settings.inventory),
            env=player.environment(self._settings, folder=self._settings.state),
            cwd=self._settings.state,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), READ_TIMEOUT)
        except TimeoutError:
            raise errors.inventory_unreadable(f"ansible-inventory was not done after {READ_TIMEOUT:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise errors.inventory_unreadable(err.decode("utf-8", "replace").strip()[-500:])
        listing: Mapping[str, Any] = json.loads(out)
        return listing


def _fingerprint(path: Path) -> Fingerprint:
    if not path.exists():
        raise errors.inventory_unreadable(f"{path} does not exist; set EUCORA_ANSIBLE_INVENTORY")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file())
