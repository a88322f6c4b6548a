"""What has to be there before anything is submitted: artifacts, signatures, SBOMs, scan reports.

The wheel of scenario A is fetched by hash from the package index that pip is configured for; its SBOM is made from it
by CycloneDX's own tool; its scan comes from a scanner on PATH, or is the sample in ``examples/`` and is called so.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from eucora.cli.manifest import LoadedManifest, ScanPart, load_manifest
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.scans import ScanFormat, parse_scan
from eucora.signing.detached import sign_artifact
from eucora.signing.keys import load_or_create_private_key

__all__ = ["PreparationFailed", "Programs", "prepare"]

Say = Callable[[str], None]

EXAMPLES: Final = {"A": "codespell", "B": "fieldnotes", "C": "wordcard", "D": "handover"}
SCAN_SECONDS: Final = 45.0
"""A scanner without its database would fetch it first; no longer than this."""
SCANNERS: Final = {
    "trivy": ("sbom", "--quiet", "--list-all-pkgs", "--format", "json", "--output", "{out}", "{sbom}"),
    "grype": ("sbom:{sbom}", "--quiet", "--output", "json", "--file", "{out}"),
}


class PreparationFailed(Exception):
    """The demo cannot begin; the message says what is missing."""


@dataclass(slots=True)
class Programs:
    """Runs programs, and ends the running ones when the demo is interrupted."""

    _running: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def run(self, arguments: Sequence[str], *, seconds: float = 120.0) -> str:
        """Run a program to its end; returns what it printed. Raises :class:`PreparationFailed` with its last words."""
        with self._lock:
            if self._ended:
                raise PreparationFailed("interrupted")
            process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise PreparationFailed(f"{Path(arguments[0]).name} was not done after {seconds:.0f} s") from None
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            words = " ".join((err.strip() or out.strip()).splitlines()[-3:])
            raise PreparationFailed(f"{' '.join(map(str, arguments[:4]))} ended with {process.returncode}: {words}")
        return out

    def end(self) -> None:
        """End what runs and start nothing more."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.kill()


def prepare(examples: Path, work: Path, key: Path, programs: Programs, *, say: Say) -> dict[str, LoadedManifest]:
    """Make everything that the manifests name, in a copy of the examples; returns the manifests by scenario.

    ``key`` is the PEM file of the packaging key that signs the artifacts.

    Raises :class:`PreparationFailed`.
    """
    if not (examples / "codespell" / "manifest.yaml").is_file():
        raise PreparationFailed(f"{examples} does not hold the examples: run this in a clone, or give --examples")
    shutil.copytree(examples, work, ignore=shutil.ignore_patterns("dist", "__pycache__"))
    loaded = {letter: load_manifest(work / name / "manifest.yaml") for letter, name in EXAMPLES.items()}
    for letter in ("B", "C", "D"):
        artifact = _path(loaded[letter], loaded[letter].manifest.artifact.path)
        programs.run([sys.executable, str(work / "build.py"), str(artifact.parent.parent), str(artifact)])
        _sign(loaded[letter], artifact, key)
        say(f"{letter}: built and signed {artifact.name}")
    loaded["A"] = _codespell(loaded["A"], key, programs, say=say)
    return loaded


def _codespell(loaded: LoadedManifest, key: Path, programs: Programs, *, say: Say) -> LoadedManifest:
    """Fetch, hash, sign; SBOM from the wheel; scan."""
    folder = loaded.path.parent
    wheel = _path(loaded, loaded.manifest.artifact.path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    fetch = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    pins = folder / "requirements.txt"
    try:
        programs.run([*pip, *fetch, "--requirement", str(pins), "--dest", str(wheel.parent)])
    except PreparationFailed as error:
        raise PreparationFailed(f"the wheel of codespell could not be fetched: {error}") from None
    if not wheel.is_file():
        found = ", ".join(path.name for path in wheel.parent.iterdir()) or "nothing"
        raise PreparationFailed(f"pip fetched {found} instead of {wheel.name}")
    _sign(loaded, wheel, key)
    say(f"A: fetched {wheel.name} by hash ({wheel.stat().st_size} bytes) and signed it")
    sbom = _path(loaded, loaded.manifest.sbom.path)
    environment = folder / "sbom-environment"
    programs.run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = str(environment / "bin" / "python")
    # By name and hash from the folder: a package that pip took from a path has no package URL, and scanners need one.
    source = ["--no-index", "--find-links", str(wheel.parent), "--require-hashes", "--requirement"]
    programs.run([*pip, "--python", python, "install", "--quiet", "--no-deps", *source, str(pins)])
    tool = [sys.executable, "-m", "cyclonedx_py", "environment", "--spec-version", "1.6"]
    programs.run([*tool, "--output-format", "JSON", "--output-file", str(sbom), python])
    components = len(json.loads(sbom.read_text(encoding="utf-8"))["components"])
    say(f"A: SBOM made from the wheel by cyclonedx-py: {components} component(s)")
    return _scan(loaded, sbom, programs, say=say)


def _scan(loaded: LoadedManifest, sbom: Path, programs: Programs, *, say: Say) -> LoadedManifest:
    """A scanner's report about the SBOM, or the example's sample."""
    out = _path(loaded, loaded.manifest.scan.path)
    for name, arguments in SCANNERS.items():
        program = shutil.which(name)
        if program is None:
            continue
        filled = [argument.format(sbom=sbom, out=out) for argument in arguments]
        try:
            programs.run([program, *filled], seconds=SCAN_SECONDS)
            parse_scan(out.read_bytes(), kind=ScanFormat(name))
        except (PreparationFailed, EvidenceInvalid, OSError) as error:
            say(f"A: {name} is on PATH and gave no report that can be used: {error}")
            continue
        say(f"A: scanned by {name}")
        part = ScanPart.model_validate({"path": loaded.manifest.scan.path, "format": name})
        return replace(loaded, manifest=loaded.manifest.model_copy(update={"scan": part}))
    shutil.copyfile(loaded.path.parent / "scan.sample.json", out)
    say("A: no scanner did it, so the scan report is the SAMPLE of examples/codespell")
    return loaded


def _sign(loaded: LoadedManifest, artifact: Path, key: Path) -> None:
    """Sign with the packaging key, detached. Raises :class:`PreparationFailed` for another file than the manifest's."""
    sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest()
    if sha256 != loaded.manifest.artifact.sha256:
        raise PreparationFailed(f"{artifact.name} has SHA-256 {sha256}, not {loaded.manifest.artifact.sha256}")
    signature = sign_artifact(load_or_create_private_key(key), artifact_sha256=sha256)
    target = _path(loaded, str(loaded.manifest.artifact.signature))
    target.write_text(json.dumps(signature.model_dump(mode="json")), encoding="utf-8")


def _path(loaded: LoadedManifest, name: str) -> Path:
    """Where a file of the manifest is, or will be."""
    path = loaded.path.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
