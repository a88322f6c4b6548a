"""Deployments that are under way go on with today's code: every kept history replays, and a changed order does not."""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import temporalio.workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

from eucora.runtime.client import DATA_CONVERTER
from eucora.runtime.correlation import HEADER, CorrelationInterceptor
from eucora.runtime.sandbox import workflow_runner
from tests.replay.save_histories import CONTINUED, HISTORIES, NOT_KEPT
from tests.replay.scenarios import SCENARIOS
from workflows.deployment import DeploymentWorkflow

FILES = sorted(HISTORIES.glob("*.json"))
ONE = HISTORIES / "reviewed_with_conditions.json"
ROOT = HISTORIES.parents[2]
PREFIX = "changed_"
OURS = ("activities", "eucora", "models", "workflows")
LARGEST = 300_000  # bytes of one history

RUNBOOK = """\
{name} does not replay: a deployment that took this path under an earlier release would stop here, `Running` for ever.

  {failure}

- You changed the order of commands (activities, timers, search attributes) in workflows/: gate the change with
  `if workflow.patched("what-changes"): <new order> else: <old order>`, and give the new order a scenario of its own
  (tests/replay/scenarios.py, `python -m tests.replay.save_histories NAME`). This history stays.
- You changed a rule in eucora/domain/ or models/messages/: the old facts must be read and decided as before. A new rule
  for new deployments hangs on data in the plan, with a default that means the old rule.
- No release has run the old order yet: `python -m tests.replay.save_histories --overwrite`."""


def history_of(path: Path) -> WorkflowHistory:
    text = path.read_text(encoding="utf-8")
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


def replayer(workflow: type = DeploymentWorkflow, runner: WorkflowRunner | None = None) -> Replayer:
    return Replayer(
        workflows=[workflow],
        data_converter=DATA_CONVERTER,
        interceptors=[CorrelationInterceptor()],
        workflow_runner=runner or workflow_runner(),
    )


async def failure_of(path: Path, workflow: type = DeploymentWorkflow, runner: WorkflowRunner | None = None) -> Any:
    result = await replayer(workflow, runner).replay_workflow(history_of(path), raise_on_replay_failure=False)
    return result.replay_failure


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_a_kept_history_replays(path: Path) -> None:
    failure = await failure_of(path)
    assert failure is None, RUNBOOK.format(name=path.name, failure=failure)


class TestTheHistories:
    def test_there_is_one_for_every_scenario(self) -> None:
        kept = {path.stem for path in FILES}
        assert set(SCENARIOS) <= kept, "python -m tests.replay.save_histories"
        assert {f"{CONTINUED}_1", f"{CONTINUED}_2"} <= kept

    def test_they_take_every_message_that_the_workflow_takes(self) -> None:
        events = [event for path in FILES for event in json.loads(path.read_text(encoding="utf-8"))["events"]]
        signals = {event["workflowExecutionSignaledEventAttributes"]["signalName"] for event in of(events, "SIGNALED")}
        requests = [event["workflowExecutionUpdateAcceptedEventAttributes"] for event in of(events, "UPDATE_ACCEPTED")]
        updates = {request["acceptedRequest"]["input"]["name"] for request in requests}
        definition = temporalio.workflow._Definition.must_from_class(DeploymentWorkflow)
        for sent, taken in ((signals, definition.signals), (updates, definition.updates)):
            assert {name for name in taken if name} <= sent
            assert sent - set(taken), "one that does not exist, too"

    def test_they_reach_every_kind_of_command(self) -> None:
        kinds = {event["eventType"].removeprefix("EVENT_TYPE_") for path in FILES for event in events_of(path)}
        assert kinds >= {
            "ACTIVITY_TASK_SCHEDULED",
            "ACTIVITY_TASK_FAILED",
            "ACTIVITY_TASK_CANCEL_REQUESTED",
            "TIMER_STARTED",
            "TIMER_FIRED",
            "TIMER_CANCELED",
            "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
            "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
            "WORKFLOW_EXECUTION_COMPLETED",
            "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
        }

    def test_the_correlation_id_is_carried_from_run_to_run(self) -> None:
        runs = [path for path in FILES if path.stem.startswith(CONTINUED)]
        carried = set()
        for path in runs:
            started, *events = events_of(path)
            carried.add(json.dumps(started["workflowExecutionStartedEventAttributes"]["header"]["fields"][HEADER]))
            for event in of(events, "ACTIVITY_TASK_SCHEDULED"):
                header = event["activityTaskScheduledEventAttributes"]["header"]["fields"]
                carried.add(json.dumps(header[HEADER]))
        assert len(runs) > 1
        assert len(carried) == 1

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_none_tells_about_a_machine_or_holds_a_key(self, path: Path) -> None:
        text = "\n".join(texts(json.loads(path.read_text(encoding="utf-8"))))
        assert "deployment_id" in text, "payloads are decoded"
        parts = "|".join(["ro" + "ot", "ho" + "me", "Us" + "ers", "wo" + "rk", "t" + "mp", "u" + "sr", "o" + "pt"])
        assert re.findall(rf"(?<![\w./-])/(?:{parts})/\S*", text) == []
        assert "PRIVATE" + " KEY" not in text
        assert "TASK_QUEUE_KIND_STICKY" not in text, "its name is the worker's process and host"
        assert not [name for name in NOT_KEPT if f'"{name}"' in path.read_text(encoding="utf-8")]

    def test_each_is_small(self) -> None:
        assert [path.name for path in FILES if path.stat().st_size > LARGEST] == []


SAME = ("PLANE_QUEUE_PREFIX = ", "PLANE_QUEUE_PREFIX = ")
RELEASE = """        await workflow.execute_activity_method(
            GovernanceActivities.release_change,
"""
ASSESS = "    async def _assess(self, state: RolloutState) -> tuple[f.Fact, ...]:\n"
CHANGES = {
    "two commands swapped": (RELEASE, f"        self._show(())  # it stands below as well\n{RELEASE}"),
    "one more timer": (RELEASE, f"        await workflow.sleep(1)\n{RELEASE}"),
    "one more activity": (
        RELEASE,
        f'        await workflow.execute_activity("notify", **policies.DATABASE)\n{RELEASE}',
    ),
    "another activity": ("PlaneActivities.resolve_cohorts,", "PlaneActivities.pick_device,"),
    "a timer in an effect": (ASSESS, f"{ASSESS}        await workflow.sleep(1)\n"),
}
"""What is changed in the copy: a text of workflows/, and what stands there instead."""


DECIDES, CLOCK = "due = settle(state, now)\n", "due = settle(state, datetime.now(now.tzinfo))\n"


class TestTheDomainInsideTheSandbox:
    """Passed through, a domain that read the clock would replay in silence (``style.md`` §5); inside, it cannot."""

    @pytest.fixture
    def inside(self, monkeypatch: pytest.MonkeyPatch) -> WorkflowRunner:
        """Load everything of ours in the sandbox; other people's code is passed through as ever."""
        monkeypatch.setattr(temporalio.workflow.unsafe, "imports_passed_through", contextlib.nullcontext)
        foreign = {name.split(".")[0] for name in sys.modules} - {*OURS, "tests"}
        return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*foreign))

    async def test_a_history_replays(self, inside: WorkflowRunner) -> None:
        failure = await failure_of(ONE, runner=inside)
        assert failure is None, RUNBOOK.format(name=ONE.name, failure=failure)

    async def test_a_domain_that_reads_the_clock_is_refused(
        self, inside: WorkflowRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sandbox loads an edited copy; so it is the domain, and nothing else, that stands inside."""
        shutil.copytree(ROOT / "eucora", tmp_path / "eucora", ignore=shutil.ignore_patterns("__pycache__"))
        copy = tmp_path / "eucora" / "domain" / "rollout.py"
        source = copy.read_text(encoding="utf-8")
        assert source.count(DECIDES) == 1, f"no longer in the domain, once: {DECIDES!r}"
        copy.write_text(source.replace(DECIDES, CLOCK), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        assert "Cannot access datetime.datetime.now" in str(await failure_of(ONE, runner=inside))


class TestAChangedWorkflow:
    """The gate itself: a copy of the workflow with another order of commands does not replay."""

    @pytest.fixture
    def changed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], type]]:
        """Write edited copies of the workflow's files under names of their own, and import them."""
        names = ["deployment", "effects", "interpreter"]
        monkeypatch.syspath_prepend(tmp_path)

        def make(old: str, new: str) -> type:
            sources = {name: (ROOT / "workflows" / f"{name}.py").read_text(encoding="utf-8") for name in names}
            assert sum(source.count(old) for source in sources.values()) == 1, f"no longer in workflows/, once: {old!r}"
            for name, source in sources.items():
                edited = source.replace(old, new)
                for other in names:
                    edited = edited.replace(f"from workflows.{other}", f"from {PREFIX}{other}")
                (tmp_path / f"{PREFIX}{name}.py").write_text(edited, encoding="utf-8")
            importlib.invalidate_caches()
            workflow: type = importlib.import_module(f"{PREFIX}deployment").DeploymentWorkflow
            return workflow

        yield make
        for name in names:
            sys.modules.pop(f"{PREFIX}{name}", None)

    async def test_an_unchanged_copy_replays(self, changed: Callable[[str, str], type]) -> None:
        """So that what fails below fails for its change."""
        assert await failure_of(ONE, changed(*SAME)) is None

    @pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES.keys())
    async def test_another_order_of_commands_is_detected(
        self, changed: Callable[[str, str], type], old: str, new: str
    ) -> None:
        failure = await failure_of(ONE, changed(old, new))
        assert isinstance(failure, NondeterminismError), failure
        assert "TMPRL1100" in str(failure)

    async def test_a_gated_change_replays(self, changed: Callable[[str, str], type]) -> None:
        """What the runbook says to do about it."""
        old, new = CHANGES["one more activity"]
        added = new.removesuffix(old).strip()
        gated = f'        if workflow.patched("one-more"):\n            {added}\n{old}'
        assert await failure_of(ONE, changed(old, gated)) is None


def events_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["events"]
    return found


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["eventType"].endswith(kind)]


def texts(node: Any) -> Iterator[str]:
    """Every text of a history, payloads decoded."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "data" and isinstance(value, str):
                yield base64.b64decode(value).decode()
            else:
                yield from texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from texts(item)
    elif isinstance(node, str):
        yield node
