"""Verifying the audit trail here, from an export that came through the API or from a file that came from anywhere."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eucora.audit.report import VerifyReport
from eucora.audit.verify import verify_file
from eucora.cli.client import ApiClient
from eucora.cli.errors import Stopped

__all__ = ["as_json", "download", "summary", "verify_all", "verify_path"]


def download(client: ApiClient, target: Path, *, deployment: str | None = None) -> None:
    """Write the export of the whole record, or of one deployment's trail, to ``target``.

    Raises :class:`Stopped` (``export_unwritable``) when the file cannot be written.
    """
    try:
        client.download("/audit/export", target, {"deployment": deployment} if deployment else None)
    except OSError as error:
        raise Stopped(f"{target} cannot be written: {error.strerror}.", code="export_unwritable") from None


def verify_path(path: Path) -> VerifyReport:
    """Verify an export file. Raises :class:`Stopped` when it cannot be read."""
    try:
        return verify_file(path)
    except OSError as error:
        raise Stopped(f"{path} cannot be read: {error.strerror}.", code="export_unreadable") from None


def verify_all(client: ApiClient, *, deployment: str | None = None) -> VerifyReport:
    """Download the export and verify it on this machine; the file is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="eucora-audit-") as folder:
        path = Path(folder) / "export.jsonl"
        download(client, path, deployment=deployment)
        return verify_path(path)


def summary(report: VerifyReport) -> str:
    """What was verified, in a sentence; or the first thing that does not hold."""
    if report.first_problem is not None:
        return f"does not hold: {report.first_problem}"
    part = "the whole record" if report.whole else "a part of the record"
    return (
        f"verified {part}: {report.events} events of {report.streams} streams hashed again, {report.decided} decided "
        f"again, {report.assessments} risk assessments derived again, {report.packs} evidence packs hashed again"
    )


def as_json(report: VerifyReport) -> dict[str, Any]:
    """The report for programs."""
    return asdict(report)
