"""The facts of a deployment's stream: a closed union, exactly the event types of ``domain.md`` §8 that a deployment
writes.

A fact is what happened, never what should. ``at`` is the ``now`` that was given to the decision; actor and role say
who. Facts are added to, never renamed; a new field has a default, because stored facts of old releases are read for
ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eucora.domain.approval import Binding, Conditions, Covers
from eucora.domain.gates import Check, Figures
from eucora.domain.plan import RolloutPlan
from eucora.domain.vocabulary import (
    ApprovalTier,
    CabDecision,
    DeploymentState,
    ErrorClass,
    GateResult,
    HoldKind,
    IncidentResolution,
    IncidentSeverity,
    RollbackStrategy,
    SiteClass,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A public key whose claims this deployment believes: Ed25519, raw, base64."""

    key_id: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurred:
    """What every fact carries."""

    at: datetime
    actor: str = "eucora"
    role: str = "system"
    error_class: ErrorClass = ErrorClass.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCreated(Occurred):
    plan: RolloutPlan
    trusted_keys: tuple[TrustedKey, ...]
    message_id: str = ""
    type: Literal["DEPLOYMENT_CREATED"] = "DEPLOYMENT_CREATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSealed(Occurred):
    pack_digest: str
    release_digest: str
    version: int
    type: Literal["EVIDENCE_SEALED"] = "EVIDENCE_SEALED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceResealed(Occurred):
    """A new version of the pack with more test evidence, sealed for the checkpoint before ring ``checkpoint``."""

    checkpoint: int
    pack_digest: str
    release_digest: str
    version: int
    type: Literal["EVIDENCE_RESEALED"] = "EVIDENCE_RESEALED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSize:
    """Devices of one ring on one plane as resolved at submission."""

    ring: str
    plane: str
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAssessed(Occurred):
    """The score with all that is needed to derive it again: the model's version and digest, and its inputs as
    stored.
    """

    score: int
    raw_score: str
    model: str
    model_version: str
    model_digest: str
    inputs_digest: str
    assessment_digest: str
    tier: ApprovalTier
    cohorts: tuple[CohortSize, ...]
    devices: int
    type: Literal["RISK_ASSESSED"] = "RISK_ASSESSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOpened(Occurred):
    """A review for the rings ``covers``; ``round`` counts from 1 and rises when a lapsed review is opened again."""

    checkpoint: int
    covers: Covers
    round: int
    pack_digest: str
    quorum: int
    remind_at: datetime
    due_at: datetime
    type: Literal["REVIEW_OPENED"] = "REVIEW_OPENED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CabSubmitted(Occurred):
    """Somebody asked to open the review now."""

    checkpoint: int
    message_id: str
    type: Literal["CAB_SUBMITTED"] = "CAB_SUBMITTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CabVoted(Occurred):
    checkpoint: int
    round: int
    decision: CabDecision
    conditions: Conditions
    comment: str
    pack_digest: str
    message_id: str
    type: Literal["CAB_VOTED"] = "CAB_VOTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CabVoteRefused(Occurred):
    checkpoint: int | None
    decision: CabDecision
    code: str
    sentence: str
    message_id: str
    type: Literal["CAB_VOTE_REFUSED"] = "CAB_VOTE_REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CabApproved(Occurred):
    """An approval came into force. ``automated`` marks the system's own decision for the automated tier."""

    checkpoint: int
    covers: Covers
    approvers: tuple[str, ...]
    binding: Binding
    expires_at: datetime
    automated: bool = False
    type: Literal["CAB_APPROVED"] = "CAB_APPROVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CabConditional(Occurred):
    """An approval came into force under machine-checked conditions, the strictest of all its votes."""

    checkpoint: int
    covers: Covers
    approvers: tuple[str, ...]
    conditions: Conditions
    binding: Binding
    expires_at: datetime
    type: Literal["CAB_CONDITIONAL"] = "CAB_CONDITIONAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class CabRejected(Occurred):
    checkpoint: int
    rejected_by: str
    comment: str
    type: Literal["CAB_REJECTED"] = "CAB_REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReminded(Occurred):
    checkpoint: int
    type: Literal["REVIEW_REMINDED"] = "REVIEW_REMINDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEscalated(Occurred):
    checkpoint: int
    type: Literal["REVIEW_ESCALATED"] = "REVIEW_ESCALATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLapsed(Occurred):
    checkpoint: int
    type: Literal["REVIEW_LAPSED"] = "REVIEW_LAPSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalExpired(Occurred):
    checkpoint: int
    type: Literal["APPROVAL_EXPIRED"] = "APPROVAL_EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRevoked(Occurred):
    checkpoint: int
    why: str
    message_id: str
    type: Literal["APPROVAL_REVOKED"] = "APPROVAL_REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalVoided(Occurred):
    """What was approved is no longer what stands; ``difference`` names the parts of the binding that changed."""

    checkpoint: int
    difference: tuple[str, ...]
    type: Literal["APPROVAL_VOIDED"] = "APPROVAL_VOIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStarted(Occurred):
    type: Literal["DEPLOYMENT_STARTED"] = "DEPLOYMENT_STARTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCount:
    """Members of one site class."""

    site_class: SiteClass
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneMembership:
    """A plane's frozen members: the list is stored under ``digest`` (SHA-256 of its canonical JSON), each with a
    why.
    """

    plane: str
    digest: str
    devices: int
    sites: tuple[SiteCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipFrozen(Occurred):
    ring: str
    members: tuple[PlaneMembership, ...]
    type: Literal["MEMBERSHIP_FROZEN"] = "MEMBERSHIP_FROZEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class RingStarted(Occurred):
    ring: str
    type: Literal["RING_STARTED"] = "RING_STARTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanePublished(Occurred):
    ring: str
    plane: str
    object_id: str
    request_id: str
    adopted: bool = False
    type: Literal["PLANE_PUBLISHED"] = "PLANE_PUBLISHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneAssigned(Occurred):
    ring: str
    plane: str
    assignment_id: str
    targeted: int
    request_id: str
    revision: int
    adopted: bool = False
    type: Literal["PLANE_ASSIGNED"] = "PLANE_ASSIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneObserved(Occurred):
    ring: str
    plane: str
    figures: Figures
    type: Literal["PLANE_OBSERVED"] = "PLANE_OBSERVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakStarted(Occurred):
    ring: str
    until: datetime
    type: Literal["SOAK_STARTED"] = "SOAK_STARTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSkipped(Occurred):
    ring: str
    why: str
    message_id: str
    type: Literal["SOAK_SKIPPED"] = "SOAK_SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateEvaluated(Occurred):
    ring: str
    result: GateResult
    checks: tuple[Check, ...]
    until: datetime | None = None
    type: Literal["GATE_EVALUATED"] = "GATE_EVALUATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPromoted(Occurred):
    ring: str
    to_ring: str
    type: Literal["RING_PROMOTED"] = "RING_PROMOTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionForced(Occurred):
    """A publisher ended the soak early; every check of the gate had passed."""

    ring: str
    why: str
    message_id: str
    type: Literal["PROMOTION_FORCED"] = "PROMOTION_FORCED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested(Occurred):
    ring: str
    planes: tuple[str, ...]
    why: str
    message_id: str
    type: Literal["RETRY_REQUESTED"] = "RETRY_REQUESTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRehearsed(Occurred):
    """On ``device`` the release was rolled back, verified gone, and installed again; or ``succeeded`` is False and
    why.
    """

    ring: str
    plane: str
    device: str
    artifact_sha256: str
    succeeded: bool
    sentence: str
    revision: int
    type: Literal["ROLLBACK_REHEARSED"] = "ROLLBACK_REHEARSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentHeld(Occurred):
    kind: HoldKind
    why: str
    reference: str = ""
    message_id: str = ""
    type: Literal["DEPLOYMENT_HELD"] = "DEPLOYMENT_HELD"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentReleased(Occurred):
    kind: HoldKind
    why: str
    reference: str = ""
    message_id: str = ""
    type: Literal["DEPLOYMENT_RELEASED"] = "DEPLOYMENT_RELEASED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRefused(Occurred):
    control: str
    code: str
    sentence: str
    message_id: str
    type: Literal["CONTROL_REFUSED"] = "CONTROL_REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied(Occurred):
    """A message came without a claim that holds. ``count`` > 1 sums up those over the limit of single records."""

    message: str
    code: str
    sentence: str
    count: int = 1
    type: Literal["ACCESS_DENIED"] = "ACCESS_DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCompleted(Occurred):
    type: Literal["DEPLOYMENT_COMPLETED"] = "DEPLOYMENT_COMPLETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFailed(Occurred):
    code: str
    sentence: str
    field: str = ""
    type: Literal["DEPLOYMENT_FAILED"] = "DEPLOYMENT_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRejected(Occurred):
    code: str
    sentence: str
    field: str = ""
    holder: str = ""
    """The deployment that holds the change, when the code is ``change_in_progress``."""
    type: Literal["DEPLOYMENT_REJECTED"] = "DEPLOYMENT_REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCancelled(Occurred):
    why: str
    message_id: str
    type: Literal["DEPLOYMENT_CANCELLED"] = "DEPLOYMENT_CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackInitiated(Occurred):
    """Every touched ring and plane is taken back, newest first; ends in ``outcome`` (ROLLED_BACK or REJECTED)."""

    code: str
    why: str
    outcome: DeploymentState
    automatic: bool
    revision: int = 1
    message_id: str = ""
    type: Literal["ROLLBACK_INITIATED"] = "ROLLBACK_INITIATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRolledBack(Occurred):
    """The rollback was verified on the plane: ``clean`` of ``targeted`` devices no longer carry the release."""

    ring: str
    plane: str
    strategy: RollbackStrategy
    targeted: int
    clean: int
    type: Literal["PLANE_ROLLED_BACK"] = "PLANE_ROLLED_BACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackCompleted(Occurred):
    type: Literal["ROLLBACK_COMPLETED"] = "ROLLBACK_COMPLETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackFailed(Occurred):
    ring: str
    plane: str
    sentence: str
    revision: int
    type: Literal["ROLLBACK_FAILED"] = "ROLLBACK_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened(Occurred):
    incident_id: str
    severity: IncidentSeverity
    attributed: bool
    message_id: str = ""
    type: Literal["INCIDENT_OPENED"] = "INCIDENT_OPENED"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentResolved(Occurred):
    incident_id: str
    resolution: IncidentResolution
    attributed: bool
    message_id: str = ""
    type: Literal["INCIDENT_RESOLVED"] = "INCIDENT_RESOLVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionApproved(Occurred):
    exception_id: str
    kind: str
    revision: int
    expires_at: datetime
    subject: str = ""
    """What a ``gate_override`` names: a plane, or empty for all."""
    message_id: str = ""
    type: Literal["EXCEPTION_APPROVED"] = "EXCEPTION_APPROVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionExpired(Occurred):
    exception_id: str
    type: Literal["EXCEPTION_EXPIRED"] = "EXCEPTION_EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRevoked(Occurred):
    exception_id: str
    message_id: str = ""
    type: Literal["EXCEPTION_REVOKED"] = "EXCEPTION_REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorError(Occurred):
    ring: str
    plane: str
    operation: str
    code: str
    sentence: str
    type: Literal["CONNECTOR_ERROR"] = "CONNECTOR_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustChanged(Occurred):
    """The keys that this deployment believes, from here on; signed by a key trusted until now."""

    trusted_keys: tuple[TrustedKey, ...]
    message_id: str
    type: Literal["POLICY_ACTIVATED"] = "POLICY_ACTIVATED"


Fact = (
    DeploymentCreated
    | EvidenceSealed
    | EvidenceResealed
    | RiskAssessed
    | ReviewOpened
    | CabSubmitted
    | CabVoted
    | CabVoteRefused
    | CabApproved
    | CabConditional
    | CabRejected
    | ReviewReminded
    | ReviewEscalated
    | ReviewLapsed
    | ApprovalExpired
    | ApprovalRevoked
    | ApprovalVoided
    | DeploymentStarted
    | MembershipFrozen
    | RingStarted
    | PlanePublished
    | PlaneAssigned
    | PlaneObserved
    | SoakStarted
    | SoakSkipped
    | GateEvaluated
    | RingPromoted
    | PromotionForced
    | RetryRequested
    | RollbackRehearsed
    | DeploymentHeld
    | DeploymentReleased
    | ControlRefused
    | AccessDenied
    | DeploymentCompleted
    | DeploymentFailed
    | DeploymentRejected
    | DeploymentCancelled
    | RollbackInitiated
    | PlaneRolledBack
    | RollbackCompleted
    | RollbackFailed
    | IncidentOpened
    | IncidentResolved
    | ExceptionApproved
    | ExceptionExpired
    | ExceptionRevoked
    | ConnectorError
    | TrustChanged
)
