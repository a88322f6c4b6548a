"""What a deployment sets out to do: the plan is fixed at submission and part of its first fact.

All durations are seconds, all rates are percent of targeted devices, all times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.risk.inputs import FactorInput
from eucora.domain.vocabulary import BlastRadiusClass, DeploymentKind, RollbackStrategy, SiteClass

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a deployment, a person or a machine belongs (``domain.md`` §9). In a person's scope an empty part means
    any.
    """

    tenant: str = "default"
    business_unit: str = ""
    acquisition_boundary: str = ""
    site: str = ""

    def covers(self, other: Scope) -> bool:
        """Tell whether somebody of this scope may act on a thing of the ``other`` scope; tenants never mix."""
        return self.tenant == other.tenant and all(
            mine in ("", theirs)
            for mine, theirs in (
                (self.business_unit, other.business_unit),
                (self.acquisition_boundary, other.acquisition_boundary),
                (self.site, other.site),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Which devices of a plane a ring takes: a group (the first ``take`` of it, or what is left of it) or devices by
    id.
    """

    group: str = ""
    take: int | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneTarget:
    """A ring's cohort on one plane."""

    plane: str
    cohort: Cohort


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceWindows:
    """Time to compliance per site class, seconds from ring start (``domain.md`` §6)."""

    online: float
    intermittent: float
    air_gapped: float

    def seconds(self, site_class: SiteClass) -> float:
        """Return the window of one site class."""
        if site_class is SiteClass.ONLINE:
            return self.online
        return self.intermittent if site_class is SiteClass.INTERMITTENT else self.air_gapped


@dataclass(frozen=True, slots=True, kw_only=True)
class RingGate:
    """The gate out of a ring (``domain.md`` §6): data of a gate policy, embedded in the plan that it governs."""

    success_rate: float
    compliance: ComplianceWindows
    incidents: int
    soak: float
    rehearsal: bool = False
    """True where the rollback must have been rehearsed before the next ring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPlan:
    """One ring of the plan; ``order`` counts from 0."""

    name: str
    order: int
    targets: tuple[PlaneTarget, ...]
    gate: RingGate

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes that this ring uses, in the plan's order."""
        return tuple(target.plane for target in self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """An approval must be in force before ``before`` is entered; it covers ``before`` to ``until``, both ring
    orders.
    """

    before: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """Windows of a review, seconds (``domain.md`` §4): reminder at half, escalation at the end, approvals expire."""

    window: float = 48 * HOUR
    approval_valid: float = 30 * 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Identity of what is deployed."""

    id: str
    name: str
    version: str
    vendor: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRollback:
    """How a plane undoes this release."""

    plane: str
    strategy: RollbackStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """The whole plan. ``plan_digest`` is the SHA-256 of its rings in canonical JSON, bound by every approval."""

    deployment_id: str
    correlation_id: str
    kind: DeploymentKind
    scope: Scope
    application: Application
    artifact_sha256: str
    pack_digest: str
    author: str
    requester: str
    requester_roles: tuple[str, ...]
    rings: tuple[RingPlan, ...]
    rollbacks: tuple[PlaneRollback, ...]
    plan_digest: str
    gate_policy: str
    checkpoint_preset: str
    blast_radius_class: BlastRadiusClass
    class_sentence: str
    quorum: int
    always_cab: bool
    automated_up_to: int
    cab_up_to: int
    review: ReviewPolicy
    max_attempts: int
    poll_interval: float
    requested_at: datetime
    urgent_justification: str = ""
    risk_model: str = "v1.0"
    statements: tuple[FactorInput, ...] = ()
    """What the submitter declared and others attested about the release (``domain.md`` §2)."""
    rollback_objective: float = 4 * HOUR
    """Seconds after which a rollback that is not verified is called failed, loudly (``domain.md`` §7)."""

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of all planes, in order of first use."""
        return tuple(dict.fromkeys(plane for ring in self.rings for plane in ring.planes))

    @property
    def last(self) -> int:
        """Order of the target ring."""
        return len(self.rings) - 1

    def strategy(self, plane: str) -> RollbackStrategy:
        """Return how ``plane`` undoes this release; ``KeyError`` for a plane outside the plan."""
        for rollback in self.rollbacks:
            if rollback.plane == plane:
                return rollback.strategy
        raise KeyError(plane)
