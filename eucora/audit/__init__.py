"""The record as evidence: exported to a file, verified from it with no server."""

from __future__ import annotations

from eucora.audit.export import ExportFilter, ExportSummary, export, export_to
from eucora.audit.report import Problem, VerifyReport
from eucora.audit.verify import verify, verify_file

__all__ = ["ExportFilter", "ExportSummary", "Problem", "VerifyReport", "export", "export_to", "verify", "verify_file"]
