"""Kills and stops in the middle of a play: nothing is applied twice, nothing is lost, nothing is left running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from eucora.connectors.ansible import jobs
from eucora.connectors.ansible.ledger import end_jobs
from eucora.connectors.ansible.processes import MARKER
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.supervisor import marker
from eucora.domain.devices import DeviceState
from eucora.domain.vocabulary import Operation
from tests.connectors.ansible.worlds import HeldScript, World, key, states

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

ROOT = Path(__file__).resolve().parents[3]
ASSIGN = key(Operation.ASSIGN)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, hosts=1)
    yield world
    await world.plane.aclose()


@pytest.fixture
def held(tmp_path: Path) -> HeldScript:
    return HeldScript(tmp_path)


async def begin(world: World, held: HeldScript) -> str:
    """Assign, and return the assignment once its installation has begun."""
    object_id = await world.publish(held.package, held.content)
    assigned = await world.plane.assign(ASSIGN, object_id, held.package, world.hosts)
    await held.began()
    return assigned.assignment_id


def processes_of(world: World, job_id: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == marker(world.state, job_id):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def job_process(world: World, job_id: str) -> int:
    with Store(world.state).read() as connection:
        process = jobs.get(connection, job_id).process
    assert process is not None
    return process.pid


def installations(world: World) -> int:
    return len((world.root("lab-01") / "installed.log").read_text("utf-8").splitlines())


async def test_a_play_killed_in_the_middle_is_played_again_as_the_same_effect(world: World, held: HeldScript) -> None:
    assignment = await begin(world, held)
    os.kill(job_process(world, assignment), signal.SIGKILL)
    task = asyncio.create_task(world.settled(assignment))
    await held.began()
    await held.go()
    assert states(await task) == {DeviceState.SUCCEEDED}
    entry = await world.entry(ASSIGN)
    assert (entry.received, entry.applied, entry.plays) == (1, 1, 2)
    assert installations(world) == 1


async def test_a_killed_worker_does_not_stop_the_play(world: World, held: HeldScript) -> None:
    script = textwrap.dedent(
        """
        import asyncio, json, os
        from tests.connectors.ansible.test_kills import ASSIGN
        from tests.connectors.ansible.worlds import Bytes, HeldScript, key
        from eucora.connectors.ansible import build
        from eucora.domain.vocabulary import Operation
        from eucora.ports.plane import Package

        async def main():
            plane = build("ansible", os.environ)
            package = Package(**json.loads(os.environ["PACKAGE"]))
            made = await plane.publish(key(Operation.PUBLISH, package.version), package, Bytes(HeldScript.content))
            await plane.assign(ASSIGN, made.object_id, package, ("lab-01",))
            print("assigned", flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        env={**os.environ, **world.environment, "PACKAGE": json.dumps(asdict(held.package)), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    await held.began()
    worker.kill()
    await worker.wait()

    object_id = await world.publish(held.package, held.content)
    assigned = await world.plane.assign(ASSIGN, object_id, held.package, world.hosts)
    await held.go()
    assert states(await world.settled(assigned.assignment_id)) == {DeviceState.SUCCEEDED}
    entry = await world.entry(ASSIGN)
    assert (entry.received, entry.applied, entry.plays) == (2, 1, 1)
    assert installations(world) == 1


async def test_closing_the_plane_ends_its_plays_and_the_next_one_takes_them_up(world: World, held: HeldScript) -> None:
    assignment = await begin(world, held)
    assert len(list(processes_of(world, assignment))) >= 3  # the job's process, ansible-playbook, the installation
    await world.plane.aclose()
    assert list(processes_of(world, assignment)) == []

    world.new_plane()
    in_between = (await world.plane.status(assignment)).statuses
    assert [status.state for status in in_between] == [DeviceState.IN_PROGRESS]
    await held.began()
    await held.go()
    assert states(await world.settled(assignment)) == {DeviceState.SUCCEEDED}
    assert (await world.entry(ASSIGN)).applied == 1


async def test_a_play_left_by_every_worker_ends_by_itself(tmp_path: Path, held: HeldScript) -> None:
    world = World(tmp_path, hosts=1, orphan_grace="1")
    assignment = await begin(world, held)
    process = psutil.Process(job_process(world, assignment))
    with Store(world.state).change() as connection:
        connection.execute("DELETE FROM worker")  # as if this worker had been killed
    await asyncio.to_thread(process.wait, 30)
    assert list(processes_of(world, assignment)) == []
    await world.plane.aclose()


async def test_a_whole_stack_ends_every_play_by_its_state_folder(world: World, held: HeldScript) -> None:
    assignment = await begin(world, held)
    assert await asyncio.to_thread(end_jobs, world.state) >= 3
    assert list(processes_of(world, assignment)) == []
    assert await asyncio.to_thread(end_jobs, world.state) == 0
    assert await asyncio.to_thread(end_jobs, world.folder / "no-such-state") == 0


async def test_a_verification_that_is_cancelled_leaves_nothing_running(world: World, held: HeldScript) -> None:
    object_id = await world.publish(held.package, held.content)
    probe = world.root("lab-01") / "held"
    probe.write_text(f"#!/bin/sh\necho began > {world.folder / 'began'}\nread go < {world.folder / 'go'}\n", "utf-8")
    probe.chmod(0o755)
    task = asyncio.create_task(world.plane.verify(object_id, held.package, world.hosts))
    await held.began()
    (job,) = [path.name for path in (world.state / "jobs").iterdir()]
    assert list(processes_of(world, job)) != []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(processes_of(world, job)) == []
    assert await world.plane.resume() == ()
