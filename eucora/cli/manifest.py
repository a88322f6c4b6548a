"""The submit manifest: one YAML file that says what is deployed, on which evidence, to whom, and how it is undone.

The model here is the one source; ``data/manifest.schema.json`` is generated from it (``eucora submit --schema``
prints it)
and a test holds the two together. What a manifest says is checked for its form only: whether a ring, a plane or a
policy exists is for the server, whose answer names the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from eucora.cli.positions import Located, YamlInvalid, read_yaml
from eucora.domain.vocabulary import RollbackStrategy

__all__ = ["LoadedManifest", "Manifest", "ManifestInvalid", "ManifestProblem", "load_manifest", "published_schema"]

SCHEMA_ID: Final = "urn:eucora:manifest:v1"
_QUOTE_HINT: Final = 'put it in quotes: YAML reads it as a number or a date without them, "2.10" as 2.1'

Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Command = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
FilePath = Annotated[
    str, StringConstraints(min_length=1, max_length=1024), Field(description="Relative to the manifest's folder.")
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Part(BaseModel):
    """Base of all parts: frozen, nothing unknown, no guessing between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ApplicationPart(Part):
    """What is deployed."""

    name: Text
    version: Text
    vendor: Text = Field(description="Vendor and name together are the application's identity.")
    category: Text
    support_tier: Text
    users: int | None = Field(default=None, ge=0, description="People who use it; helps to tell its blast radius.")
    criticality: Literal["low", "medium", "high", "critical"] | None = None
    requires_admin: bool | None = Field(default=None, description="Whether installing it needs administrator's rights.")
    tags: tuple[Text, ...] = ()


class ProvenancePart(Part):
    """Where the artifact comes from; a signed in-toto statement proves it, words alone do not."""

    source: Text | None = None
    revision: Text | None = None
    statement: FilePath | None = None
    statement_signature: FilePath | None = None


class ArtifactPart(Part):
    """The file that is installed."""

    path: FilePath
    sha256: Sha256 | None = Field(default=None, description="When given, the file must have it.")
    signature: FilePath | None = Field(
        default=None, description="Detached signature made by `eucora evidence sign`; without it the file is unsigned."
    )
    provenance: ProvenancePart = ProvenancePart()


class SbomPart(Part):
    """Software bill of materials of the artifact."""

    path: FilePath
    format: Literal["cyclonedx", "spdx"]


class MalwarePart(Part):
    """Result of a search for malware."""

    result: Literal["clean", "detected", "not_scanned"]
    scanner: Text | None = None
    scanned_at: Annotated[AwareDatetime, Field(strict=False)] | None = None


class ScanPart(Part):
    """Vulnerability scan of the artifact."""

    path: FilePath
    format: Literal["trivy", "grype"]
    scanned_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="Counts only where the report itself does not say."
    )
    malware: MalwarePart | None = None


class ExitCodePart(Part):
    """What one exit code of the installer means."""

    code: int
    outcome: Literal["success", "success_reboot", "retry", "failure"]


class InstallationPart(Part):
    """How the artifact is installed, removed and found on a device; keys are the plane's connector's."""

    install_command: Command
    uninstall_command: Command
    detection: dict[Text, Command] = Field(min_length=1)
    reboot: Literal["none", "user_initiated", "required"]
    exit_codes: tuple[ExitCodePart, ...] | None = Field(
        default=None, description="Default: 0 success, 3010 and 1641 success with reboot, 1618 retry, 1603 failure."
    )
    settings: dict[Text, Command] = Field(default_factory=dict)


class RollbackPart(Part):
    """How the release is taken back."""

    strategies: dict[Text, Annotated[RollbackStrategy, Field(strict=False)]] = Field(
        min_length=1, description="Plane to strategy."
    )
    target_version: Text | None = Field(default=None, description="Missing: the application is removed.")
    steps: tuple[Command, ...] = Field(min_length=1)


class TestPart(Part):
    """A test that people did before the release."""

    __test__ = False  # not a test of ours

    name: Text
    result: Literal["passed", "failed"]
    performed_by: Text
    performed_at: Annotated[AwareDatetime, Field(strict=False)]
    report: FilePath | None = None


class CohortPart(Part):
    """Devices of one plane: a group (the first ``take`` of what is left of it), or devices by id."""

    group: Text | None = None
    take: int | None = Field(default=None, ge=1)
    devices: tuple[Text, ...] = ()


class ScopePart(Part):
    """Where the change belongs (roles are given per scope)."""

    business_unit: Text | None = None
    acquisition_boundary: Text | None = None
    site: Text | None = None


class UrgencyPart(Part):
    """A review within 24 hours instead of 48."""

    justification: Command


class Manifest(Part):
    """A change: what is deployed, on which evidence, to which devices of which rings, and how it is undone."""

    manifest: Literal["v1"] = Field(description="Version of this format.")
    application: ApplicationPart
    artifact: ArtifactPart
    sbom: SbomPart
    scan: ScanPart
    installation: InstallationPart
    rollback: RollbackPart
    attestations: dict[Name, Name] = Field(
        default_factory=dict,
        description="Risk factors that the author of the evidence vouches for, factor to rubric row: privilege_impact, "
        "exploitability, data_access, operational_complexity. A factor neither measured nor attested takes the "
        "rubric's worst value.",
    )
    risk: dict[Name, Name] = Field(
        default_factory=dict,
        description="Risk factors that the submitter declares. A declaration alone never lowers the score.",
    )
    tests: tuple[TestPart, ...] = ()
    exceptions: tuple[Text, ...] = Field(default=(), description="Ids of exceptions in force.")
    rings: dict[Text, dict[Text, CohortPart]] = Field(
        min_length=1, description="Ring to plane to cohort, from the first ring to the target ring."
    )
    target_ring: Text | None = Field(default=None, description="The last ring; default: the organisation's.")
    gate_policy: Text | None = None
    checkpoints: Literal["standard", "pilot_only", "every_ring"] | None = None
    scope: ScopePart = ScopePart()
    urgent: UrgencyPart | None = None
    notes: Command | None = None

    @property
    def planes(self) -> tuple[str, ...]:
        """Planes of all rings, in order of first use."""
        return tuple(dict.fromkeys(plane for ring in self.rings.values() for plane in ring))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestProblem:
    """One thing that is wrong: the field as a path (``rings.LAB.ansible.take``), its line from 1, and what."""

    field: str
    line: int
    reason: str


class ManifestInvalid(Exception):
    """The manifest cannot be used; ``problems`` are in the order of their lines."""

    def __init__(self, path: Path, problems: tuple[ManifestProblem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem, as compilers write them."""
        return tuple(
            f"{self.path}:{problem.line}: {problem.field + ': ' if problem.field else ''}{problem.reason}"
            for problem in self.problems
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedManifest:
    """A manifest, where it was read, and its text (the idempotency key is derived from it)."""

    path: Path
    text: str
    manifest: Manifest
    located: Located

    def file(self, name: str, field: tuple[str, ...]) -> Path:
        """A file that the manifest names. Raises :class:`ManifestInvalid` when it is not there."""
        path = self.path.parent / name
        if not path.is_file():
            raise self.invalid(field, f"{path} does not exist")
        return path

    def invalid(self, field: tuple[str, ...], reason: str) -> ManifestInvalid:
        """The error for one field."""
        problem = ManifestProblem(field=".".join(field), line=self.located.line(field), reason=reason)
        return ManifestInvalid(self.path, (problem,))


def load_manifest(path: Path) -> LoadedManifest:
    """Read and check a manifest. Raises :class:`ManifestInvalid` naming every line and field at fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problem = ManifestProblem(field="", line=1, reason=f"cannot be read: {error.strerror}")
        raise ManifestInvalid(path, (problem,)) from None
    except UnicodeDecodeError:
        problem = ManifestProblem(field="", line=1, reason="is not UTF-8 text")
        raise ManifestInvalid(path, (problem,)) from None
    try:
        located = read_yaml(text)
    except YamlInvalid as error:
        raise ManifestInvalid(path, (ManifestProblem(field="", line=error.line, reason=error.reason),)) from None
    try:
        manifest = Manifest.model_validate(_tuples(located.value))
    except ValidationError as error:
        raise ManifestInvalid(path, _problems(error, located)) from None
    return LoadedManifest(path=path, text=text, manifest=manifest, located=located)


def published_schema() -> str:
    """The JSON Schema of the manifest, as it is shipped."""
    return (files("eucora.cli") / "data" / "manifest.schema.json").read_text(encoding="utf-8")


def generated_schema() -> dict[str, Any]:
    """The JSON Schema as the model gives it; what :func:`published_schema` must equal."""
    schema = Manifest.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **schema,
        "title": "eucora submit manifest",
    }


def _tuples(value: Any) -> Any:
    """Lists as tuples: the model is strict and its sequences are tuples."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _problems(error: ValidationError, located: Located) -> tuple[ManifestProblem, ...]:
    found = []
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "[key]")
        found.append(
            ManifestProblem(field=".".join(map(str, path)), line=located.line(path), reason=_reason(dict(detail)))
        )
    return tuple(sorted(found, key=lambda problem: problem.line))


def _reason(detail: Mapping[str, Any]) -> str:
    given = detail.get("input")
    match detail["type"]:
        case "extra_forbidden":
            return "is no field of a manifest"
        case "missing":
            return "is missing"
        case "string_type" if given is not None and not isinstance(given, Mapping | tuple):
            return _QUOTE_HINT
        case "string_pattern_mismatch":
            return f"{given!r} does not match {detail['ctx']['pattern']}"
        case _:
            reason = str(detail["msg"])
            return reason[:1].lower() + reason[1:]
