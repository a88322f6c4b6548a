"""Grype's JSON report (``grype … -o json``), from the shape of 0.7 to the present one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from eucora.evidence.document import Label, LooseModel, ReportedTime, Word, excerpt, parse
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.findings import (
    CvssScore,
    Finding,
    ScanFormat,
    ScanSummary,
    best_score,
    count,
    known_time,
    malware_in,
    severity_of,
)

__all__ = ["is_grype", "read_grype"]

_WHAT = "Grype report"

Base = Annotated[float, Field(ge=0, le=10)]


class _Metrics(LooseModel):
    base: Annotated[Base, Field(alias="baseScore")] = 0.0


class _Cvss(LooseModel):
    version: Annotated[str, Field(pattern=r"^[0-9]")]
    metrics: _Metrics = _Metrics()


class _Fix(LooseModel):
    versions: list[Word] | None = None


class _Related(LooseModel):
    cvss: list[_Cvss] | None = None


class _Vulnerability(LooseModel):
    id: Word
    severity: Label = ""
    cvss: list[_Cvss] | None = None
    fix: _Fix = _Fix()
    # Until 0.10: one score per version of CVSS, and one version with the fix.
    cvss_v2: Annotated[_Metrics, Field(alias="cvssV2")] = _Metrics()
    cvss_v3: Annotated[_Metrics, Field(alias="cvssV3")] = _Metrics()
    fixed_in: Annotated[Label, Field(alias="fixedInVersion")] = ""


class _Artifact(LooseModel):
    name: Word
    version: Label = ""
    purl: Label = ""


class _Match(LooseModel):
    vulnerability: _Vulnerability
    related: Annotated[list[_Related] | None, Field(alias="relatedVulnerabilities")] = None
    artifact: _Artifact


class _Descriptor(LooseModel):
    name: Word
    version: Word
    timestamp: ReportedTime | None = None


class _Report(LooseModel):
    matches: list[_Match]
    ignored: Annotated[list[Any] | None, Field(alias="ignoredMatches")] = None
    descriptor: _Descriptor


def is_grype(document: Any) -> bool:
    """Whether ``document`` looks like a report of Grype."""
    return isinstance(document, dict) and "matches" in document and "descriptor" in document


def read_grype(document: dict[str, Any], *, digest: str) -> ScanSummary:
    """The summary of a report whose bytes have the SHA-256 ``digest``. Raises ``EvidenceInvalid``."""
    report = parse(_Report, document, what=_WHAT)
    if report.descriptor.name != "grype":
        name = excerpt(report.descriptor.name)
        raise EvidenceInvalid("/descriptor/name", f"The report looks like one of Grype and says it is by {name}.")
    findings = tuple(_finding(match) for match in report.matches)
    return ScanSummary(
        scanner=ScanFormat.GRYPE,
        scanner_version=report.descriptor.version,
        scanned_at=known_time(report.descriptor.timestamp),
        findings=findings,
        counts=count(findings),
        malware=malware_in(findings),
        suppressed=len(report.ignored or ()),
        digest=digest,
    )


def _finding(match: _Match) -> Finding:
    vulnerability = match.vulnerability
    own = [
        *_scores(vulnerability.cvss or []),
        CvssScore(major=2, base=vulnerability.cvss_v2.base),
        CvssScore(major=3, base=vulnerability.cvss_v3.base),
    ]
    # An advisory without a score (of a distribution, of GitHub) points to the CVE that has one.
    related = [score for entry in match.related or () for score in _scores(entry.cvss or [])]
    score = best_score(own) or best_score(related)
    fixed = ", ".join(vulnerability.fix.versions or ()) or vulnerability.fixed_in
    return Finding(
        id=vulnerability.id,
        severity=severity_of(vulnerability.severity, score),
        cvss=score.base if score else None,
        component=match.artifact.name,
        purl=match.artifact.purl or None,
        version=match.artifact.version,
        fixed_version=fixed or None,
    )


def _scores(entries: list[_Cvss]) -> list[CvssScore]:
    return [CvssScore(major=int(entry.version[0]), base=entry.metrics.base) for entry in entries]
