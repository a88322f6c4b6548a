"""Reviews by the change advisory board, on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from eucora.domain.vocabulary import CabDecision
from models.wire.base import Answer, Reason, Request, Sha256, Text, UtcTime, Word

__all__ = [
    "ApproveRequest",
    "ConditionsRequest",
    "RejectRequest",
    "ReviewSummary",
    "ReviewView",
    "SubmitReviewAnswer",
    "SubmitReviewRequest",
    "VoteAnswer",
    "VoteView",
]

Percent = Annotated[float, Field(gt=0, le=100)]


class ConditionsRequest(Request):
    """Conditions that a machine checks: with one of them an approval is conditional. ``text`` is for people."""

    max_ring: Annotated[str | None, Field(description="the last ring that this approval lets the rollout enter")] = None
    min_success_rate: Percent | None = None
    observe_hours: Annotated[float | None, Field(gt=0, le=8760)] = None
    not_before: UtcTime | None = None
    not_after: UtcTime | None = None
    rollback_below: Percent | None = None
    text: Text = ""


class ApproveRequest(Request):
    """An approval of exactly the pack that was looked at."""

    pack_digest: Sha256 = Field(
        description="digest of the evidence pack that you looked at: evidence_pack of the review"
    )
    comment: Text = ""
    conditions: ConditionsRequest = Field(default_factory=ConditionsRequest)


class RejectRequest(Request):
    """A rejection ends the review; say why."""

    pack_digest: Sha256 = Field(
        description="digest of the evidence pack that you looked at: evidence_pack of the review"
    )
    comment: Reason


class SubmitReviewRequest(Request):
    """Ask for the review that is due to be opened now, or a lapsed one again."""

    deployment_id: Word


class SubmitReviewAnswer(Answer):
    """The review is open."""

    deployment_id: str
    message_id: str
    facts: list[str]
    sequence: int


class VoteView(Answer):
    """A vote and what became of it: ``accepted``, or ``refused`` with a code and a sentence."""

    message_id: str
    voter: str
    decision: CabDecision
    conditions: dict[str, Any] | None
    comment: str
    outcome: str
    code: str
    sentence: str
    at: UtcTime
    round: int | None


class ReviewSummary(Answer):
    """The review of one checkpoint in a list. Vote on ``evidence_pack``."""

    id: str
    deployment_id: str
    application: str
    version: str
    ring: str = Field(description="the ring before which the checkpoint stands")
    status: str
    round: int
    quorum: int
    risk_score: int | None
    tier: str
    blast_radius_class: str
    evidence_pack: str
    requester: str
    author: str
    opened_at: UtcTime
    remind_at: UtcTime
    due_at: UtcTime


class ReviewView(ReviewSummary):
    """A review with the rings that it covers and its votes, refused ones too."""

    covers: list[str] = Field(description="the rings that an approval lets the rollout enter")
    votes: list[VoteView]


class VoteAnswer(Answer):
    """A vote was recorded (200), or is kept until a worker takes it (202, ``pending``: look at ``location``)."""

    message_id: str
    review_id: str
    outcome: str
    decision: CabDecision
    location: str
