"""Scan reports are read and banded by us; what shows no scan is refused, never counted as no findings."""

import contextlib
import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.evidence.canonical import sha256_hex
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.findings import CvssScore, MalwareResult, ScanFormat, Severity, band, best_score, severity_of
from eucora.evidence.scans import parse_scan
from tests.evidence.builders import as_bytes, shared, trivy, vulnerability


def grype(*matches: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A Grype report of the present shape."""
    descriptor = {"name": "grype", "version": "0.90.0", "timestamp": "2026-02-28T08:00:00.5Z"}
    return {"matches": list(matches), "source": {"type": "file"}, "descriptor": descriptor} | more


def match(identifier: str = "CVE-2026-0001", severity: str = "Low", **more: Any) -> dict[str, Any]:
    return {
        "vulnerability": {"id": identifier, "severity": severity, "cvss": [], "fix": {"versions": [], "state": ""}}
        | more,
        "relatedVulnerabilities": [],
        "artifact": {"name": "left-pad", "version": "1", "purl": "pkg:npm/left-pad@1"},
    }


def cvss(version: str, base: float) -> dict[str, Any]:
    return {"version": version, "vector": "", "metrics": {"baseScore": base}}


def refusal(document: Any, *, kind: ScanFormat | None = None) -> EvidenceInvalid:
    with pytest.raises(EvidenceInvalid) as refused:
        parse_scan(as_bytes(document), kind=kind)
    return refused.value


@pytest.mark.parametrize(
    ("name", "counts", "version"),
    [
        ("trivy-gomod.json", (0, 0, 1, 0, 4), "dev"),
        ("trivy-ubuntu-vm.json", (0, 1, 0, 0, 0), "dev"),
        ("grype-327-matches.json", (5, 24, 155, 133, 10), "0.7.0"),
        ("grype-all-fields.json", (2, 3, 0, 1, 0), "0.28.0"),
    ],
)
def test_real_reports_are_counted(name: str, counts: tuple[int, ...], version: str) -> None:
    data = shared(f"scans/{name}")
    kind = ScanFormat(name.partition("-")[0])
    summary = parse_scan(data, kind=kind)
    assert tuple(summary.counts.model_dump().values()) == counts
    assert len(summary.findings) == sum(counts)
    assert (summary.scanner, summary.scanner_version, summary.digest) == (kind, version, sha256_hex(data))
    assert summary.malware is MalwareResult.NOT_SCANNED


def test_a_finding_of_trivy_has_every_field() -> None:
    finding = parse_scan(shared("scans/trivy-gomod.json")).findings[1]
    assert finding.model_dump() == {
        "id": "CVE-2022-23628",
        "severity": Severity.MEDIUM,
        "component": "github.com/open-policy-agent/opa",
        "version": "v0.35.0",
        "cvss": 5.3,
        "purl": "pkg:golang/github.com/open-policy-agent/opa@v0.35.0",
        "fixed_version": "0.37.0",
    }


def test_a_finding_of_grype_has_every_field() -> None:
    findings = parse_scan(shared("scans/grype-all-fields.json")).findings
    redis = next(finding for finding in findings if finding.id == "CVE-2021-32626")
    assert redis.model_dump() == {
        "id": "CVE-2021-32626",
        "severity": Severity.HIGH,
        "component": "redis",
        "version": "4.0.2",
        "cvss": 8.8,
        "purl": "pkg:pypi/redis@4.0.2",
        "fixed_version": "fix_1, fix_2",
    }


def test_misconfigurations_without_a_vulnerability_scan_are_not_a_clean_scan() -> None:
    with pytest.raises(EvidenceInvalid, match="18 other findings") as refused:
        parse_scan(shared("scans/trivy-helm-misconfig.json"))
    assert refused.value.field == "/Results"


@pytest.mark.parametrize(
    "name",
    [
        "snyk-all-projects.json",
        "snyk-null-cvss.json",
        "sarif-grype-cxf.sarif",
        "sarif-spotbugs.sarif",
        "osv-scanner-66-findings.json",
    ],
)
def test_formats_of_later_are_refused_by_naming_those_of_today(name: str) -> None:
    with pytest.raises(EvidenceInvalid, match=r"supported are Trivy JSON \(schema 2\) and Grype JSON"):
        parse_scan(shared(f"scans/{name}"))


def test_an_empty_file_is_a_scan_that_did_not_run() -> None:
    with pytest.raises(EvidenceInvalid, match="empty"):
        parse_scan(shared("scans/odd/osv-scanner-empty-file.json"))


def test_raw_line_ends_inside_strings_are_refused_and_located() -> None:
    with pytest.raises(EvidenceInvalid, match="line 35"):
        parse_scan(shared("scans/odd/sarif-control-chars.sarif"))


@pytest.mark.parametrize(
    ("base", "severity"),
    [
        (10.0, Severity.CRITICAL),
        (9.0, Severity.CRITICAL),
        (8.9, Severity.HIGH),
        (7.0, Severity.HIGH),
        (6.9, Severity.MEDIUM),
        (4.0, Severity.MEDIUM),
        (3.9, Severity.LOW),
        (0.1, Severity.LOW),
        (0.0, Severity.UNKNOWN),
    ],
)
def test_the_bands_of_the_domain(base: float, severity: Severity) -> None:
    """domain.md §3: critical ≥ 9.0, high ≥ 7.0, medium ≥ 4.0, low > 0."""
    assert band(base) is severity


@pytest.mark.parametrize(
    ("word", "score", "severity"),
    [
        ("HIGH", None, Severity.HIGH),
        ("Negligible", None, Severity.LOW),
        ("", None, Severity.UNKNOWN),
        ("urgent", None, Severity.UNKNOWN),
        ("low", (3, 9.8), Severity.CRITICAL),
        ("critical", (3, 5.0), Severity.CRITICAL),
        ("unknown", (3, 7.0), Severity.HIGH),
        ("medium", (2, 10.0), Severity.MEDIUM),
        ("unknown", (2, 7.2), Severity.HIGH),
        ("low", (4, 9.3), Severity.CRITICAL),
    ],
)
def test_a_band_is_the_worse_of_word_and_score(word: str, score: tuple[int, float] | None, severity: Severity) -> None:
    assert severity_of(word, CvssScore(major=score[0], base=score[1]) if score else None) is severity


def test_the_newest_cvss_counts_and_zero_says_nothing() -> None:
    scores = [CvssScore(major=major, base=base) for major, base in ((2, 10.0), (3, 5.0), (3, 6.0), (4, 0.0))]
    assert best_score(scores) == CvssScore(major=3, base=6.0)
    assert best_score([]) is None


def test_trivy_takes_the_score_of_the_source_of_its_severity() -> None:
    scores = {"nvd": {"V3Score": 9.8}, "redhat": {"V3Score": 5.0}}
    ours = vulnerability(severity="MEDIUM", SeveritySource="redhat", CVSS=scores)
    other = vulnerability(severity="MEDIUM", SeveritySource="debian", CVSS=scores)
    assert [finding.cvss for finding in parse_scan(as_bytes(trivy(ours, other))).findings] == [5.0, 9.8]


def test_grype_takes_a_related_score_where_the_advisory_has_none() -> None:
    bare, scored = match("GHSA-1", "High"), match("GHSA-2", "High", cvss=[cvss("3.1", 7.5), cvss("2.0", 10)])
    for entry in (bare, scored):
        entry["relatedVulnerabilities"] = [{"id": "CVE-1", "cvss": [cvss("3.1", 9.8)]}]
    assert [finding.cvss for finding in parse_scan(as_bytes(grype(bare, scored))).findings] == [9.8, 7.5]


def test_the_time_of_the_scan_is_the_report_s_own_in_utc() -> None:
    assert parse_scan(as_bytes(trivy())).scanned_at == datetime(2026, 2, 28, 7, microsecond=123456, tzinfo=UTC)
    assert parse_scan(as_bytes(grype())).scanned_at == datetime(2026, 2, 28, 8, microsecond=500000, tzinfo=UTC)
    assert parse_scan(as_bytes(trivy(CreatedAt="0001-01-01T00:00:00Z"))).scanned_at is None


def test_a_scan_that_looked_and_found_nothing_is_clean() -> None:
    for document in (trivy(), grype()):
        summary = parse_scan(as_bytes(document))
        assert (summary.findings, sum(summary.counts.model_dump().values())) == ((), 0)


@pytest.mark.parametrize("results", [None, [], [{"Target": "x", "Class": "secret", "Secrets": [{}]}]])
def test_a_trivy_report_that_covers_no_packages_is_refused(results: Any) -> None:
    assert refusal(trivy(Results=results)).field == "/Results"


def test_hidden_and_other_findings_are_counted() -> None:
    result = {
        "Target": "x",
        "Class": "lang-pkgs",
        "Misconfigurations": [{"Status": "FAIL"}, {"Status": "PASS"}],
        "Secrets": [{}],
        "ExperimentalModifiedFindings": [{}, {}],
    }
    summary = parse_scan(as_bytes(trivy(Results=[result])))
    assert (summary.suppressed, summary.other_findings) == (2, 2)
    assert parse_scan(as_bytes(grype(ignoredMatches=[match()]))).suppressed == 1


def test_a_malicious_package_is_malware() -> None:
    for document in (trivy(vulnerability("MAL-2026-12", "UNKNOWN")), grype(match("mal-2026-12", ""))):
        assert parse_scan(as_bytes(document)).malware is MalwareResult.DETECTED


def test_the_declared_format_must_be_the_real_one() -> None:
    assert "declared as grype and is trivy" in refusal(trivy(), kind=ScanFormat.GRYPE).sentence


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (trivy(SchemaVersion=1), "/SchemaVersion"),
        (trivy(Results="none"), "/Results"),
        (trivy({"PkgName": "a", "Severity": "LOW"}), "/Results/0/Vulnerabilities/0/VulnerabilityID"),
        (trivy(vulnerability(), vulnerability(severity=5)), "/Results/0/Vulnerabilities/1/Severity"),  # type: ignore[arg-type]
        (trivy(vulnerability(CVSS={"n/v~d": {"V3Score": 11}})), "/Results/0/Vulnerabilities/0/CVSS/n~1v~0d/V3Score"),
        (trivy(vulnerability(CVSS={"nvd": {"V3Score": "9.8"}})), "/Results/0/Vulnerabilities/0/CVSS/nvd/V3Score"),
        (trivy(CreatedAt="soon"), "/CreatedAt"),
        (grype() | {"matches": None}, "/matches"),
        (grype() | {"matches": [{}]}, "/matches/0/vulnerability"),
        (grype(match(cvss=[cvss("x", 5)])), "/matches/0/vulnerability/cvss/0/version"),
        (grype(match(cvss=[cvss("3.1", -1)])), "/matches/0/vulnerability/cvss/0/metrics/baseScore"),
        (grype() | {"descriptor": {"name": "grype"}}, "/descriptor/version"),
        (grype() | {"descriptor": {"name": "syft", "version": "1"}}, "/descriptor/name"),
    ],
)
def test_a_malformed_report_is_refused_with_its_place(document: Any, field: str) -> None:
    assert refusal(document).field == field


_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab\x00\ud800€", max_size=3)
_ANY = (
    _SCALAR | st.lists(_SCALAR, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "x"]), _SCALAR, max_size=2)
)
_GOOD = [
    trivy(vulnerability(SeveritySource="nvd", CVSS={"nvd": {"V3Score": 9.8}}, PkgIdentifier={"PURL": "pkg:a/b@1"})),
    grype(match(cvss=[cvss("3.1", 9.8)], fix={"versions": ["2"], "state": "fixed"})),
]


@given(base=st.sampled_from(_GOOD), value=_ANY, data=st.data())
def test_a_damaged_report_never_crashes_and_never_loses_its_finding(
    base: dict[str, Any], value: Any, data: st.DataObject
) -> None:
    """Any one place replaced by anything: refused, or the critical finding is still there, whatever became of it.

    Only an emptied list of findings may be read as a report without any.
    """
    document = copy.deepcopy(base)
    here: Any = document
    path: list[Any] = []
    while True:
        place = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        path.append(place)
        if isinstance(here[place], dict | list) and here[place] and data.draw(st.booleans()):
            here = here[place]
            continue
        here[place] = value
        break
    with contextlib.suppress(EvidenceInvalid):
        summary = parse_scan(json.dumps(document).encode())
        emptied = path in (["matches"], ["Results", 0, "Vulnerabilities"]) and not value
        assert len(summary.findings) == (0 if emptied else 1)
