"""Workflow ids: derived from business ids, never drawn, so that a start can be repeated."""

from __future__ import annotations

PREFIX = "deployment-"


def deployment_workflow_id(deployment_id: str) -> str:
    """Return the id of a deployment's workflow."""
    return f"{PREFIX}{deployment_id}"


def deployment_id_of(workflow_id: str) -> str:
    """Return the deployment of a workflow id. Raises ``ValueError`` for the id of another kind of workflow."""
    if not workflow_id.startswith(PREFIX):
        msg = f"{workflow_id!r} is not the id of a deployment's workflow"
        raise ValueError(msg)
    return workflow_id.removeprefix(PREFIX)
