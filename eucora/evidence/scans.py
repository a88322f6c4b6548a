"""Vulnerability scan reports: read, counted and banded by us (domain.md §3).

Formats: Trivy JSON (schema 2) and Grype JSON. A report that shows no sign of a vulnerability scan having run is
refused: "nothing found" must have been looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from eucora.evidence.canonical import sha256_hex
from eucora.evidence.document import excerpt, load_json
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.findings import Finding, MalwareResult, ScanFormat, ScanSummary, Severity, SeverityCounts
from eucora.evidence.grype import is_grype, read_grype
from eucora.evidence.trivy import is_trivy, read_trivy

__all__ = ["Finding", "MalwareResult", "ScanFormat", "ScanSummary", "Severity", "SeverityCounts", "parse_scan"]

_WHAT = "scan report"


class _Reader(Protocol):
    def __call__(self, document: dict[str, Any], *, digest: str) -> ScanSummary: ...


_READERS: dict[ScanFormat, tuple[Callable[[Any], bool], _Reader]] = {
    ScanFormat.TRIVY: (is_trivy, read_trivy),
    ScanFormat.GRYPE: (is_grype, read_grype),
}


def parse_scan(data: bytes, *, kind: ScanFormat | None = None) -> ScanSummary:
    """The summary of the scan report in ``data``; ``kind`` is the format it is said to have.

    Raises ``EvidenceInvalid``: not JSON, an unknown format, another format than ``kind``, a malformed field, or a
    report in which nothing was scanned for vulnerabilities.
    """
    document = load_json(data, what=_WHAT)
    for found, (matches, read) in _READERS.items():
        if matches(document):
            if kind is not None and kind != found:
                raise EvidenceInvalid("", f"The scan report is declared as {kind} and is {found}.")
            return read(document, digest=sha256_hex(data))
    shape = f"an object with {excerpt(sorted(document)[:6])}" if isinstance(document, dict) else type(document).__name__
    sentence = f"The scan report ({shape}) is in no known format; supported are Trivy JSON (schema 2) and Grype JSON."
    raise EvidenceInvalid("", sentence)
