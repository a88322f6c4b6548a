"""Deployments on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from eucora.domain.vocabulary import DeploymentState, RollbackStrategy
from models.wire.auth import WireScope
from models.wire.base import Answer, Reason, Request, Sha256, Text, UtcTime, Word

__all__ = [
    "AdoptRequest",
    "ApplicationUseRequest",
    "ApplicationView",
    "CheckView",
    "CohortRequest",
    "ControlAnswer",
    "ControlRequest",
    "DeploymentRequest",
    "DeploymentSummary",
    "DeploymentView",
    "EventView",
    "GateView",
    "HoldView",
    "PlaneView",
    "ReasonView",
    "RetryRequest",
    "RingRequest",
    "RingView",
    "RiskView",
    "ScopeRequest",
    "Submission",
    "TargetRequest",
]

MAX_DEVICES = 10_000
RingName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
PlaneName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Part = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^/\x00-\x1f\x7f]*$")]


class CohortRequest(Request):
    """Which devices: a ``group``, of it the first ``take`` or what earlier rings left; or ``devices`` by id."""

    group: Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)] = ""
    take: PositiveInt | None = None
    devices: list[Word] = Field(default_factory=list, max_length=MAX_DEVICES)


class TargetRequest(Request):
    """A cohort on one plane."""

    plane: PlaneName
    cohort: CohortRequest


class RingRequest(Request):
    """One ring: its cohort on each plane that it uses."""

    targets: list[TargetRequest] = Field(max_length=50)


class ScopeRequest(Request):
    """Where the deployment belongs; the tenant is the caller's."""

    business_unit: Part = ""
    acquisition_boundary: Part = ""
    site: Part = ""


class ApplicationUseRequest(Request):
    """What is known of the application's use; it helps to tell how much stands still when it breaks."""

    users: NonNegativeInt | None = Field(default=None, description="people who use it")
    criticality: Annotated[str, StringConstraints(max_length=50, strip_whitespace=True)] | None = None
    requires_admin: bool | None = Field(default=None, description="whether installing it needs administrator's rights")
    tags: list[Word] = Field(default_factory=list, max_length=50)


class DeploymentRequest(Request):
    """A deployment: which evidence pack goes through which rings, to which devices."""

    evidence_pack: Sha256 = Field(description="digest of the evidence pack, as POST evidence answered it")
    rings: dict[RingName, RingRequest] = Field(min_length=1, max_length=50)
    target_ring: RingName | None = Field(default=None, description="the last ring; without it the last one there is")
    rollback: dict[PlaneName, RollbackStrategy] = Field(
        default_factory=dict, max_length=50, description="how planes undo the release, where not as the pack says"
    )
    gate_policy: Word | None = None
    checkpoints: Word | None = Field(default=None, description="standard, pilot_only or every_ring")
    scope: ScopeRequest = Field(default_factory=ScopeRequest)
    application: ApplicationUseRequest = Field(default_factory=ApplicationUseRequest)
    risk: dict[Word, Word] = Field(
        default_factory=dict, max_length=50, description="declared risk factors: factor to row of its rubric"
    )
    urgent: bool = False
    urgent_justification: Text = ""
    risk_score: Any = Field(
        default=None, deprecated=True, description="ignored: the score is computed here and nowhere else"
    )


class ApplicationView(Answer):
    """What is deployed."""

    id: str
    name: str
    version: str
    vendor: str
    category: str


class ReasonView(Answer):
    """Why the deployment is where it is, and since when."""

    code: str
    sentence: str
    since: UtcTime


class RiskView(Answer):
    """The risk assessment in force."""

    score: int
    model: str
    model_version: str
    tier: str


class HoldView(Answer):
    """A hold in force."""

    kind: str
    who: str
    why: str
    since: UtcTime
    reference: str


class CheckView(Answer):
    """One check of a gate."""

    name: str
    threshold: str
    actual: str
    result: str
    sentence: str


class GateView(Answer):
    """The last evaluation of a ring's gate; ``until`` is when waiting ends by itself."""

    result: str
    checks: list[CheckView]
    until: UtcTime | None
    at: UtcTime | None


class PlaneView(Answer):
    """One plane's work in one ring; counts of devices as last observed."""

    plane: str
    status: str
    targeted: int
    succeeded: int
    failed: int
    in_progress: int
    unknown: int
    observed_at: UtcTime | None
    object_id: str
    assignment_id: str
    rehearsed: bool | None
    failure_code: str
    failure: str
    rollback_failure: str


class RingView(Answer):
    """One ring of the plan."""

    name: str
    order: int
    status: str
    success_rate: float = Field(description="what the gate asks for, percent of targeted devices")
    planes: list[PlaneView]
    gate: GateView | None
    frozen_at: UtcTime | None
    started_at: UtcTime | None
    soak_since: UtcTime | None
    soak_until: UtcTime | None
    promoted_at: UtcTime | None


class DeploymentSummary(Answer):
    """A deployment in a list."""

    id: str
    state: DeploymentState
    reason: ReasonView
    application: ApplicationView
    scope: WireScope
    ring: str
    target_ring: str
    planes: list[str]
    risk_score: int | None
    requester: str
    correlation_id: str
    created_at: UtcTime
    updated_at: UtcTime


class DeploymentView(DeploymentSummary):
    """A deployment with its rings; ``sequence`` is the number of facts behind it."""

    kind: str
    author: str
    evidence_pack: str
    release_digest: str
    artifact_sha256: str
    risk: RiskView | None
    blast_radius_class: str
    quorum: int
    adopted_by: str
    rolling_back: bool
    holds: list[HoldView]
    rings: list[RingView]
    sequence: int


class Submission(Answer):
    """What a submission came to.

    ``outcome`` is ``accepted`` (201: assessed, on its way) or ``pending`` (202: kept, and decided as soon as a
    worker takes it; look at ``location``).
    """

    deployment_id: str
    outcome: str
    state: DeploymentState
    correlation_id: str
    location: str
    risk_score: int | None = None
    tier: str = ""
    quorum: int = 0
    checkpoints: list[str] = Field(default_factory=list, description="rings before which the CAB is asked")


class ControlRequest(Request):
    """A control, and why it is used."""

    why: Reason


class AdoptRequest(Request):
    """A publisher takes responsibility."""

    why: Text = ""


class RetryRequest(Request):
    """Give what failed another attempt: on all planes of the ring, or those named."""

    why: Reason
    planes: list[PlaneName] = Field(default_factory=list, max_length=50)


class ControlAnswer(Answer):
    """A control was carried out and recorded as facts of these types, the last of them at ``sequence``."""

    deployment_id: str
    message_id: str
    facts: list[str]
    sequence: int


class EventView(Answer):
    """A fact of the record, as its hash covers it."""

    stream: str
    sequence: int
    type: str
    actor: str
    role: str
    at: UtcTime
    correlation_id: str
    ring: str | None
    plane: str | None
    error_class: str
    payload: dict[str, Any]
    previous_hash: str
    hash: str
