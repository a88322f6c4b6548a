"""The planes of the local stack: a virtual fleet of two planes, and 31 local hosts that Ansible works on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from eucora.connectors.ansible.hosts import DEFAULT_RINGS, parse_rings, write_inventory
from eucora.stack import FleetPlan, Folder

__all__ = ["ANSIBLE_PLANE", "ansible_state", "hosts_root", "local_environment"]

ANSIBLE_PLANE: Final = "ansible"


def hosts_root(folder: Folder) -> Path:
    """Where the local hosts are: each is a folder."""
    return folder.path / "hosts"


def ansible_state(folder: Folder) -> Path:
    """The Ansible connector's state folder: ledger, content cache, runs; the plane's own is a folder in it."""
    return folder.path / "ansible"


def local_environment(folder: Folder, fleet: FleetPlan) -> dict[str, str]:
    """Make the local hosts and return the variables that tell API and worker of every plane."""
    inventory = write_inventory(hosts_root(folder), parse_rings(DEFAULT_RINGS))
    planes = [*(f"{name}=sim" for name in fleet.planes), f"{ANSIBLE_PLANE}=ansible"]
    return {
        "EUCORA_PLANES": ",".join(planes),
        "EUCORA_FLEET_PLANES": ",".join(f"{name}={mode}" for name, mode in fleet.planes.items()),
        "EUCORA_ANSIBLE_INVENTORY": str(inventory),
        "EUCORA_ANSIBLE_STATE": str(ansible_state(folder)),
    }
