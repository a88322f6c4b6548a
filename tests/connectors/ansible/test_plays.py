"""Real playbooks on local hosts: a real wheel, put by pip into environments without it, detected by running it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from eucora.domain.devices import DeviceState
from eucora.domain.errors import PlaneConflict, PlaneInvalid, PlanePermanent
from eucora.domain.vocabulary import Operation, RollbackStrategy
from eucora.observability import context
from tests.connectors.ansible.worlds import World, key, states, wheel

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.plane.aclose()


def says(world: World, host: str) -> str:
    program = world.root(host) / "environments" / "greeter" / "bin" / "greeter"
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def plays(world: World, assignment_id: str) -> list[Path]:
    return sorted((world.state / "jobs" / assignment_id / "plays").iterdir())


async def test_a_wheel_is_installed_upgraded_and_taken_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One walk through a life, because a play costs seconds: each step says what it shows."""
    monkeypatch.setenv("EUCORA_TOKEN", "a secret of the worker")
    world.set_variable("lab-02", "eucora_copy_artifact", True)
    package, content = wheel("1.0.0")
    first_id = await world.publish(package, content)

    # Installed where asked, and nowhere else; the hosts' environments are their own and have no pip.
    assigned = await world.plane.assign(key(Operation.ASSIGN), first_id, package, world.hosts[:2])
    found = await world.settled(assigned.assignment_id)
    assert states(found) == {DeviceState.SUCCEEDED}
    assert [status.attempts for status in found.values()] == [1, 1]
    assert {says(world, host) for host in world.hosts[:2]} == {"greeter 1.0.0"}
    assert list(world.root("lab-03").iterdir()) == []
    assert not (world.root("lab-01") / "environments" / "greeter" / "bin" / "pip").exists()

    # The host that asked for a copy got it, whole; the other was served from the content cache.
    copy = world.root("lab-02") / "content" / package.artifact_sha256 / package.artifact_name
    assert copy.read_bytes() == content
    assert not (world.root("lab-01") / "content").exists()

    # What ansible-runner writes down holds nothing of the worker's environment.
    assert (
        "a secret of the worker" not in (plays(world, assigned.assignment_id)[0] / "artifacts/play/command").read_text()
    )

    # Asked for again by another deployment, nothing changes.
    again_key = key(Operation.ASSIGN, "dep-2")
    before = (world.root("lab-01") / "environments" / "greeter" / ".whole").stat().st_mtime_ns
    again = await world.plane.assign(again_key, first_id, package, world.hosts[:1])
    assert states(await world.settled(again.assignment_id)) == {DeviceState.SUCCEEDED}
    stdout = (plays(world, again.assignment_id)[0] / "artifacts/play/stdout").read_text()
    assert "changed=0" in stdout
    assert (world.root("lab-01") / "environments" / "greeter" / ".whole").stat().st_mtime_ns == before

    # A later version replaces it; taking the earlier one off leaves the later one alone.
    later, later_content = wheel("1.1.0")
    later_id = await world.publish(later, later_content)
    upgraded = await world.plane.assign(key(Operation.ASSIGN, "dep-3"), later_id, later, world.hosts[:1])
    assert states(await world.settled(upgraded.assignment_id)) == {DeviceState.SUCCEEDED}
    await world.plane.roll_back(key(Operation.ROLL_BACK), RollbackStrategy.PLAYBOOK, first_id, package, world.hosts[:2])
    verified = await world.plane.verify(first_id, package, world.hosts)
    assert verified.complete
    assert says(world, "lab-01") == "greeter 1.1.0"
    assert not (world.root("lab-02") / "environments" / "greeter").exists()
    assert (await world.plane.verify(later_id, later, world.hosts)).remaining == ("lab-01",)


async def test_a_host_that_cannot_fails_alone_after_its_attempts_and_says_why(tmp_path: Path) -> None:
    world = World(tmp_path, hosts=2, max_attempts="2")
    package, content = wheel("1.0.0")
    object_id = await world.publish(package, content)
    half_made = world.root("lab-01") / "environments" / "greeter" / "lib" / "half-written"
    half_made.mkdir(parents=True)  # as a killed run leaves it: without the mark that the environment is whole
    (world.root("lab-02") / "environments").write_text("a file where a folder should be", encoding="utf-8")
    assigned = await world.plane.assign(key(Operation.ASSIGN), object_id, package, world.hosts[:2])
    found = await world.settled(assigned.assignment_id)
    assert found["lab-01"].state is DeviceState.SUCCEEDED
    assert not half_made.exists()
    assert (found["lab-02"].state, found["lab-02"].attempts) == (DeviceState.FAILED, 2)
    assert "environment could not be made" in (found["lab-02"].error or "")

    (world.root("lab-02") / "environments").unlink()
    await world.plane.retry(key(Operation.RETRY), assigned.assignment_id, ("lab-02",))
    found = await world.settled(assigned.assignment_id)
    assert (found["lab-02"].state, found["lab-02"].attempts) == (DeviceState.SUCCEEDED, 3)
    assert found["lab-01"].attempts == 1
    await world.plane.aclose()


async def test_what_a_pack_says_is_never_a_template(tmp_path: Path) -> None:
    """A template in a command would run on the worker's machine, with the worker's rights."""
    world = World(tmp_path, hosts=1, max_attempts="1")
    planted = tmp_path / "planted"
    package, content = wheel("1.0.0")
    package = replace(
        package,
        application="Greeter {{ lookup('pipe', 'touch " + str(planted) + "') }}",
        install_command="/bin/echo {{lookup('pipe','touch " + str(planted) + "')}} {{ '{{' }}",
    )
    object_id = await world.publish(package, content)
    with context(correlation_id="corr-1"):
        assigned = await world.plane.assign(key(Operation.ASSIGN), object_id, package, ("lab-01",))
    found = await world.settled(assigned.assignment_id)
    assert "installed, and then found no application" in (found["lab-01"].error or "")
    assert not planted.exists()
    variables = (plays(world, assigned.assignment_id)[0] / "env" / "extravars").read_text("utf-8")
    assert 'eucora_correlation_id: !unsafe "corr-1"' in variables
    assert (await world.entry(key(Operation.ASSIGN))).correlation_id == "corr-1"
    await world.plane.aclose()


async def test_a_silent_host_is_unknown_and_is_tried_again_later(tmp_path: Path) -> None:
    world = World(tmp_path, hosts=1, unreachable_interval="1")
    refusing = tmp_path / "no-route-to-host"
    refusing.write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
    refusing.chmod(0o755)
    world.set_variable("lab-01", "ansible_connection", "ssh")
    world.set_variable("lab-01", "ansible_ssh_executable", str(refusing))
    package, content = wheel("1.0.0")
    object_id = await world.publish(package, content)
    assigned = await world.plane.assign(key(Operation.ASSIGN), object_id, package, world.hosts)
    found = await world.settled(assigned.assignment_id)
    world.set_variable("lab-01", "ansible_connection", "local")
    assert found["lab-01"].state is DeviceState.UNKNOWN
    assert found["lab-01"].attempts == 0
    while (found := await world.settled(assigned.assignment_id))["lab-01"].state is DeviceState.UNKNOWN:
        pass  # until its time has come; the suite's timeout is the limit
    assert found["lab-01"].state is DeviceState.SUCCEEDED
    await world.plane.aclose()


class TestRefusals:
    async def test_a_key_stands_for_one_request(self, world: World) -> None:
        package, content = wheel("1.0.0")
        object_id = await world.publish(package, content)
        await world.plane.assign(key(Operation.ASSIGN), object_id, package, world.hosts[:1])
        with pytest.raises(PlaneConflict) as caught:
            await world.plane.assign(key(Operation.ASSIGN), object_id, package, world.hosts[:2])
        assert caught.value.code == "key_reused"

    async def test_an_object_is_installed_as_it_was_published(self, world: World) -> None:
        package, content = wheel("1.0.0")
        object_id = await world.publish(package, content)
        other = replace(package, install_command="something else")
        with pytest.raises(PlaneInvalid) as caught:
            await world.plane.assign(key(Operation.ASSIGN), object_id, other, world.hosts[:1])
        assert caught.value.code == "object_mismatch"

    @pytest.mark.parametrize("changes", [{"install_command": " "}, {"uninstall_command": ""}, {"detection": {}}])
    async def test_a_package_that_lacks_a_command_is_not_published(
        self, world: World, changes: dict[str, object]
    ) -> None:
        package, content = wheel("1.0.0")
        with pytest.raises(PlaneInvalid) as caught:
            await world.publish(replace(package, **changes), content)  # type: ignore[arg-type]
        assert caught.value.code == "package_incomplete"

    async def test_content_that_left_the_cache_is_asked_for(self, world: World) -> None:
        package, content = wheel("1.0.0")
        object_id = await world.publish(package, content)
        (world.state / "content" / package.artifact_sha256 / package.artifact_name).unlink()
        with pytest.raises(PlanePermanent) as caught:
            await world.plane.assign(key(Operation.ASSIGN), object_id, package, world.hosts[:1])
        assert caught.value.code == "content_missing"


async def test_content_altered_in_the_cache_is_not_installed(world: World) -> None:
    package, content = wheel("1.0.0")
    object_id = await world.publish(package, content)
    (world.state / "content" / package.artifact_sha256 / package.artifact_name).write_bytes(b"something else")
    assigned = await world.plane.assign(key(Operation.ASSIGN), object_id, package, ("lab-01",))
    found = await world.settled(assigned.assignment_id)
    assert found["lab-01"].state is DeviceState.UNKNOWN
    assert "publish it again" in (found["lab-01"].error or "")
    assert list(world.root("lab-01").iterdir()) == []
