"""What the repository must not hold: addresses of package indexes, paths of a machine, keys, undocumented settings."""

import re
import subprocess
from pathlib import Path

import pytest

from eucora.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
FOREIGN = re.compile(
    r"resolved|--(?:extra-)?index-url|--find-links|--trusted-host|https?://|file:|@ git", re.IGNORECASE
)
# Absolute paths below folders that only exist on one machine. The parts keep this file from finding itself.
MACHINE_PATH = re.compile(
    "(?<![\\w./-])/(?:" + "|".join(["ro" + "ot", "ho" + "me", "Us" + "ers", "wo" + "rk"]) + ")/[\\w.]"
)


def tracked_files() -> list[Path]:
    """Every file git knows or would add, that is text."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git is on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if names.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in names.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content[:8192] else content.decode("utf-8", errors="replace")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_index_and_hashes_everything(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert FOREIGN.findall(text) == []
    pins = re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    unhashed = [line for line in text.splitlines() if re.match(r"[\w.-]+==", line) and not line.endswith("\\")]
    assert len(pins) > 50
    assert unhashed == []


def test_there_is_a_lock_for_each_purpose_and_they_agree() -> None:
    assert [lock.name for lock in LOCKS] == ["base.txt", "dev.txt", "test.txt"]
    base, dev, test = (dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE)) for lock in LOCKS)
    assert base.items() <= dev.items() <= test.items()


def test_no_npm_lock_records_where_a_package_came_from() -> None:
    locks = [path for path in tracked_files() if path.name in {"package-lock.json", "npm-shrinkwrap.json"}]
    assert [path for path in locks if '"resolved"' in text_of(path)] == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    found = {}
    for path in tracked_files():
        if hits := [line.strip()[:120] for line in text_of(path).splitlines() if MACHINE_PATH.search(line)]:
            found[str(path.relative_to(ROOT))] = hits
    assert found == {}


def test_no_private_key_is_in_the_repository() -> None:
    header = re.compile("^-----BEGIN [A-Z ]*PRIVATE " + "KEY-----$", re.MULTILINE)
    assert [str(path) for path in tracked_files() if header.search(text_of(path))] == []


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description, f"Settings.{name} needs a description: it is the documentation"
    assert description.endswith("."), f"Settings.{name}: write a sentence"


def test_no_file_is_longer_than_one_sitting() -> None:
    limit = 600  # style: about 400 lines
    code = [path for path in tracked_files() if path.suffix == ".py"]
    assert {str(path.relative_to(ROOT)): n for path in code if (n := len(text_of(path).splitlines())) > limit} == {}
