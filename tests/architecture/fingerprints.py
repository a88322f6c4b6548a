"""What each function of ``workflows/`` asks the engine for, in the order of its source.

The order of these calls is what a replay compares with history, so a change of it needs a gate for the deployments that
are under way (``architecture.md`` §9). The baseline is ``fingerprints.json``; write it anew with::

    python -m tests.architecture.fingerprints
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "workflows"
BASELINE = Path(__file__).with_name("fingerprints.json")

ENGINES = ("workflow", "asyncio")
"""What reaches the engine: Temporal's module, and asyncio, whose tasks and timers are the engine's in a workflow."""

SILENT = frozenset(
    {
        "workflow.all_handlers_finished",
        "workflow.defn",
        "workflow.info",
        "workflow.init",
        "workflow.now",
        "workflow.query",
        "workflow.set_current_details",
        "workflow.signal",
        "workflow.unsafe.imports_passed_through",
        "workflow.update",
    }
)
"""Calls of those modules that leave nothing in the history. A call that is not named here counts."""

Fingerprint = dict[str, list[str]]


def fingerprints(folder: Path = FOLDER) -> dict[str, Fingerprint]:
    """The fingerprint of each file of a folder that has one."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
    issuing: frozenset[str] = frozenset()
    while True:
        made = {name: fingerprint(source, issuing) for name, source in sources.items()}
        known = frozenset(function.split(".")[-1] for found in made.values() for function in found)
        if known == issuing:
            return {name: found for name, found in made.items() if found}
        issuing = known


def fingerprint(source: str, issuing: frozenset[str] = frozenset()) -> Fingerprint:
    """The calls of each function by its qualified name; functions that call nothing of the engine are left out.

    ``issuing`` are names of functions that issue commands themselves: calling them counts too.
    """
    found: Fingerprint = {}
    for name, function in _functions(ast.parse(source), ()):
        calls = [described for call in _calls(function) if (described := _described(call, issuing))]
        if calls:
            found[name] = calls
    return found


def _functions(node: ast.AST, path: tuple[str, ...]) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield ".".join((*path, child.name)), child
        inner = (
            (*path, child.name) if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else path
        )
        yield from _functions(child, inner)


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls of a function's own body in the order of the source; those of functions inside it are their own."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls(child)


def _described(call: ast.Call, issuing: frozenset[str]) -> str:
    """Such as ``workflow.execute_activity_method(PlaneActivities.assign)``: the call, and what it starts."""
    name = ast.unparse(call.func)
    if name.split(".")[-1] in issuing and name.split(".")[0] not in ENGINES:
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        named = [ast.unparse(value) for value in values if isinstance(value, ast.Attribute)]
        return f"{name}({', '.join(text for text in named if 'Activities.' in text)})"
    if name.split(".")[0] not in ENGINES or name in SILENT:
        return ""
    subject = call.args[0] if call.args else None
    timed = ", timeout" if any(keyword.arg == "timeout" for keyword in call.keywords) else ""
    if isinstance(subject, ast.Attribute | ast.Name):
        return f"{name}({ast.unparse(subject)}{timed})"
    return f"{name}({timed.removeprefix(', ')})"


def main() -> None:
    """Write the baseline."""
    BASELINE.write_text(json.dumps(fingerprints(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
