"""Trivy's JSON report, schema 2 (``trivy … --format json``)."""

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

__all__ = ["is_trivy", "read_trivy"]

_WHAT = "Trivy report"
_SCHEMA = 2
_VULNERABILITY_CLASSES = frozenset({"os-pkgs", "lang-pkgs"})

Base = Annotated[float, Field(ge=0, le=10)]


class _Identifier(LooseModel):
    purl: Annotated[Label, Field(alias="PURL")] = ""


class _Cvss(LooseModel):
    v2: Annotated[Base, Field(alias="V2Score")] = 0.0
    v3: Annotated[Base, Field(alias="V3Score")] = 0.0
    v4: Annotated[Base, Field(alias="V40Score")] = 0.0


class _Vulnerability(LooseModel):
    id: Annotated[Word, Field(alias="VulnerabilityID")]
    package: Annotated[Word, Field(alias="PkgName")]
    identifier: Annotated[_Identifier, Field(alias="PkgIdentifier")] = _Identifier()
    installed: Annotated[Label, Field(alias="InstalledVersion")] = ""
    fixed: Annotated[Label, Field(alias="FixedVersion")] = ""
    severity: Annotated[Word, Field(alias="Severity")]
    source: Annotated[Label, Field(alias="SeveritySource")] = ""
    cvss: Annotated[dict[str, _Cvss], Field(alias="CVSS", default_factory=dict)]


class _Misconfiguration(LooseModel):
    status: Annotated[Label, Field(alias="Status")] = "FAIL"


class _Result(LooseModel):
    target: Annotated[Label, Field(alias="Target")]
    kind: Annotated[Label, Field(alias="Class")] = ""
    vulnerabilities: Annotated[list[_Vulnerability] | None, Field(alias="Vulnerabilities")] = None
    misconfigurations: Annotated[list[_Misconfiguration] | None, Field(alias="Misconfigurations")] = None
    secrets: Annotated[list[Any] | None, Field(alias="Secrets")] = None
    modified: Annotated[list[Any] | None, Field(alias="ExperimentalModifiedFindings")] = None


class _Tool(LooseModel):
    version: Annotated[Word, Field(alias="Version")] = "unknown"


class _Report(LooseModel):
    schema_version: Annotated[int, Field(alias="SchemaVersion")]
    trivy: Annotated[_Tool, Field(alias="Trivy")] = _Tool()
    created_at: Annotated[ReportedTime | None, Field(alias="CreatedAt")] = None
    results: Annotated[list[_Result] | None, Field(alias="Results")] = None


def is_trivy(document: Any) -> bool:
    """Whether ``document`` looks like a report of Trivy."""
    return isinstance(document, dict) and "SchemaVersion" in document and "ArtifactName" in document


def read_trivy(document: dict[str, Any], *, digest: str) -> ScanSummary:
    """The summary of a report whose bytes have the SHA-256 ``digest``. Raises ``EvidenceInvalid``."""
    if document["SchemaVersion"] != _SCHEMA:
        version = excerpt(document["SchemaVersion"])
        raise EvidenceInvalid(
            "/SchemaVersion", f"Trivy reports of schema {version} are not supported, only of schema 2."
        )
    report = parse(_Report, document, what=_WHAT)
    results = report.results or []
    other = sum(_failed_checks(result) for result in results)
    if not any(result.kind in _VULNERABILITY_CLASSES or result.vulnerabilities for result in results):
        sentence = (
            f"The Trivy report covers no packages ({other} other findings): nothing was searched for vulnerabilities, "
            "which is not the same as none found. Scan with --scanners vuln something that has packages."
        )
        raise EvidenceInvalid("/Results", sentence)
    findings = tuple(_finding(vulnerability) for result in results for vulnerability in result.vulnerabilities or ())
    return ScanSummary(
        scanner=ScanFormat.TRIVY,
        scanner_version=report.trivy.version,
        scanned_at=known_time(report.created_at),
        findings=findings,
        counts=count(findings),
        malware=malware_in(findings),
        suppressed=sum(len(result.modified or ()) for result in results),
        other_findings=other,
        digest=digest,
    )


def _finding(vulnerability: _Vulnerability) -> Finding:
    by_source = vulnerability.cvss
    # The source that Trivy took the severity from; any other source where that one gives no score.
    own = _scores([by_source[vulnerability.source]]) if vulnerability.source in by_source else []
    score = best_score(own) or best_score(_scores(list(by_source.values())))
    return Finding(
        id=vulnerability.id,
        severity=severity_of(vulnerability.severity, score),
        cvss=score.base if score else None,
        component=vulnerability.package,
        purl=vulnerability.identifier.purl or None,
        version=vulnerability.installed,
        fixed_version=vulnerability.fixed or None,
    )


def _scores(entries: list[_Cvss]) -> list[CvssScore]:
    return [
        CvssScore(major=major, base=base)
        for entry in entries
        for major, base in ((2, entry.v2), (3, entry.v3), (4, entry.v4))
    ]


def _failed_checks(result: _Result) -> int:
    failed = sum(check.status == "FAIL" for check in result.misconfigurations or ())
    return failed + len(result.secrets or ())
