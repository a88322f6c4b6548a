"""What scan reports have in common: findings, severity bands, the summary.

The band of a finding (domain.md §3: critical ≥ 9.0, high ≥ 7.0, medium ≥ 4.0, low > 0) is the worse one of two: that of
its CVSS base score of version 3 or 4, and the scanner's own word. A score of version 2, whose scale knows no critical,
decides only where there is neither. "Negligible" is low; a score of 0 counts as no score (scanners write it for "not
known").
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from eucora.evidence.document import Label, ReportedTime, Word

__all__ = [
    "CvssScore",
    "Finding",
    "MalwareResult",
    "ScanFormat",
    "ScanSummary",
    "Severity",
    "SeverityCounts",
    "band",
    "best_score",
    "count",
    "known_time",
    "malware_in",
    "severity_of",
]

_CRITICAL, _HIGH, _MEDIUM = 9.0, 7.0, 4.0
_MALICIOUS_PACKAGE = "MAL-"


class ScanFormat(StrEnum):
    """Formats of scan report that are read."""

    TRIVY = "trivy"
    GRYPE = "grype"


class Severity(StrEnum):
    """Bands of severity; ``unknown`` is its own band and never counts as harmless."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"


class MalwareResult(StrEnum):
    """What a search for malware said; ``not_scanned`` when nobody searched."""

    NOT_SCANNED = "not_scanned"
    CLEAN = "clean"
    DETECTED = "detected"


_BY_WORD = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.LOW,
}
_RANK = {
    Severity.UNKNOWN: 0,
    Severity.LOW: 1,
    Severity.MEDIUM: 2,
    Severity.HIGH: 3,
    Severity.CRITICAL: 4,
}


class Frozen(BaseModel):
    """Base of the values here: frozen, no other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(Frozen):
    """One vulnerability in one component. ``cvss`` is a base score in [0, 10]; ``purl`` as the scanner gave it."""

    id: Word
    severity: Severity
    component: Word
    version: Label
    cvss: Annotated[float, Field(ge=0, le=10)] | None = None
    purl: Word | None = None
    fixed_version: Word | None = None


class SeverityCounts(Frozen):
    """Numbers of findings per band."""

    critical: Annotated[int, Field(ge=0)] = 0
    high: Annotated[int, Field(ge=0)] = 0
    medium: Annotated[int, Field(ge=0)] = 0
    low: Annotated[int, Field(ge=0)] = 0
    unknown: Annotated[int, Field(ge=0)] = 0


class ScanSummary(Frozen):
    """What a scan report says, counted by us.

    ``scanned_at`` is None when the report does not say; ``suppressed`` counts findings that the scanner's configuration
    hid (they are not among the findings), ``other_findings`` failed checks that are no vulnerabilities
    (misconfigurations, secrets). ``malware`` is ``detected`` when a finding is a malicious package; these scanners
    cannot say ``clean``. ``digest`` is the SHA-256 (hex) of the document's bytes.
    """

    scanner: ScanFormat
    scanner_version: Word
    scanned_at: ReportedTime | None
    findings: tuple[Finding, ...]
    counts: SeverityCounts
    malware: MalwareResult
    suppressed: int = 0
    other_findings: int = 0
    digest: str


class CvssScore(Frozen):
    """A CVSS base score and the major version of CVSS it is by."""

    major: int
    base: Annotated[float, Field(ge=0, le=10)]


def known_time(value: datetime | None) -> datetime | None:
    """``value``, or None for the zero time of Go, which scanners write when they do not know."""
    return None if value is None or value.year == 1 else value


def band(base: float) -> Severity:
    """The band of a CVSS base score; ``unknown`` for 0."""
    if base >= _CRITICAL:
        return Severity.CRITICAL
    if base >= _HIGH:
        return Severity.HIGH
    if base >= _MEDIUM:
        return Severity.MEDIUM
    return Severity.LOW if base > 0 else Severity.UNKNOWN


def best_score(scores: Iterable[CvssScore]) -> CvssScore | None:
    """The score of the newest CVSS version, of several the highest; scores of 0 say nothing."""
    return max((score for score in scores if score.base > 0), key=lambda score: (score.major, score.base), default=None)


def severity_of(word: str, score: CvssScore | None) -> Severity:
    """The band of a finding; the rule is in the module's text."""
    said = _BY_WORD.get(word.strip().lower(), Severity.UNKNOWN)
    if score is None or (score.major < 3 and said is not Severity.UNKNOWN):
        return said
    return max(said, band(score.base), key=_RANK.__getitem__)


def count(findings: Iterable[Finding]) -> SeverityCounts:
    """Numbers per band; the same vulnerability in two components counts twice."""
    numbers = dict.fromkeys(Severity, 0)
    for finding in findings:
        numbers[finding.severity] += 1
    return SeverityCounts(**{severity.value: number for severity, number in numbers.items()})


def malware_in(findings: Iterable[Finding]) -> MalwareResult:
    """``detected`` when one of the findings is a malicious package (OSV identifiers ``MAL-…``)."""
    malicious = any(finding.id.upper().startswith(_MALICIOUS_PACKAGE) for finding in findings)
    return MalwareResult.DETECTED if malicious else MalwareResult.NOT_SCANNED
