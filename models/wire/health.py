"""How the parts are."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.wire.base import Answer

__all__ = ["Health", "HealthState", "PartHealth", "StuckWorkflow"]


class HealthState(StrEnum):
    """``degraded``: it works, but somebody should look."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class PartHealth(Answer):
    """One part of the system and a sentence about it."""

    name: str
    state: HealthState
    sentence: str


class StuckWorkflow(Answer):
    """A deployment whose workflow cannot go on because its code fails: it needs a corrected worker."""

    deployment_id: str
    workflow_id: str
    run_id: str
    problems: list[str]


class Health(Answer):
    """The whole: the worst of its parts."""

    state: HealthState
    version: str
    parts: list[PartHealth]
    stuck_workflows: list[StuckWorkflow] = Field(default_factory=list)
