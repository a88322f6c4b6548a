"""The ``ansible`` connector playing real playbooks on local hosts; the application is a script that says what it is."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from eucora.connectors.ansible.hosts import write_inventory
from eucora.connectors.ansible.inventory import InventoryReader
from eucora.connectors.ansible.plane import AnsiblePlane
from eucora.connectors.ansible.settings import AnsibleSettings
from eucora.ports.plane import EffectKey
from tests.contracts.plane_harness import Ability, PlaneHarness, Start, example_package

INSTALL = """\
test -e "$2/blocked" && { echo "the disk is full" >&2; exit 1; }
grep -q installer "$1" && printf '#!/bin/sh\\necho %s\\n' "$3" > "$2/viewer" && chmod +x "$2/viewer"
"""


class AnsibleHarness(PlaneHarness):
    group = "canary"
    exempt: Mapping[Ability, str] = {
        Ability.FOREIGN_OBJECTS: "objects are in the connector's own ledger; hosts hold none",
        Ability.LOST_ANSWERS: "no answer travels: an effect, its record and its answer are one transaction in a file",
        Ability.HELD_ANSWERS: "see lost answers; a kill between record and play is in tests/connectors/ansible",
        Ability.TROUBLE: "no service stands between the connector and Ansible that could refuse a call",
    }

    def __init__(self, folder: Path) -> None:
        # One inventory for all tests, because Ansible takes half a second to read it; the hosts are new in each.
        self._hosts = folder.parent / "ansible-world"
        shutil.rmtree(self._hosts / "hosts", ignore_errors=True)
        self._inventory = write_inventory(self._hosts, {"canary": 6, "pilot": 1})
        (folder / "install").write_text(INSTALL, encoding="utf-8")
        environment = {"EUCORA_ANSIBLE_INVENTORY": str(self._inventory), "EUCORA_ANSIBLE_STATE": str(folder)}
        self._settings = AnsibleSettings.for_plane("ansible", environment)
        self.members = tuple(f"canary-{number:02d}" for number in range(1, 7))
        self.package = replace(
            example_package(),
            install_command=f"/bin/sh {folder / 'install'} {{artifact}} {{root}} {{version}}",
            uninstall_command="rm {root}/viewer",
            detection={"command": "{root}/viewer --version"},
        )
        self.plane = self._ansible = self._adapter()

    def _adapter(self) -> AnsiblePlane:
        return AnsiblePlane(self._settings, inventory=_reader(self._hosts, self._inventory))

    async def restart(self) -> None:
        await self.plane.aclose()
        self.plane = self._ansible = self._adapter()

    async def settle(self) -> None:
        async with asyncio.timeout(50):
            while await self._ansible.resume():  # noqa: ASYNC110 - processes of their own work on a file
                await asyncio.sleep(0.1)

    async def effects(self, key: EffectKey) -> int:
        return sum(entry.applied for entry in await self._ansible.ledger() if entry.key == str(key))

    async def fail(self, *device_ids: str) -> None:
        for member in self.members:
            blocked = self._hosts / "hosts" / member / "blocked"
            if member in device_ids:
                blocked.touch()
            else:
                blocked.unlink(missing_ok=True)

    async def silence(self, *device_ids: str) -> None:
        inventory: dict[str, Any] = yaml.safe_load(self._inventory.read_text(encoding="utf-8"))
        unreachable = self._hosts / "no-route-to-host"
        unreachable.write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")  # what ssh says when it gets no connection
        unreachable.chmod(0o755)
        for device_id in device_ids:
            inventory["all"]["children"]["canary"]["hosts"][device_id] |= {
                "ansible_connection": "ssh",
                "ansible_ssh_executable": str(unreachable),
            }
        self._inventory.write_text(yaml.safe_dump(inventory), encoding="utf-8")


@cache
def _reader(state: Path, inventory: Path) -> InventoryReader:
    return InventoryReader(AnsibleSettings(plane="ansible", inventory=inventory, state=state, inventory_max_age=3_600))


@asynccontextmanager
async def start(folder: Path) -> AsyncIterator[PlaneHarness]:
    pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")
    harness = AnsibleHarness(folder)
    yield harness
    await harness.plane.aclose()


HARNESSES: dict[str, Start] = {"ansible": start}
