"""The examples are what their manifests say: packages by hash, SBOMs and scans that the evidence parsers accept."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from eucora.cli.manifest import load_manifest
from eucora.evidence.sbom import parse_sbom
from eucora.evidence.scans import ScanFormat, parse_scan

EXAMPLES = Path(__file__).parents[2] / "examples"
BUILT = ("fieldnotes", "handover", "wordcard")


@pytest.mark.parametrize("name", BUILT)
def test_a_package_is_built_to_the_hash_in_its_manifest_and_runs(name: str, tmp_path: Path) -> None:
    manifest = load_manifest(EXAMPLES / name / "manifest.yaml").manifest
    target = tmp_path / Path(manifest.artifact.path).name
    built = subprocess.run(
        [sys.executable, str(EXAMPLES / "build.py"), str(EXAMPLES / name), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert built.stdout.split()[0] == manifest.artifact.sha256, "sources changed: put the new hash into the manifest"
    said = subprocess.run([sys.executable, str(target), "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == manifest.application.version


@pytest.mark.parametrize("name", BUILT)
def test_the_sbom_is_one_and_is_about_the_package(name: str) -> None:
    manifest = load_manifest(EXAMPLES / name / "manifest.yaml").manifest
    document = (EXAMPLES / name / manifest.sbom.path).read_bytes()
    assert parse_sbom(document).format.value == manifest.sbom.format
    assert str(manifest.artifact.sha256).encode() in document


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/scan.sample.json")), ids=lambda path: path.parent.name)
def test_a_sample_scan_calls_itself_one(path: Path) -> None:
    manifest = load_manifest(path.parent / "manifest.yaml").manifest
    summary = parse_scan(path.read_bytes(), kind=ScanFormat(manifest.scan.format))
    assert summary.scanner_version == "sample-not-a-scan"
    assert b"SAMPLE" in path.read_bytes()


def test_the_fetched_wheel_is_pinned_to_the_hash_in_its_manifest() -> None:
    manifest = load_manifest(EXAMPLES / "codespell" / "manifest.yaml").manifest
    pinned = (EXAMPLES / "codespell" / "requirements.txt").read_text(encoding="utf-8")
    assert re.findall(r"--hash=sha256:([0-9a-f]{64})", pinned) == [manifest.artifact.sha256]
    assert f"codespell=={manifest.application.version}" in pinned
