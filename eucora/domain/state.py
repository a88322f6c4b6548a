"""The state of a deployment: nothing but the fold of its facts (``domain.md`` §8), and the argument of
continue-as-new.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.approval import Approval, Binding, Covers, Vote
from eucora.domain.facts import CohortSize, PlaneMembership, TrustedKey
from eucora.domain.gates import Evaluation, Figures
from eucora.domain.plan import Checkpoint, RolloutPlan
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import ApprovalTier, DeploymentState, HoldKind, IncidentResolution, IncidentSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the deployment is where it is: a stable code, a sentence for people, and since when."""

    code: str
    sentence: str
    since: datetime
    field: str = ""
    """The field of the submission at fault, when it was refused."""
    holder: str = ""
    """The deployment that holds the change, when the code is ``change_in_progress``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The pack in force."""

    pack_digest: str
    release_digest: str
    version: int
    checkpoint: int | None = None
    """Order of the ring before which this version was sealed for review; None for the first version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """The assessment in force."""

    score: int
    tier: ApprovalTier
    model: str
    model_version: str
    assessment_digest: str
    cohorts: tuple[CohortSize, ...]
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The one review of a checkpoint. ``status``: open, approved, rejected, lapsed, or ended (its approval no longer
    holds).
    """

    checkpoint: int
    covers: Covers
    round: int
    pack_digest: str
    quorum: int
    opened_at: datetime
    remind_at: datetime
    due_at: datetime
    status: str = "open"
    reminded: bool = False
    escalated: bool = False
    votes: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A named hold; one per kind and reference."""

    kind: HoldKind
    who: str
    why: str
    since: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneFailure:
    """An effect that the plane refused for good."""

    operation: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The last rehearsal of the rollback on this plane."""

    device: str
    succeeded: bool
    sentence: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRun:
    """One plane's work in one ring. ``revision`` counts attempts that an operator asked for, from 1."""

    plane: str
    membership: PlaneMembership
    revision: int = 1
    assignment_id: str = ""
    assigned_revision: int = 0
    failure: PlaneFailure | None = None
    figures: Figures | None = None
    observed_at: datetime | None = None
    rehearsal: Rehearsal | None = None
    rehearsal_revision: int = 1
    rolled_back: bool = False
    rollback_failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingRun:
    """One ring of the rollout, from its frozen membership on."""

    name: str
    order: int
    planes: tuple[PlaneRun, ...]
    frozen_at: datetime
    started_at: datetime | None = None
    soak_since: datetime | None = None
    soak_until: datetime | None = None
    soak_skipped: bool = False
    gate: Evaluation | None = None
    gate_at: datetime | None = None
    promoted_at: datetime | None = None

    def plane(self, name: str) -> PlaneRun:
        """Return the run on a plane; ``KeyError`` for a plane that the ring does not use."""
        for run in self.planes:
            if run.plane == name:
                return run
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedObject:
    """The application's object on a plane; published once per deployment, assigned ring by ring."""

    plane: str
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A rollback in progress, failed or done. ``revision`` rises when an operator asks for another try."""

    code: str
    why: str
    outcome: DeploymentState
    automatic: bool
    started_at: datetime
    revision: int
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident that touches this deployment."""

    incident_id: str
    severity: IncidentSeverity
    attributed: bool
    resolution: IncidentResolution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveException:
    """An approved exception. ``ended`` is empty, ``expired`` or ``revoked``."""

    exception_id: str
    kind: str
    revision: int
    expires_at: datetime
    subject: str = ""
    ended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """A deployment, folded. ``sequence`` is the number of facts in it."""

    plan: RolloutPlan
    state: DeploymentState
    reason: Reason
    created_at: datetime
    sequence: int = 0
    trusted_keys: tuple[TrustedKey, ...] = ()
    seen: tuple[str, ...] = ()
    """Ids of the messages that were judged, accepted or refused, in order."""
    denied: int = 0
    """Messages without a valid claim that were refused so far."""
    evidence: Evidence | None = None
    risk: Risk | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    reviews: tuple[Review, ...] = ()
    approvals: tuple[Approval, ...] = ()
    rings: tuple[RingRun, ...] = ()
    objects: tuple[PublishedObject, ...] = ()
    holds: tuple[Hold, ...] = ()
    incidents: tuple[Incident, ...] = ()
    exceptions: tuple[ActiveException, ...] = ()
    freeze_failure: PlaneFailure | None = None
    """Why the next ring could not be prepared (its membership, or the pack for its review); cleared by a retry."""
    adopted_by: str = ""
    """The publisher who adopted a deployment that no publisher created."""
    rollback: Rollback | None = None

    @property
    def final(self) -> bool:
        """True when no further transition exists."""
        return self.state in FINAL

    @property
    def ring(self) -> RingRun | None:
        """The ring at work: the newest one whose membership is frozen."""
        return self.rings[-1] if self.rings else None

    @property
    def touched(self) -> bool:
        """True once a ring was started: from then on a plane may have acted."""
        return any(ring.started_at is not None for ring in self.rings)

    def object_id(self, plane: str) -> str:
        """Return the application's object on a plane; empty before it was published."""
        for published in self.objects:
            if published.plane == plane:
                return published.object_id
        return ""

    def review(self, checkpoint: int) -> Review | None:
        """Return the review of the checkpoint before the ring of that order."""
        for review in self.reviews:
            if review.checkpoint == checkpoint:
                return review
        return None

    @property
    def open_review(self) -> Review | None:
        """The review that takes votes now."""
        for review in self.reviews:
            if review.status == "open":
                return review
        return None

    @property
    def binding(self) -> Binding | None:
        """What an approval given now would bind; None before the risk is known."""
        if self.evidence is None or self.risk is None:
            return None
        scope = self.plan.scope
        return Binding(
            release_digest=self.evidence.release_digest,
            pack_digest=self.evidence.pack_digest,
            score=self.risk.score,
            model_version=self.risk.model_version,
            plan_digest=self.plan.plan_digest,
            scope=f"{scope.tenant}/{scope.business_unit}/{scope.acquisition_boundary}/{scope.site}",
            exceptions=tuple(sorted(f"{one.exception_id}@{one.revision}" for one in self.exceptions if not one.ended)),
        )
