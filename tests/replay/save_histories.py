"""Save the histories that tests/replay replays: real runs on a Temporal dev server, with modelled activities.

    python -m tests.replay.save_histories                 those that are missing
    python -m tests.replay.save_histories NAME ...        these, if they are missing
    python -m tests.replay.save_histories --overwrite     all of them anew

A history that is kept stands for the deployments that are under way: overwrite it only while no release has run the
code that made it. Afterwards a changed path gets a scenario and a history of its own beside the old one.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from eucora import observability
from eucora.domain.vocabulary import DeploymentState
from eucora.runtime.client import DATA_CONVERTER
from eucora.runtime.correlation import CorrelationInterceptor
from eucora.stack.temporal import dynamic_config_arguments, locate_temporal
from tests.domain.builders import plan
from tests.replay.scenarios import SCENARIOS, Scenario, continued
from tests.workflows import harness
from tests.workflows.conftest import Rollout
from tests.workflows.harness import Modelled
from workflows.search_attributes import ALL

HISTORIES = Path(__file__).with_name("histories")
CONTINUED = "continued_as_new"
"""A path on a server that suggests continue-as-new early; one history for each run."""
SUGGESTED_AFTER_EVENTS = 120

NOT_KEPT = frozenset(
    {
        *("stackTrace", "identity", "workerVersion", "binaryChecksum", "workerInstanceKey"),  # they tell of a machine
        *("taskId", "requestId", "historySizeBytes", "meteringMetadata"),  # the server's book-keeping
    }
)
"""Members of events that a replay does not read."""


@asynccontextmanager
async def server(*arguments: str) -> AsyncIterator[WorkflowEnvironment]:
    """A dev server of our own, skipping time."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(locate_temporal()),
        dev_server_extra_args=[*dynamic_config_arguments(), *arguments],
        search_attributes=ALL,
        data_converter=DATA_CONVERTER,
        interceptors=[CorrelationInterceptor()],
    )
    async with environment:
        yield environment


async def take(
    env: WorkflowEnvironment, name: str, scenario: Scenario, state: DeploymentState
) -> list[WorkflowHistory]:
    """Run a scenario to its end; returns the history of each of its runs. Raises ``AssertionError`` for another end."""
    world = Modelled()
    async with AsyncExitStack() as stack:

        async def make(*, score: int = 40, planes: tuple[str, ...] = ("sim-windows",), **changes: Any) -> Rollout:
            world.score = score
            deployment_id = f"d-{name.replace('_', '-')}"
            chosen = dataclasses.replace(plan(planes=planes, **changes), deployment_id=deployment_id)
            queue = await stack.enter_async_context(harness.workers(env.client, world, planes))
            made = Rollout(env, world, queue, chosen)
            with observability.context(correlation_id=chosen.correlation_id):
                await made.start()
            return made

        run = await scenario(make, world)
        await run.forward()
        outcome = await run.handle.result()
        assert outcome.state is state, f"{name} ended {outcome.state}: {outcome.sentence}"
        assert run.founded, f"{name}: the audit verifier finds a fact unfounded"
        return [history async for history in _runs(env, run)]


async def _runs(env: WorkflowEnvironment, run: Rollout) -> AsyncIterator[WorkflowHistory]:
    """The histories of a workflow's runs, first to last."""
    run_id = run.handle.first_execution_run_id
    while run_id:
        history = await env.client.get_workflow_handle(run.handle.id, run_id=run_id).fetch_history()
        yield history
        last = history.events[-1]
        continued = last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id if continued else ""


def cleaned(node: Any) -> Any:
    """The history without what a replay does not read; a sticky task queue, too, is named for its machine."""
    if isinstance(node, dict):
        return {
            key: cleaned(value)
            for key, value in node.items()
            if key not in NOT_KEPT and not (isinstance(value, dict) and value.get("kind") == "TASK_QUEUE_KIND_STICKY")
        }
    if isinstance(node, list):
        return [cleaned(item) for item in node]
    return node


def write(name: str, history: WorkflowHistory) -> None:
    """Write one history, an event a line."""
    events = cleaned(json.loads(history.to_json()))["events"]
    lines = ",\n".join(json.dumps(event, separators=(",", ":"), sort_keys=True) for event in events)
    (HISTORIES / f"{name}.json").write_text(f'{{"events":[\n{lines}\n]}}\n', encoding="utf-8")


def missing(name: str) -> bool:
    """Whether no history of that scenario is kept."""
    return not any(HISTORIES.glob(f"{name}*.json"))


async def save(names: list[str], *, overwrite: bool) -> None:
    """Save the histories of these scenarios, all when none is named."""
    wanted = [name for name in names or [*SCENARIOS, CONTINUED] if overwrite or missing(name)]
    if not wanted:
        print("every history is kept already; see --help")  # noqa: T201 - a command line
    HISTORIES.mkdir(exist_ok=True)
    if plain := [name for name in wanted if name != CONTINUED]:
        async with server() as env:
            for name in plain:
                (history,) = await take(env, name, *SCENARIOS[name])
                write(name, history)
                print(f"{name}: {len(history.events)} events")  # noqa: T201 - a command line
    if CONTINUED in wanted:
        early = f"limit.historyCount.suggestContinueAsNew={SUGGESTED_AFTER_EVENTS}"
        async with server("--dynamic-config-value", early) as env:
            taken = await take(env, CONTINUED, continued, DeploymentState.COMPLETED)
            for old in HISTORIES.glob(f"{CONTINUED}*.json"):
                old.unlink()
            for number, history in enumerate(taken, start=1):
                write(f"{CONTINUED}_{number}", history)
                print(f"{CONTINUED}_{number}: {len(history.events)} events")  # noqa: T201 - a command line


def main() -> None:
    """Parse the command line and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*SCENARIOS, CONTINUED]))
    parser.add_argument("--overwrite", action="store_true", help="replace histories that are kept already")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - {*SCENARIOS, CONTINUED}):
        parser.error(f"there is no scenario {', '.join(unknown)}")
    asyncio.run(save(options.names, overwrite=options.overwrite))


if __name__ == "__main__":
    main()
