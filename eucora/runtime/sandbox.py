"""The workflow sandbox with our own packages passed through (``style.md`` §5, ADR 0002)."""

from __future__ import annotations

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

__all__ = ["PASSED_THROUGH", "workflow_runner"]

PASSED_THROUGH = (
    "activities",
    "cryptography",
    "cvss",
    "cyclonedx",
    "eucora",
    "models",
    "packageurl",
    "pydantic",
    "rfc8785",
    "structlog",
)
"""Our own packages whole (narrow lists give class-identity clashes, ``temporal.md`` §15) and the libraries they are
built on.
"""


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandboxed runner: workflow files are checked, our pure packages are not loaded anew for every run."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
