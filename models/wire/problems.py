"""Errors on the wire: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PROBLEM_MEDIA_TYPE", "FieldProblem", "Problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One thing that is wrong with the input."""

    model_config = ConfigDict(frozen=True)

    code: str
    field: str
    detail: str


class Problem(BaseModel):
    """What went wrong: a stable ``code`` for machines, ``detail`` for people, the ``field`` at fault."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="urn:eucora:problem: and the code")
    title: str = Field(description="the HTTP status in words")
    status: int
    detail: str
    code: str
    field: str | None = None
    holder: str | None = Field(default=None, description="the deployment that holds the change")
    correlation_id: str
    errors: list[FieldProblem] = Field(default_factory=list, description="every field at fault, the first one included")
