"""The distribution itself: the wheel is built, installed where the source is not, and looked at."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(180)]


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    result = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", str(python)),
        *("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)),
        cwd=folder,
    )
    return python


def test_the_wheel_holds_the_mandated_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"workflows", "activities", "api", "models", "eucora", "worker.py"}
    assert "eucora/py.typed" in names
    source = {
        str(path.relative_to(ROOT))
        for package in ("workflows", "activities", "api", "models", "eucora")
        for path in (ROOT / package).rglob("*.py")
    }
    assert source <= set(names)


def test_the_top_level_names_belong_to_eucora_alone(clean_python: Path) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps(m.packages_distributions()))"
    owners = json.loads(run(str(clean_python), "-I", "-c", code, cwd=clean_python.parent))
    for package in ("workflows", "activities", "api", "models", "eucora", "worker"):
        assert owners[package] == ["eucora"]


def test_the_connectors_are_found_by_entry_point(clean_python: Path) -> None:
    code = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({e.name: e.value for e in m.entry_points(group='eucora.connectors')}))"
    )
    found = json.loads(run(str(clean_python), "-I", "-c", code, cwd=clean_python.parent))
    assert found == {"ansible": "eucora.connectors.ansible:build", "sim": "eucora.connectors.sim:build"}


def test_the_installed_command_runs_without_the_source(clean_python: Path) -> None:
    """With this environment's libraries, whose own (editable) eucora a plain path entry does not bring along."""
    libraries = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": "", "COLUMNS": "100"}
    command = str(clean_python.with_name("eucora"))
    assert "Usage: eucora" in run(command, "--help", cwd=clean_python.parent, env=libraries)
    code = "import eucora.cli.main as main; print(main.__file__)"
    where = run(str(clean_python), "-c", code, cwd=clean_python.parent, env=libraries)
    assert str(clean_python.parent.parent) in where
