"""Makes an inventory of local hosts: ``python -m eucora.connectors.ansible.hosts --root DIR --rings lab=1,canary=2``.

Every host is a folder of its own below the root, reached by Ansible's ``local`` connection; groups are rings. It is how
the quick start has 31 hosts on one machine, each with its own environment, without a container.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from eucora.domain.vocabulary import SiteClass

__all__ = ["DEFAULT_RINGS", "parse_rings", "write_inventory"]

DEFAULT_RINGS = "lab=1,canary=2,pilot=4,department=8,global=16"
INVENTORY_NAME = "inventory.yml"
MAX_HOSTS = 1000


def parse_rings(text: str) -> dict[str, int]:
    """Parse ``lab=1,canary=2``. Raises ``ValueError`` that says what is wrong with it."""
    rings: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z][a-z0-9_]*)=(\d+)\s*", part)
        if match is None:
            raise ValueError(f"{part.strip()!r} is not RING=NUMBER; ring names have lower-case letters, digits and _")
        name, number = match.group(1), int(match.group(2))
        if name in rings or name in {"all", "ungrouped"}:
            raise ValueError(f"ring {name!r} is given twice, or is a name that Ansible keeps for itself")
        rings[name] = number
    if not 0 < sum(rings.values()) <= MAX_HOSTS:
        raise ValueError(f"there must be 1 to {MAX_HOSTS} hosts in all")
    return rings


def write_inventory(
    root: Path, rings: Mapping[str, int], *, site: str = "local", site_class: SiteClass = SiteClass.ONLINE
) -> Path:
    """Make the hosts' folders below ``root`` and write ``root/inventory.yml``; returns its path. Idempotent."""
    root = root.expanduser().absolute()
    children: dict[str, Any] = {}
    for ring, number in rings.items():
        hosts = {}
        for index in range(1, number + 1):
            host = f"{ring}-{index:02d}"
            folder = root / "hosts" / host
            folder.mkdir(parents=True, exist_ok=True)
            hosts[host] = {"eucora_root": str(folder)}
        children[ring] = {"hosts": hosts}
    variables = {"ansible_connection": "local", "site": site, "site_class": site_class.value}
    text = yaml.safe_dump({"all": {"vars": variables, "children": children}}, sort_keys=False)
    path = root / INVENTORY_NAME
    text = f"# Written by eucora.connectors.ansible.hosts: every host is a folder.\n{text}"
    if not path.exists() or path.read_text(encoding="utf-8") != text:  # an unchanged inventory is not read again
        path.write_text(text, encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m eucora.connectors.ansible.hosts", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder that will hold the hosts and inventory.yml")
    parser.add_argument("--rings", default=DEFAULT_RINGS, help=f"hosts per ring (default: {DEFAULT_RINGS})")
    parser.add_argument("--site", default="local", help="site of every host (default: local)")
    parser.add_argument("--site-class", type=SiteClass, choices=list(SiteClass), default=SiteClass.ONLINE)
    given = parser.parse_args(arguments)
    try:
        rings = parse_rings(given.rings)
    except ValueError as error:
        parser.error(f"--rings: {error}")
    sys.stdout.write(f"{write_inventory(given.root, rings, site=given.site, site_class=given.site_class)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
