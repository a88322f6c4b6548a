"""Policy questions on the wire: what would this score, and what would it need."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from models.wire.base import Answer
from models.wire.deployments import DeploymentRequest

__all__ = ["AssessAnswer", "AssessRequest", "FactorView", "RiskModelView"]


class AssessRequest(DeploymentRequest):
    """A deployment that is not to be submitted: assess it as if it were."""


class FactorView(Answer):
    """One factor of an assessment."""

    key: str
    title: str
    level: str
    value: str
    weight: str
    contribution: str
    basis: str
    rationale: str


class AssessAnswer(Answer):
    """What the deployment would score and need. ``notes`` say what only the submission itself will find out."""

    score: int
    raw_score: str
    label: str
    model: str
    model_version: str
    tier: str
    blast_radius_class: str
    class_sentence: str
    quorum: int
    always_cab: bool
    checkpoints: list[str]
    factors: list[FactorView]
    notes: list[str] = Field(default_factory=list)


class RiskModelView(Answer):
    """A risk model: version, threshold, factors with their rubrics."""

    model_id: str
    version: str
    title: str
    threshold: int
    document: dict[str, Any]
