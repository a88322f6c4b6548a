"""Local hosts to play on, and the applications they get: a real wheel, and a script that can be held half-way."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml

from eucora.connectors.ansible import build
from eucora.connectors.ansible.effects import LedgerEntry
from eucora.connectors.ansible.hosts import write_inventory
from eucora.connectors.ansible.plane import AnsiblePlane
from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.vocabulary import Operation
from eucora.ports.plane import EffectKey, Package

PIP = "{interpreter} -I -m pip --isolated --disable-pip-version-check --python {python}"


class Bytes:
    """An ``ArtifactReader`` over one artifact; counts how often it was read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reads = 0

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        self.reads += 1
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


class World:
    """An inventory of folders below ``folder`` and a plane in front of it."""

    def __init__(self, folder: Path, *, hosts: int = 3, **settings: str) -> None:
        self.folder = folder
        self.inventory = write_inventory(folder / "world", {"lab": hosts})
        self.hosts = tuple(f"lab-{number:02d}" for number in range(1, hosts + 1))
        self.state = folder / "state" / "ansible"
        self.environment = {
            "EUCORA_ANSIBLE_INVENTORY": str(self.inventory),
            "EUCORA_ANSIBLE_STATE": str(folder / "state"),
            **{f"EUCORA_ANSIBLE_{name.upper()}": value for name, value in settings.items()},
        }
        self.plane = self.new_plane()

    def new_plane(self) -> AnsiblePlane:
        self.plane = build("ansible", self.environment)
        return self.plane

    def root(self, host: str) -> Path:
        return self.folder / "world" / "hosts" / host

    def set_variable(self, host: str, name: str, value: object) -> None:
        inventory: dict[str, Any] = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))
        inventory["all"]["children"]["lab"]["hosts"][host][name] = value
        self.inventory.write_text(yaml.safe_dump(inventory), encoding="utf-8")

    async def publish(self, package: Package, content: bytes) -> str:
        return (await self.plane.publish(key(Operation.PUBLISH, package.version), package, Bytes(content))).object_id

    async def settled(self, assignment_id: str) -> dict[str, DeviceStatus]:
        """The states once no job has anything left to do."""
        async with asyncio.timeout(40):
            while await self.plane.resume():  # noqa: ASYNC110 - processes of their own work on a file
                await asyncio.sleep(0.1)
        return {status.device_id: status for status in (await self.plane.status(assignment_id)).statuses}

    async def entry(self, effect: EffectKey) -> LedgerEntry:
        (found,) = [entry for entry in await self.plane.ledger() if entry.key == str(effect)]
        return found


def key(operation: Operation, deployment: str = "dep-1", *, revision: int = 1) -> EffectKey:
    return EffectKey(deployment_id=deployment, ring="LAB", plane="ansible", operation=operation, revision=revision)


def states(found: dict[str, DeviceStatus]) -> set[DeviceState]:
    return {status.state for status in found.values()}


def wheel(version: str) -> tuple[Package, bytes]:
    """A wheel with one command, ``greeter``, that says its version; the package that installs it with pip."""
    name = f"greeter-{version}-py3-none-any.whl"
    files = {
        "greeter.py": f'def main():\n    print("greeter {version}")\n',
        f"greeter-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: greeter\nVersion: {version}\n",
        f"greeter-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"greeter-{version}.dist-info/entry_points.txt": "[console_scripts]\ngreeter = greeter:main\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for path, text in files.items()
    )
    files[f"greeter-{version}.dist-info/RECORD"] = f"{record}greeter-{version}.dist-info/RECORD,,\n"
    content = _zip(files)
    package = Package(
        application="Greeter",
        version=version,
        vendor="Example Works",
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        artifact_name=name,
        artifact_size=len(content),
        install_command=f"{PIP} install --no-index --no-deps --no-compile --quiet {{artifact}}",
        uninstall_command=f"{PIP} uninstall --yes --quiet greeter",
        detection={"command": "{environment}/bin/greeter"},
        settings={"environment_command": "{interpreter} -m venv --without-pip {environment}"},
    )
    return package, content


def _zip(files: dict[str, str]) -> bytes:
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return archived.getvalue()


class HeldScript:
    """An application whose installation says when it has begun, and goes on when told; it logs each finished one."""

    content = b"an artifact that nobody looks into"

    def __init__(self, folder: Path) -> None:
        self._began, self._go = folder / "began", folder / "go"
        os.mkfifo(self._began)
        os.mkfifo(self._go)
        script = folder / "install"
        script.write_text(
            f"echo began > {self._began}\nread go < {self._go}\n"
            'printf "#!/bin/sh\\necho $2\\n" > "$1/held" && chmod +x "$1/held" && echo done >> "$1/installed.log"\n',
            encoding="utf-8",
        )
        self.package = Package(
            application="held",
            version="1.0",
            vendor="Example Works",
            artifact_sha256=hashlib.sha256(self.content).hexdigest(),
            artifact_name="held.bin",
            artifact_size=len(self.content),
            install_command=f"/bin/sh {script} {{root}} {{version}}",
            uninstall_command="rm {root}/held",
            detection={"command": "{root}/held"},
        )

    async def began(self) -> None:
        """Return once an installation has begun."""
        assert await asyncio.to_thread(self._began.read_text, encoding="utf-8") == "began\n"

    async def go(self) -> None:
        """Let the installation that has begun go on."""
        await asyncio.to_thread(self._go.write_text, "go\n", encoding="utf-8")
