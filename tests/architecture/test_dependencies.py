"""What the shipped code imports is declared, so an installation brings it along."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {"workflows", "activities", "api", "models", "eucora", "worker"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distribution(requirement: str) -> str:
    """The normalised name a requirement begins with (PEP 503)."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def imported(path: Path) -> set[str]:
    """Top-level names the file imports that are neither ours nor the standard library's."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - OURS - sys.stdlib_module_names


def test_every_import_of_the_shipped_code_is_a_declared_dependency() -> None:
    declared = {distribution(line) for line in PROJECT["dependencies"]}
    declared |= {distribution(line) for line in PROJECT["optional-dependencies"]["ansible"]}
    providers = packages_distributions()
    undeclared = {}
    for package in sorted(OURS - {"worker"}):
        for path in (ROOT / package).rglob("*.py"):
            for name in imported(path):
                owners = {distribution(owner) for owner in providers.get(name, [name])}
                if not owners & declared:
                    undeclared[name] = str(path.relative_to(ROOT))
    assert undeclared == {}, "declare it in pyproject.toml, then `make lock`"


def test_every_declared_dependency_is_in_its_lock() -> None:
    optional = PROJECT["optional-dependencies"]
    for lock, requirements in {
        "base": PROJECT["dependencies"],
        "dev": [line for extra in ("ansible", "dev") for line in optional[extra] if ">=" not in line.split(";")[-1]],
        "test": optional["test"],
    }.items():
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        pinned = {distribution(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
        assert {distribution(line) for line in requirements} <= pinned, f"run `make lock`: {lock}.txt is behind"
