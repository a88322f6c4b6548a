"""What the local stack has beside its services: planes and a packaging key.

The planes are a virtual fleet of two and 31 local hosts that Ansible works on; the API trusts the key's signatures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from eucora.connectors.ansible.hosts import DEFAULT_RINGS, parse_rings, write_inventory
from eucora.signing.keys import load_or_create_private_key, public_key_base64
from eucora.stack import FleetPlan, Folder

__all__ = ["ANSIBLE_PLANE", "ansible_state", "hosts_root", "local_environment", "packaging_key"]

ANSIBLE_PLANE: Final = "ansible"


def hosts_root(folder: Folder) -> Path:
    """Where the local hosts are: each is a folder."""
    return folder.path / "hosts"


def ansible_state(folder: Folder) -> Path:
    """The Ansible connector's state folder: ledger, content cache, runs; the plane's own is a folder in it."""
    return folder.path / "ansible"


def packaging_key(folder: Folder) -> Path:
    """Where the packaging key is: made at the first start, trusted by the local API, nobody's vendor key."""
    return folder.keys / "packaging.pem"


def local_environment(folder: Folder, fleet: FleetPlan) -> dict[str, str]:
    """Make hosts and packaging key, and return the variables that tell API and worker of them."""
    signer = {"public_key": public_key_base64(load_or_create_private_key(packaging_key(folder)))}
    signers = folder.path / "trusted-signers.json"
    signers.write_text(json.dumps({"signers": [signer]}) + "\n", encoding="utf-8")
    inventory = write_inventory(hosts_root(folder), parse_rings(DEFAULT_RINGS))
    planes = [*(f"{name}=sim" for name in fleet.planes), f"{ANSIBLE_PLANE}=ansible"]
    return {
        "EUCORA_PLANES": ",".join(planes),
        "EUCORA_FLEET_PLANES": ",".join(f"{name}={mode}" for name, mode in fleet.planes.items()),
        "EUCORA_ANSIBLE_INVENTORY": str(inventory),
        "EUCORA_ANSIBLE_STATE": str(ansible_state(folder)),
        "EUCORA_TRUSTED_SIGNERS_FILE": str(signers),
    }
