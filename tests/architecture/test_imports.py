"""The direction of imports (docs/adr/0001): the contracts of pyproject.toml hold, and each of them can be broken."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("workflows", "activities", "api", "models", "eucora")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
            "--no-logo",
        ],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_contract_is_kept() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"Contracts: {len(contracts)} kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "code", "contract"),
    [
        ("eucora/domain/planted.py", "import time", "the domain is pure"),
        ("eucora/domain/planted.py", "import models.messages", "rooms face inwards"),
        ("models/planted.py", "import eucora.settings", "rooms face inwards"),
        ("api/planted.py", "import models.tables", "only the store touches tables"),
        ("workflows/planted.py", "import eucora.store", "rooms face inwards"),
        ("eucora/store/planted.py", "import activities", "adapters never call activities"),
        ("eucora/connectors/sim/planted.py", "import eucora.connectors.ansible", "vendors do not know each other"),
        ("eucora/cli/planted.py", "import api", "the command line reaches the API by HTTP"),
        ("eucora/stack/planted.py", "import eucora.sim", "the local stack starts processes and imports none of them"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, module: str, code: str, contract: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / module).write_text(f"{code}\n")
    result = lint(tmp_path)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in " ".join(result.stdout.split())


def test_every_vendor_folder_is_under_the_independence_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (independent,) = (contract for contract in contracts if contract["type"] == "independence")
    folders = {
        f"eucora.connectors.{path.parent.name}"
        for path in (ROOT / "eucora" / "connectors").glob("*/__init__.py")
        if not path.parent.name.startswith("_")
    }
    assert set(independent["modules"]) == folders, "write each vendor folder into the contract in pyproject.toml"


def test_every_room_has_its_place_in_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {room.strip(" ()") for layer in layers for room in layer.replace(":", "|").split("|")}
    rooms = {f"eucora.{path.parent.name}" for path in (ROOT / "eucora").glob("*/__init__.py")}
    modules = {f"eucora.{path.stem}" for path in (ROOT / "eucora").glob("*.py") if path.stem != "__init__"}
    tops = set(PACKAGES) - {"eucora"}
    assert (rooms | modules | tops) - placed == set(), "place the room in the layers contract of pyproject.toml"
