"""The draft of an evidence pack: what a client posts.

Documents and the artifact are uploaded first and named by their SHA-256. A draft may have gaps, which ``complete``
lists by name; it may not have fields that we do not know. What we can measure (counts, decision, trust in a
signature, level of provenance) has no field here at all.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, NonNegativeInt

from eucora.domain.vocabulary import RollbackStrategy
from eucora.evidence.document import Label, Word
from eucora.evidence.findings import MalwareResult, ScanFormat
from eucora.evidence.sbom import SbomFormat
from eucora.evidence.sections import (
    Command,
    ExitCode,
    FileName,
    Frozen,
    MalwareScan,
    PlaneRollback,
    PreReleaseTest,
    Reboot,
    UtcTime,
)
from eucora.ports.signer import DetachedSignature, Sha256

__all__ = [
    "ApplicationDraft",
    "ArtifactDraft",
    "EvidenceDraft",
    "InstallationDraft",
    "ProvenanceDraft",
    "RollbackPlanDraft",
    "RolloutPlanDraft",
    "SbomDraft",
    "VulnerabilityScanDraft",
    "complete",
]

_REMOVES = frozenset({RollbackStrategy.ASSIGNMENT_REMOVE, RollbackStrategy.PLAYBOOK})
"""Strategies that can take an application away altogether; the others go back to a version."""


def _distinct_codes(codes: tuple[ExitCode, ...] | None) -> tuple[ExitCode, ...] | None:
    if codes is not None and len({entry.code for entry in codes}) != len(codes):
        message = "must not give one exit code twice"
        raise ValueError(message)
    return codes


def _searched_by_somebody(scan: MalwareScan | None) -> MalwareScan | None:
    if scan is not None and scan.result is not MalwareResult.NOT_SCANNED and not (scan.scanner and scan.scanned_at):
        message = "must name scanner and scanned_at"
        raise ValueError(message)
    return scan


def _distinct_planes(planes: tuple[PlaneRollback, ...]) -> tuple[PlaneRollback, ...]:
    if len({entry.plane for entry in planes}) != len(planes):
        message = "must not name one plane twice"
        raise ValueError(message)
    return planes


class ApplicationDraft(Frozen):
    """See ``sections.Application``."""

    name: Label = ""
    version: Label = ""
    vendor: Label = ""
    category: Label = ""
    support_tier: Label = ""


class ProvenanceDraft(Frozen):
    """Where the artifact comes from. ``statement_sha256`` names an uploaded in-toto statement about it.

    ``statement_signature`` is a detached signature over that statement's SHA-256.
    """

    source: Label = ""
    revision: Label = ""
    statement_sha256: Sha256 | None = None
    statement_signature: DetachedSignature | None = None


class ArtifactDraft(Frozen):
    """An uploaded artifact by its SHA-256; ``size`` in bytes; without ``signature`` it counts as unsigned."""

    sha256: Sha256 | None = None
    size: NonNegativeInt | None = None
    file_name: FileName = ""
    signature: DetachedSignature | None = None
    provenance: ProvenanceDraft = ProvenanceDraft()


class SbomDraft(Frozen):
    """An uploaded SBOM by its SHA-256, and its format."""

    kind: SbomFormat | None = None
    sha256: Sha256 | None = None


class VulnerabilityScanDraft(Frozen):
    """An uploaded scan report by its SHA-256, and its format.

    ``scanned_at`` counts only where the report itself does not say when it was made.
    """

    kind: ScanFormat | None = None
    sha256: Sha256 | None = None
    scanned_at: UtcTime | None = None
    malware: Annotated[MalwareScan | None, AfterValidator(_searched_by_somebody)] = None


class InstallationDraft(Frozen):
    """See ``sections.Installation``; without ``exit_codes`` the default map applies."""

    install_command: Command = ""
    uninstall_command: Command = ""
    detection: dict[Word, Command] = Field(default_factory=dict)
    reboot: Reboot | None = None
    exit_codes: Annotated[tuple[ExitCode, ...] | None, AfterValidator(_distinct_codes)] = None
    settings: dict[Word, Command] = Field(default_factory=dict)


class RolloutPlanDraft(Frozen):
    """See ``sections.RolloutPlan``."""

    planes: tuple[Label, ...] = ()
    target_ring: Label = ""
    notes: Command = ""


class RollbackPlanDraft(Frozen):
    """See ``sections.RollbackPlan``; ``target_version`` may be missing when all strategies can remove the release."""

    strategies: Annotated[tuple[PlaneRollback, ...], AfterValidator(_distinct_planes)] = ()
    target_version: Label = ""
    steps: tuple[Command, ...] = ()


class EvidenceDraft(Frozen):
    """The whole draft. ``exceptions`` are ids of exceptions in force; ``pre_release_tests`` may be empty.

    ``attestations`` are risk factors that the author vouches for, each with the row of its rubric.
    """

    application: ApplicationDraft = ApplicationDraft()
    artifact: ArtifactDraft = ArtifactDraft()
    sbom: SbomDraft = SbomDraft()
    vulnerability_scan: VulnerabilityScanDraft = VulnerabilityScanDraft()
    installation: InstallationDraft = InstallationDraft()
    rollout_plan: RolloutPlanDraft = RolloutPlanDraft()
    rollback_plan: RollbackPlanDraft = RollbackPlanDraft()
    pre_release_tests: tuple[PreReleaseTest, ...] = ()
    exceptions: tuple[Label, ...] = ()
    attestations: dict[Word, Word] = Field(default_factory=dict)


_REQUIRED = (
    "application.name",
    "application.version",
    "application.vendor",
    "application.category",
    "application.support_tier",
    "artifact.sha256",
    "artifact.size",
    "artifact.file_name",
    "sbom.kind",
    "sbom.sha256",
    "vulnerability_scan.kind",
    "vulnerability_scan.sha256",
    "installation.install_command",
    "installation.uninstall_command",
    "installation.detection",
    "installation.reboot",
    "rollout_plan.planes",
    "rollout_plan.target_ring",
    "rollback_plan.strategies",
    "rollback_plan.steps",
)


def complete(draft: EvidenceDraft) -> list[str]:
    """What is missing in ``draft``: dotted names in the order of the sections; empty when nothing is."""
    missing = [name for name in _REQUIRED if _blank(_value(draft, name))]
    plan = draft.rollback_plan
    if not plan.target_version.strip() and any(entry.strategy not in _REMOVES for entry in plan.strategies):
        missing.append("rollback_plan.target_version")
    covered = {entry.plane for entry in plan.strategies}
    if covered:
        uncovered = [plane for plane in draft.rollout_plan.planes if plane not in covered]
        missing.extend(f"rollback_plan.strategies[{plane}]" for plane in uncovered)
    return missing


def _value(draft: EvidenceDraft, name: str) -> Any:
    section, field = name.split(".")
    return getattr(getattr(draft, section), field)


def _blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, tuple):
        return not value or any(isinstance(item, str) and not item.strip() for item in value)
    if isinstance(value, dict):
        return not value
    return value is None
