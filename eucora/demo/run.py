"""Running the demo: the stack, the preparation, four scenarios at once, the audit, the verdict."""

from __future__ import annotations

import shutil
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final

import httpx
from rich.live import Live
from rich.text import Text

from eucora.cli.audit import summary, verify_all
from eucora.cli.context import Output
from eucora.cli.errors import CliError
from eucora.cli.local import ANSIBLE_PLANE, ansible_state, hosts_root, local_environment, packaging_key
from eucora.cli.manifest import LoadedManifest, ManifestInvalid
from eucora.connectors.ansible.ledger import end_jobs
from eucora.demo import people
from eucora.demo.board import Board
from eucora.demo.ledgers import Fleet, ansible_effects, duplicated
from eucora.demo.people import Desk
from eucora.demo.prepare import PreparationFailed, Programs, prepare
from eucora.demo.scenarios import (
    EXPECTED,
    Interrupted,
    Scenario,
    Setting,
    TooSlow,
    bad_release,
    command_line,
    privileged,
    rejected,
)
from eucora.stack import FleetPlan, Folder, Stack, StackError, StackInfo
from eucora.stack.processes import sweep

__all__ = ["run_demo", "verdict"]

SCENARIOS: Final[Mapping[str, Callable[[Scenario], None]]] = {
    "A": command_line,
    "B": privileged,
    "C": bad_release,
    "D": rejected,
}
PORT_TAKEN: Final = "port "
"""So begins what the stack says of a port that it could not have: where to look instead must not scroll away."""
FAILED: Final = 1
INTERRUPTED: Final = 130


def run_demo(*, root: Path, examples: Path, output: Output, keep: bool = False) -> int:
    """Run the demo in ``root/.eucora/demo`` and return the exit status: 0 only when every claim is true."""
    home = root / ".eucora" / "demo"
    board = Board(output=output, live=output.console.is_terminal and not output.as_json)
    fleet = FleetPlan()
    try:
        _clear(home)
        environment = local_environment(Folder(home), fleet)
        with Stack(home, fleet=fleet, environment=environment) as stack:
            try:
                live = Live(console=output.console, get_renderable=board.draw, refresh_per_second=4)
                with live if board.live else nullcontext():
                    duplicates, audit = _play(stack, board, examples.resolve(), home)
                status = _conclude(board, output, duplicates=duplicates, audit=audit)
                if keep:
                    _keep(stack, output)
            finally:
                end_jobs(ansible_state(stack.folder) / ANSIBLE_PLANE)
    except KeyboardInterrupt:
        return _end(output, "DEMO FAILED interrupted", INTERRUPTED)
    except (StackError, PreparationFailed, CliError, ManifestInvalid, httpx.HTTPError) as error:
        return _end(output, f"DEMO FAILED {' '.join(str(error).split())}", FAILED)
    except SystemExit:  # a signal asked the stack to end
        _end(output, "DEMO FAILED terminated", FAILED)
        raise
    except Exception as error:  # noqa: BLE001 - whatever happens, the last line is the verdict
        traceback.print_exc()
        return _end(output, f"DEMO FAILED by a bug: {error!r}", FAILED)
    return status


def verdict(board: Board, *, duplicates: int, audit: str) -> tuple[bool, str]:
    """Whether everything is true, and the last line that says so."""
    states = {letter: track.view.state.value if track.view else "NONE" for letter, track in board.tracks.items()}
    summary = " ".join(f"{letter}={states.get(letter, 'NONE')}" for letter in EXPECTED)
    line = f"{summary} effects_duplicated={duplicates} audit={audit}"
    wrong = [f"{claim.scenario}: not so: {claim.sentence}" for claim in board.claims if not claim.true]
    good = (
        not wrong
        and duplicates == 0
        and audit == "verified"
        and all(states.get(letter) == state.value for letter, state in EXPECTED.items())
        and {claim.scenario for claim in board.claims} >= set(EXPECTED)
    )
    return good, f"DEMO OK {line}" if good else " | ".join([f"DEMO FAILED {line}", *wrong])


def _clear(home: Path) -> None:
    """Begin afresh: what an earlier demo left is removed. Raises :class:`StackError` while one runs there."""
    running = StackInfo.of_running(home)
    if running is not None:
        raise StackError(f"a demo runs already (process {running.pid}): wait for its end or stop it")
    earlier = StackInfo.read(Folder(home).state) if home.exists() else None
    if earlier is not None:
        sweep(earlier.marker)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)


def _play(stack: Stack, board: Board, examples: Path, home: Path) -> tuple[int, str]:
    """Everything from the first service to the audit; returns how many effects are duplicates, and the audit's word."""
    programs = Programs()
    stop = threading.Event()
    prepared: dict[str, LoadedManifest] = {}
    trouble: list[Exception] = []

    def preparation() -> None:
        try:
            prepared.update(prepare(examples, home / "work", packaging_key(stack.folder), programs, say=board.say))
        except (PreparationFailed, ManifestInvalid, OSError) as error:
            trouble.append(error)

    thread = threading.Thread(target=preparation, name="preparation", daemon=True)
    thread.start()
    try:
        info = stack.start(lambda sentence: board.say(sentence, lasting=sentence.startswith(PORT_TAKEN)))
        thread.join()
        if trouble:
            raise PreparationFailed(str(trouble[0]))
        board.say(
            f"stack and artifacts are ready after {board.elapsed:.0f} s; Temporal Web UI {info.urls['temporal-ui']}"
        )
        desk = Desk(api=info.urls["api"], folder=home / "people")
        fleet = Fleet(info.urls["fleet"])
        try:
            setting = Setting(
                board=board,
                desk=desk,
                fleet=fleet,
                manifests=prepared,
                ansible_state=ansible_state(stack.folder),
                hosts=hosts_root(stack.folder),
                kill_worker=lambda look: _kill_worker(stack, look),
                stop=stop,
            )
            _run_scenarios(setting, stack)
            board.say(f"all scenarios ended after {board.elapsed:.0f} s; verifying the audit trail")
            return _prove(setting)
        finally:
            stop.set()
            desk.close()
            fleet.close()
    finally:
        stop.set()
        programs.end()


def _run_scenarios(setting: Setting, stack: Stack) -> None:
    """Run all of them at the same time, and return when the last has ended."""
    scenarios = {letter: Scenario(setting, letter) for letter in SCENARIOS}
    threads = [
        threading.Thread(target=_run_one, args=(scenarios[letter], play), name=f"scenario-{letter}", daemon=True)
        for letter, play in SCENARIOS.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(timeout=0.2)  # so that a Ctrl-C is heard
            if ended := [name for name in stack.ended() if name != "worker"]:
                raise StackError(f"{', '.join(ended)} ended by itself; see {stack.folder.logs}")


def _run_one(scenario: Scenario, play: Callable[[Scenario], None]) -> None:
    try:
        play(scenario)
    except Interrupted:
        return
    except (TooSlow, CliError, ManifestInvalid, StackError, httpx.HTTPError) as error:
        text = error.text if isinstance(error, CliError) else str(error)
        scenario.note(f"failed: {text}")
        scenario.claim(f"went its way to the end ({' '.join(text.split())})", true=False)
    except Exception as error:  # noqa: BLE001 - a bug must fail the demo, not vanish with its thread
        scenario.note(f"failed: {error!r}")
        scenario.claim(f"was played without a bug ({error!r})", true=False)


def _kill_worker(stack: Stack, look: Callable[[], None]) -> tuple[int, int]:
    """SIGKILL the worker, look while there is none, start another; returns both process ids."""
    before = stack.info.pids["worker"]
    stack.kill("worker")
    look()
    stack.restart("worker")
    return before, stack.info.pids["worker"]


def _prove(setting: Setting) -> tuple[int, str]:
    """What concerns all scenarios together: no effect twice, and the whole audit trail holds."""
    twice = duplicated(ansible_effects(setting.ansible_state))
    duplicates = setting.fleet.duplicates() + len(twice)
    report = verify_all(setting.desk.of(people.AUDITOR))
    setting.board.say(f"audit: {summary(report)}")
    return duplicates, "verified" if report.ok and report.whole else "broken"


def _conclude(board: Board, output: Output, *, duplicates: int, audit: str) -> int:
    """Print every claim and the verdict."""
    good, line = verdict(board, duplicates=duplicates, audit=audit)
    if output.as_json:
        for claim in board.claims:
            output.line({"claim": claim.sentence, "scenario": claim.scenario, "true": claim.true})
        output.line({"ok": good, "seconds": round(board.elapsed, 1), "line": line})
        return 0 if good else FAILED
    for claim in sorted(board.claims, key=lambda one: one.scenario):
        mark = ("true  ", "green") if claim.true else ("FALSE ", "bold red")
        output.console.print(Text.assemble(f"{claim.scenario}  ", mark, claim.sentence), soft_wrap=True)
    output.console.print(f"{board.elapsed:.0f} s")
    return _end(output, line, 0 if good else FAILED)


def _keep(stack: Stack, output: Output) -> None:
    """Keep the stack until Ctrl-C."""
    urls = stack.info.urls
    output.say(f"kept: export EUCORA_API_URL={urls['api']}   Temporal Web UI {urls['temporal-ui']}   Ctrl-C ends it")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _end(output: Output, line: str, status: int) -> int:
    if output.as_json:
        output.line({"ok": status == 0, "line": line})
    else:
        print(line, flush=True)
    return status
