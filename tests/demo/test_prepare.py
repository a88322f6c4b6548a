"""Scans: a scanner's report counts only if it is one; otherwise the sample stands in and is called so."""

import json
import shutil
from pathlib import Path

import pytest

from eucora.cli.manifest import LoadedManifest, load_manifest
from eucora.demo.prepare import Programs, _scan

EXAMPLES = Path(__file__).parents[2] / "examples"
REPORT = {
    "matches": [],
    "source": {"type": "sbom-file", "target": "sbom"},
    "descriptor": {"name": "grype", "version": "0.99.0", "timestamp": "2025-11-03T09:00:00Z"},
}


@pytest.fixture
def codespell(tmp_path: Path) -> LoadedManifest:
    shutil.copytree(EXAMPLES / "codespell", tmp_path / "codespell")
    (tmp_path / "codespell" / "dist").mkdir()
    return load_manifest(tmp_path / "codespell" / "manifest.yaml")


def scanner(folder: Path, name: str, script: str) -> None:
    """A program of that name on PATH, which runs ``script`` with the report's path in $OUT."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        '#!/bin/sh\nwhile [ $# -gt 0 ]; do case "$1" in --file|--output) [ -e "$2" ] || OUT="$2";; esac; shift; done\n'
        + script,
        encoding="utf-8",
    )
    program.chmod(0o755)


def scanned(loaded: LoadedManifest, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[LoadedManifest, list[str]]:
    """What a scan with only these programs on PATH came to, and what was said."""
    said: list[str] = []
    monkeypatch.setenv("PATH", f"{path}:/bin:/usr/bin")
    return _scan(loaded, loaded.path.parent / "dist" / "sbom.cdx.json", Programs(), say=said.append), said


def test_a_scanner_on_path_is_used(codespell: LoadedManifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("trivy", path="/bin:/usr/bin"):
        pytest.skip("a real trivy would be asked first")
    scanner(tmp_path / "bin", "grype", f"cat > \"$OUT\" <<'END'\n{json.dumps(REPORT)}\nEND\n")
    loaded, said = scanned(codespell, tmp_path / "bin", monkeypatch)
    assert loaded.manifest.scan.format == "grype"
    assert json.loads((codespell.path.parent / "dist" / "scan.json").read_text(encoding="utf-8")) == REPORT
    assert said == ["A: scanned by grype"]


@pytest.mark.parametrize("script", ["exit 1\n", 'echo "{}" > "$OUT"\n', "exit 0\n"])
def test_a_scanner_that_gives_no_report_makes_way_for_the_sample(
    codespell: LoadedManifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    if any(shutil.which(name, path="/bin:/usr/bin") for name in ("trivy", "grype")):
        pytest.skip("a real scanner would be asked too")
    scanner(tmp_path / "bin", "trivy", script)
    loaded, said = scanned(codespell, tmp_path / "bin", monkeypatch)
    assert loaded.manifest.scan.format == "trivy"
    assert b"SAMPLE" in (codespell.path.parent / "dist" / "scan.json").read_bytes()
    assert "gave no report" in said[0]
    assert "SAMPLE" in said[-1]
