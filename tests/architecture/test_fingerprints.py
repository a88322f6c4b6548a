"""The order of the commands that workflows issue does not change unnoticed; the failure is the runbook."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.architecture.fingerprints import BASELINE, ENGINES, FOLDER, fingerprint, fingerprints

RUNBOOK = """\
The order of commands has changed:

{differences}

Deployments that are under way replay their history against the new order and stop with a NondeterminismError. So:

1. Gate the change: `if workflow.patched("what-changes"): <new order> else: <old order>`.
   A change that no run can have reached yet (a new branch, a new message) needs no gate.
2. Add a history that takes the new path: extend tests/replay/scenarios.py and run
   `python -m tests.replay.save_histories NAME`; the old histories stay and must replay still (tests/replay).
3. Then refresh the baseline: `python -m tests.architecture.fingerprints`, and say in the changelog what is gated."""

WORKFLOW = """
class Rollout:
    async def run(self):
        await workflow.execute_activity_method(Planes.publish, a, task_queue=q)
        await workflow.wait_condition(lambda: self.done, timeout=t)

        async def inner():
            await asyncio.sleep(1)

        await asyncio.gather(inner(), inner())
        return workflow.now()

    def pure(self):
        return max(1, 2)
"""


def difference(before: list[str], after: list[str]) -> str:
    """Both orders, one below the other."""
    return "\n".join(["  before:", *(f"    {call}" for call in before), "  now:", *(f"    {call}" for call in after)])


def test_the_order_of_commands_is_the_recorded_one() -> None:
    recorded, now = json.loads(BASELINE.read_text(encoding="utf-8")), fingerprints()
    changed = []
    for name in sorted({*recorded, *now}):
        before, after = recorded.get(name, {}), now.get(name, {})
        changed += [
            f"workflows/{name}: {function}\n{difference(old, new)}"
            for function in sorted({*before, *after})
            if (old := before.get(function, [])) != (new := after.get(function, []))
        ]
    assert not changed, RUNBOOK.format(differences="\n\n".join(changed))


def test_the_fingerprints_are_not_vacuous() -> None:
    found = fingerprints()
    assert {"deployment.py", "effects.py"} <= set(found)
    calls = [call for functions in found.values() for made in functions.values() for call in made]
    text = "\n".join(calls)
    assert len(calls) >= 20
    for wanted in (
        "(RecordActivities.record)",
        "workflow.execute_activity_method(PlaneActivities.roll_back)",
        "(PlaneActivities.assign)",
        "workflow.wait_condition",
        "workflow.continue_as_new",
        "workflow.upsert_search_attributes",
        "self._record()",
        "self._effects.carry_out()",
    ):
        assert wanted in text


def test_every_call_is_found_in_its_order() -> None:
    assert fingerprint(WORKFLOW) == {
        "Rollout.run": [
            "workflow.execute_activity_method(Planes.publish)",
            "workflow.wait_condition(timeout)",
            "asyncio.gather()",
        ],
        "Rollout.run.inner": ["asyncio.sleep()"],
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Planes.publish", "Planes.assign"),
        (", timeout=t", ""),
        ("await workflow.wait_condition", "await workflow.sleep(1); await workflow.wait_condition"),
        ("asyncio.sleep(1)", "workflow.start_child_workflow(Other.run)"),
        ("max(1, 2)", "workflow.some_call_of_a_newer_engine()"),
    ],
)
def test_each_kind_of_change_is_seen(old: str, new: str) -> None:
    assert fingerprint(WORKFLOW.replace(old, new)) != fingerprint(WORKFLOW)


def test_the_order_of_functions_that_issue_commands_is_seen(tmp_path: Path) -> None:
    def written(loop: str) -> dict[str, dict[str, list[str]]]:
        lines = ["class W:", f"    async def loop(self): {loop}"]
        lines += ["    async def record(self): await workflow.sleep(1)", "    def show(self): workflow.upsert_memo(x)"]
        (tmp_path / "w.py").write_text("\n".join([*lines, "    async def turn(self): await self.loop()"]))
        return fingerprints(tmp_path)

    assert written("await self.record(); self.show()") != written("self.show(); await self.record()")
    assert "W.turn" in written("await self.record()")["w.py"], "through any number of functions"


@pytest.mark.parametrize(
    ("old", "new"),
    [("self.done", "self.really_done"), ("max(1, 2)", "max(2, 3)"), ("workflow.now()", "workflow.info()")],
)
def test_what_issues_no_command_may_change_freely(old: str, new: str) -> None:
    assert fingerprint(WORKFLOW.replace(old, new)) == fingerprint(WORKFLOW)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_the_engine_is_called_by_its_modules_name(path: Path) -> None:
    """A call under another name would not be seen here."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.module not in {"temporalio.workflow", "asyncio"}, f"{path.name}: import the module instead"
        if isinstance(node, ast.Import | ast.ImportFrom):
            renamed = [alias.name for alias in node.names if alias.asname and alias.name.split(".")[-1] in ENGINES]
            assert not renamed, f"{path.name}: {renamed} under another name"
