"""Plays a playbook with ansible-runner: the only file that knows it. Blocking; runs in a job's own process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eucora.connectors.ansible import translate
from eucora.connectors.ansible.processes import MARKER
from eucora.connectors.ansible.settings import AnsibleSettings
from eucora.connectors.ansible.translate import HostResult

__all__ = ["PLAYBOOKS", "PlayEnd", "environment", "play"]

PLAYBOOKS = Path(__file__).parent / "playbooks"

INHERITED = ("HOME", "LOGNAME", "USER", "TMPDIR", "TZ", MARKER)
POLL_SECONDS = 1
"""How often ansible-runner asks whether to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayEnd:
    """How a play ended. ``status`` is ansible-runner's: successful, failed, canceled, timeout or error."""

    status: str
    results: tuple[HostResult, ...]


def environment(settings: AnsibleSettings, *, folder: Path) -> dict[str, str]:
    """The whole environment of an Ansible process.

    Nothing else is inherited: ansible-runner writes the environment to a file, and a worker's holds secrets. No
    configuration of the user's is read; what Ansible keeps (``home``) and drops (``tmp``) is below our folders.
    """
    inherited = {name: os.environ[name] for name in (*INHERITED, *settings.pass_environment) if name in os.environ}
    programs = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    return {
        **inherited,
        "PATH": os.pathsep.join(dict.fromkeys(programs)),
        "LC_ALL": "C.UTF-8",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_HOME": str(settings.state / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_PYTHON_INTERPRETER": str(settings.interpreter),
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner would switch it off
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }


def play(
    settings: AnsibleSettings,
    playbook: str,
    *,
    hosts: Sequence[str],
    variables: Mapping[str, str | int],
    folder: Path,
    on_result: Callable[[HostResult], None],
    stop: Callable[[], bool],
) -> PlayEnd:
    """Play ``<playbook>.yml`` on exactly these hosts and return each one's result.

    ``folder`` becomes ansible-runner's private folder. ``on_result`` is called as soon as a host's result is
    known; ``stop`` is asked every second and ends the play when it says true.
    """
    import ansible_runner  # noqa: PLC0415 - heavy, and needed in the job's process alone

    _prepare(folder, hosts, variables)
    seen: dict[str, HostResult] = {}

    def on_event(event: Mapping[str, object]) -> bool:
        result = translate.of_event(event)
        if result is not None and result.host not in seen:
            seen[result.host] = result
            on_result(result)
        return False  # results are in the ledger; event files are not kept

    runner = ansible_runner.run(
        private_data_dir=str(folder),
        ident="play",
        playbook=str(PLAYBOOKS / f"{playbook}.yml"),
        inventory=str(settings.inventory),
        limit=f"@{folder / 'hosts'}",
        forks=settings.forks,
        envvars=environment(settings, folder=folder),
        settings={"pexpect_timeout": POLL_SECONDS, "job_timeout": settings.run_timeout},
        fact_cache_type="memory",
        event_handler=on_event,
        cancel_callback=stop,
        quiet=True,
    )
    for host in hosts:
        if host not in seen:
            seen[host] = translate.of_stats(host, runner.stats)
    return PlayEnd(status=runner.status, results=tuple(seen[host] for host in hosts))


def _prepare(folder: Path, hosts: Sequence[str], variables: Mapping[str, str | int]) -> None:
    for name in ("env", "tmp"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / "hosts").write_text("".join(f"{host}\n" for host in hosts), encoding="utf-8")
    # `!unsafe`: what a pack says is a value. Ansible would evaluate a template in it, on this machine.
    lines = [f"{name}: !unsafe {json.dumps(value)}\n" for name, value in sorted(variables.items())]
    (folder / "env" / "extravars").write_text("---\n" + "".join(lines), encoding="utf-8")
