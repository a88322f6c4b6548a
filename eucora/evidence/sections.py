"""Sections of an evidence pack (domain.md §3): frozen shapes, as they are sealed.

A field added later is optional with the default None: a pack's digest is over the fields that are not None, so that
packs sealed before keep theirs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
)

from eucora.domain.risk.evidence import Provenance, Signing
from eucora.domain.vocabulary import GateResult, RollbackStrategy
from eucora.evidence.document import Label, Word
from eucora.evidence.findings import Finding, MalwareResult, ScanFormat, SeverityCounts
from eucora.ports.signer import DetachedSignature, Sha256

__all__ = [
    "DEFAULT_EXIT_CODES",
    "RETENTION_DAYS",
    "SCHEMA_VERSION",
    "Application",
    "Artifact",
    "ArtifactProvenance",
    "ArtifactSigning",
    "Attestation",
    "Command",
    "ExceptionReference",
    "ExceptionType",
    "ExitCode",
    "ExitOutcome",
    "FileName",
    "Frozen",
    "Installation",
    "MalwareScan",
    "Metadata",
    "PlaneRollback",
    "PreReleaseTest",
    "Reboot",
    "Rehearsal",
    "RingResult",
    "RollbackPlan",
    "RolloutPlan",
    "ScanDecision",
    "TestEvidence",
    "TestResult",
    "UtcTime",
    "VulnerabilityScan",
]

SCHEMA_VERSION = 1
RETENTION_DAYS = 2555
"""Seven years (domain.md §3, §8)."""

_NOT_IN_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_NOT_IN_FILE_NAMES = re.compile(r"[/\\]")


def _command(value: str) -> str:
    if _NOT_IN_COMMANDS.search(value):
        message = "must not contain control characters (but tab and line feed) or halves of surrogate pairs"
        raise ValueError(message)
    return value


def _file_name(value: str) -> str:
    if _NOT_IN_FILE_NAMES.search(value) or value in {".", ".."}:
        message = "must be the name of a file, without a folder"
        raise ValueError(message)
    return value


UtcTime = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
Command = Annotated[str, StringConstraints(max_length=8192), AfterValidator(_command)]
FileName = Annotated[Label, StringConstraints(max_length=255), AfterValidator(_file_name)]


class Frozen(BaseModel):
    """Base of all sections: frozen, no other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ScanDecision(StrEnum):
    """Whether the findings let the release pass; computed, never taken from a client."""

    PASS = "pass"  # noqa: S105 - a decision, not a password
    FAIL = "fail"
    EXCEPTION = "exception"


class ExitOutcome(StrEnum):
    """What an installer's exit code means."""

    SUCCESS = "success"
    SUCCESS_REBOOT = "success_reboot"
    RETRY = "retry"
    FAILURE = "failure"


class Reboot(StrEnum):
    """Whether the installation restarts the device."""

    NONE = "none"
    USER_INITIATED = "user_initiated"
    REQUIRED = "required"


class ExceptionType(StrEnum):
    """Types of exception (domain.md §5)."""

    VULNERABILITY = "vulnerability"
    UNSIGNED_PACKAGE = "unsigned_package"
    SCOPE_VIOLATION = "scope_violation"
    GATE_OVERRIDE = "gate_override"
    HIGH_RISK = "high_risk"


class TestResult(StrEnum):
    """Result of a test that people did."""

    __test__ = False  # not a test of ours

    PASSED = "passed"
    FAILED = "failed"


class Application(Frozen):
    """What is released."""

    name: Word
    version: Word
    vendor: Word
    category: Word
    support_tier: Word


class ArtifactSigning(Frozen):
    """What the check of the signature found; ``signature`` is kept so that anybody can check it again."""

    result: Signing
    key_id: str | None = None
    vendor: str | None = None
    signature: DetachedSignature | None = None


class ArtifactProvenance(Frozen):
    """Where the artifact comes from, and how well that is known; ``source`` and ``revision`` are declared."""

    level: Provenance
    source: Word | None = None
    revision: Word | None = None
    builder: Word | None = None
    statement_sha256: Sha256 | None = None


class Artifact(Frozen):
    """The file that is installed; ``size`` in bytes."""

    sha256: Sha256
    size: NonNegativeInt
    file_name: FileName
    signing: ArtifactSigning
    provenance: ArtifactProvenance


class MalwareScan(Frozen):
    """Result of a search for malware, who made it and when; both are None when nobody searched."""

    result: MalwareResult
    scanner: Word | None = None
    scanned_at: UtcTime | None = None


class VulnerabilityScan(Frozen):
    """The scan, summed up. ``blocking`` are its critical and high findings; ``document_sha256`` names the report."""

    format: ScanFormat
    document_sha256: Sha256
    scanner_version: Word
    scanned_at: UtcTime
    counts: SeverityCounts
    blocking: tuple[Finding, ...]
    suppressed: NonNegativeInt
    other_findings: NonNegativeInt
    malware: MalwareScan
    decision: ScanDecision


class ExitCode(Frozen):
    """What one exit code of the installer means."""

    code: Annotated[int, Field(ge=-(2**31), lt=2**32)]
    outcome: ExitOutcome


DEFAULT_EXIT_CODES = (
    ExitCode(code=0, outcome=ExitOutcome.SUCCESS),
    ExitCode(code=1603, outcome=ExitOutcome.FAILURE),
    ExitCode(code=1618, outcome=ExitOutcome.RETRY),
    ExitCode(code=1641, outcome=ExitOutcome.SUCCESS_REBOOT),
    ExitCode(code=3010, outcome=ExitOutcome.SUCCESS_REBOOT),
)
"""The map of domain.md §3, used where the draft gives none; any other code is a failure."""


class Installation(Frozen):
    """How the artifact is installed, removed and found on a device.

    ``detection`` and ``settings`` are read by the plane's connector, which documents their keys. Codes that
    ``exit_codes`` does not name are failures.
    """

    install_command: Command
    uninstall_command: Command
    detection: dict[Word, Command]
    reboot: Reboot
    exit_codes: tuple[ExitCode, ...]
    settings: dict[Word, Command]


class RolloutPlan(Frozen):
    """Where the release is meant to go: planes, and the last ring."""

    planes: tuple[Word, ...]
    target_ring: Word
    notes: Command | None = None


class PlaneRollback(Frozen):
    """How one plane takes the release back."""

    plane: Word
    strategy: RollbackStrategy


class RollbackPlan(Frozen):
    """How the release is taken back; ``target_version`` None means that the application is removed."""

    strategies: tuple[PlaneRollback, ...]
    target_version: Word | None = None
    steps: tuple[Command, ...]


class PreReleaseTest(Frozen):
    """A test that people did before the release; ``report_sha256`` names an uploaded report."""

    name: Word
    result: TestResult
    performed_by: Word
    performed_at: UtcTime
    report_sha256: Sha256 | None = None


class RingResult(Frozen):
    """What a ring came to, as its gate saw it; numbers of devices."""

    ring: Word
    decided_at: UtcTime
    result: GateResult
    targeted: NonNegativeInt
    succeeded: NonNegativeInt
    failed: NonNegativeInt
    unknown: NonNegativeInt


class Rehearsal(Frozen):
    """A rollback rehearsed on one device: rolled back, verified gone, installed again."""

    ring: Word
    plane: Word
    device: Word
    artifact_sha256: Sha256
    succeeded: bool
    sentence: Command
    rehearsed_at: UtcTime


class TestEvidence(Frozen):
    """Everything that was tried; only ever appended to."""

    __test__: ClassVar[bool] = False  # not a test of ours

    pre_release: tuple[PreReleaseTest, ...] = ()
    ring_results: tuple[RingResult, ...] = ()
    rehearsals: tuple[Rehearsal, ...] = ()


class Attestation(Frozen):
    """A risk factor that the pack's author vouches for, and the row of its rubric (domain.md §2)."""

    factor: Word
    row: Word


class ExceptionReference(Frozen):
    """An exception in force when the pack was sealed; ``finding_ids`` are the vulnerabilities that it names."""

    id: Word
    revision: PositiveInt
    type: ExceptionType
    finding_ids: tuple[Word, ...] = ()
    expires_at: UtcTime

    def names(self, finding_id: str) -> bool:
        """Whether it is an exception for the vulnerability ``finding_id`` (letter case does not matter)."""
        wanted = finding_id.casefold()
        return self.type is ExceptionType.VULNERABILITY and any(
            wanted == known.casefold() for known in self.finding_ids
        )

    def in_force(self, at: datetime) -> bool:
        """Whether it has not yet expired at that time."""
        return at < self.expires_at


class Metadata(Frozen):
    """About the pack itself. Each version names the one before by its pack digest."""

    schema_version: PositiveInt = SCHEMA_VERSION
    pack_version: PositiveInt
    previous_pack_digest: Sha256 | None = None
    author: Word
    sealed_at: UtcTime
    retention_days: PositiveInt = RETENTION_DAYS
