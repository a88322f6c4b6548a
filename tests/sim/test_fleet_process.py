"""The fleet as a process: what it has acknowledged survives SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eucora.connectors.sim import build
from eucora.domain.vocabulary import Operation
from eucora.ports.plane import EffectKey, Plane
from eucora.sim.fleet import main
from tests.contracts.plane_harness import Bytes, example_package

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = example_package()


@asynccontextmanager
async def fleet(data: Path) -> AsyncIterator[tuple[Process, str]]:
    """Start the real command; yield the process and its address; end it if it still runs."""
    command = ("-m", "eucora.sim.fleet", "--port", "0", "--plane", "sim-mac=naive", "--devices", "240", "--data", data)
    process = await asyncio.create_subprocess_exec(sys.executable, *map(str, command), stdout=PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        assert line.startswith("fleet ready on http://127.0.0.1:"), line
        yield process, line.split()[-1]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


def adapter(url: str) -> Plane:
    return build("sim-mac", {"EUCORA_FLEET_URL": url, "EUCORA_FLEET_PLANES": "sim-mac=naive"})


def key(operation: Operation) -> EffectKey:
    return EffectKey(deployment_id="dep-1", ring="LAB", plane="sim-mac", operation=operation)


async def test_a_killed_fleet_remembers_what_it_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "fleet.db"
    async with fleet(data) as (process, url):
        plane = adapter(url)
        devices = tuple(device.id for device in (await plane.inventory("canary")).devices)
        made = await plane.publish(key(Operation.PUBLISH), PACKAGE, Bytes())
        assigned = await plane.assign(key(Operation.ASSIGN), made.object_id, PACKAGE, devices)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await plane.aclose()
    async with fleet(data) as (_, url):
        plane = adapter(url)
        again = await plane.assign(key(Operation.ASSIGN), made.object_id, PACKAGE, devices)
        assert again.adopted
        assert again.assignment_id == assigned.assignment_id
        page = await plane.status(assigned.assignment_id)
        assert tuple(status.device_id for status in page.statuses) == devices
        await plane.aclose()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plane", "sim-mac=clever"], "NAME=keyed"),
        (["--plane", "a=keyed", "--plane", "a=naive"], "'a=naive'"),
        (["--plane", "a=keyed", "--devices", "0"], "at least one device"),
    ],
)
def test_arguments_that_make_no_fleet_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([*arguments, "--data", str(tmp_path / "fleet.db")]) == 2
    assert said in capsys.readouterr().err


async def test_a_data_file_belongs_to_one_fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "fleet.db"
    async with fleet(data):
        pass
    arguments = ["--plane", "sim-mac=naive", "--devices", "240", "--seed", "2", "--data", str(data)]
    assert main(arguments) == 2
    assert "seed is 1, not 2" in capsys.readouterr().err


async def test_a_port_that_is_taken_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path / "fleet.db") as (_, url):
        taken = url.rpartition(":")[2]
        assert main(["--plane", "a=keyed", "--port", taken, "--data", str(tmp_path / "other.db")]) == 2
    assert "fleet: " in capsys.readouterr().err
