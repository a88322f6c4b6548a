"""The stack as a whole: real Postgres and Temporal, started, killed, restarted, stopped, leaving nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from eucora.stack import AlreadyRunning, Folder, ServiceFailed, Stack, StackError, StackInfo, supervisor
from eucora.stack.ports import LOOPBACK, PREFERRED
from eucora.stack.postgres import OWNER
from eucora.stack.processes import Command
from eucora.stack.services import Service, Wiring

pytestmark = pytest.mark.stack

SERVERS = ("postgres", "temporal")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres and Temporal of one project folder."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DATABASE_URL", raising=False)
        environment.delenv("TEMPORAL_ADDRESS", raising=False)
        with Stack(tmp_path_factory.mktemp("project"), services=SERVERS) as stack:
            stack.start()
            yield stack


def answers(url: str) -> bool:
    return httpx.get(url, trust_env=False).status_code == httpx.codes.OK


def test_a_running_stack_says_where_everything_is(stack: Stack) -> None:
    info = stack.info
    assert set(info.pids) == set(SERVERS)
    assert info.urls["temporal"] == f"{LOOPBACK}:{info.ports['temporal']}"
    assert answers(info.urls["temporal-ui"])
    assert answers(info.urls["temporal-metrics"])
    assert StackInfo.of_running(stack.folder.root) == info
    assert stack.ended() == ()


def test_the_state_file_holds_no_secret(stack: Stack) -> None:
    text = stack.folder.state.read_text()
    assert json.loads(text)["pid"] == os.getpid()
    for path in stack.folder.keys.iterdir():
        assert path.read_text().strip() not in text


def test_a_second_stack_in_the_same_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        Stack(stack.folder.root, services=SERVERS).start()
    assert answers(stack.info.urls["temporal-ui"])


def test_a_killed_service_is_noticed_and_comes_back_with_its_data(stack: Stack) -> None:
    with psycopg.connect(stack.database_url(OWNER), autocommit=True) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
    before = stack.info
    for name in SERVERS:
        os.kill(before.pids[name], signal.SIGKILL)
        psutil.wait_procs([psutil.Process(before.pids[name])])
    assert set(stack.ended()) == set(SERVERS)
    for name in SERVERS:
        stack.restart(name)
    after = stack.info
    assert after.ports == before.ports
    assert after.pids.keys() == before.pids.keys()
    assert after.pids != before.pids
    with psycopg.connect(stack.database_url(OWNER)) as owner:
        assert owner.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_service_killed_on_purpose_stays_down_until_restarted(stack: Stack) -> None:
    pid = stack.info.pids["temporal"]
    stack.kill("temporal")
    assert not psutil.pid_exists(pid)
    assert "temporal" not in stack.info.pids
    assert stack.ended() == ()
    with pytest.raises(StackError, match="does not run"):
        stack.kill("temporal")
    stack.restart("temporal")
    assert answers(stack.info.urls["temporal-ui"])


def test_only_services_of_this_stack_can_be_restarted(stack: Stack) -> None:
    with pytest.raises(StackError, match="no service of this stack"):
        stack.restart("api")


def test_an_unknown_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such service: kafka"):
        Stack(tmp_path, services=["kafka"])


def test_a_stack_that_does_not_run_has_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="start it first"):
        _ = Stack(tmp_path).info
    assert StackInfo.of_running(tmp_path) is None


def test_a_service_that_fails_stops_the_rest_and_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(wiring: Wiring) -> Service:
        code = "raise SystemExit('no such table: deployment')"
        log = wiring.folder.log("fleet")
        command = Command(
            name="fleet", arguments=[sys.executable, "-c", code], environment={}, folder=tmp_path, log=log
        )
        return Service(command=command, ready_url=wiring.url("fleet"), urls={})

    monkeypatch.setattr(supervisor, "PLANNED", {**supervisor.PLANNED, "fleet": broken})
    before = psutil.Process().children()
    stack = Stack(tmp_path, services=["postgres", "fleet"])
    with pytest.raises(ServiceFailed, match="no such table: deployment") as failure:
        stack.start()
    assert failure.value.service == "fleet"
    assert StackInfo.of_running(tmp_path) is None
    assert not Folder(tmp_path).state.exists()
    assert psutil.Process().children() == before


def test_somebody_elses_servers_are_used_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:secret@db.example.org/eucora")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.org:7233")
    said: list[str] = []
    with Stack(tmp_path, services=SERVERS) as stack:
        info = stack.start(said.append)
        assert info.pids == {}
        assert info.urls == {"temporal": "temporal.example.org:7233"}
        with pytest.raises(StackError, match="DATABASE_URL"):
            stack.database_url()
    assert any("DATABASE_URL" in message for message in said)
    assert not any("secret" in message for message in said)


STACK_IN_ANOTHER_PROCESS = """
    import signal, sys
    from pathlib import Path
    from eucora.stack import Stack
    with Stack(Path(sys.argv[1]), services=("postgres", "temporal")) as stack:
        info = stack.start(lambda message: print(message, flush=True))
        print("pids", *info.pids.values(), flush=True)
        signal.pause()
"""


def start_elsewhere(root: Path) -> tuple["subprocess.Popen[str]", list[str], list[psutil.Process]]:
    """Start a stack in a process of its own; return it, what it said, and its children with theirs."""
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STACK_IN_ANOTHER_PROCESS), str(root)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert parent.stdout is not None
    said: list[str] = []
    for line in parent.stdout:
        said.append(line.strip())
        if line.startswith("pids"):
            return parent, said, psutil.Process(parent.pid).children(recursive=True)
    pytest.fail("\n".join(said))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
def test_whichever_way_the_stack_ends_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    parent, _said, family = start_elsewhere(tmp_path)
    assert len(family) > len(SERVERS)  # Postgres has children of its own
    parent.send_signal(number)
    _ended, alive = psutil.wait_procs(family, timeout=20)
    parent.communicate()
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert StackInfo.of_running(tmp_path) is None
    if number in (signal.SIGTERM, signal.SIGHUP):
        assert parent.returncode == 128 + number


def test_taken_ports_are_replaced_and_the_next_run_finds_the_data(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "PREFERRED", {**PREFERRED, "postgres": taken.getsockname()[1]})
        said: list[str] = []
        with Stack(tmp_path, services=["postgres"]) as stack:
            info = stack.start(said.append)
            assert info.ports["postgres"] != taken.getsockname()[1]
            with psycopg.connect(stack.database_url(OWNER), autocommit=True) as owner:
                owner.execute("CREATE TABLE kept (id int)")
        assert any("is taken" in message for message in said)
    with Stack(tmp_path, services=["postgres"]) as stack:
        stack.start()
        with psycopg.connect(stack.database_url(OWNER)) as owner:
            assert owner.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert Folder(tmp_path).logs.joinpath("postgres.previous.log").exists()
