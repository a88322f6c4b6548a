"""Inputs and results of activities: one frozen message per call. Packs, memberships and reports travel by digest.

Fields are only added, with defaults: a worker of an older release may still run an activity of a newer workflow.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from eucora.domain.facts import CohortSize, Fact, PlaneMembership, TrustedKey
from eucora.domain.gates import Figures, Mark
from eucora.domain.plan import Cohort, ComplianceWindows, RolloutPlan, Scope
from eucora.domain.state import RingRun
from eucora.domain.vocabulary import ApprovalTier, HoldKind, Operation, RollbackStrategy
from models.messages.deployment import Frozen


class RecordFacts(Frozen):
    """Append these facts to the deployment's stream, the first at ``first_sequence``."""

    deployment_id: str
    first_sequence: int
    facts: tuple[Annotated[Fact, Field(discriminator="type")], ...]


class Recorded(Frozen):
    """The stream stands at ``sequence``."""

    sequence: int


class SealEvidence(Frozen):
    """Check the submission and its pack once more and seal the pack for this plan."""

    plan: RolloutPlan
    trusted_keys: tuple[TrustedKey, ...]


class ResealEvidence(Frozen):
    """Append what the rings so far came to, and seal the next version for the checkpoint."""

    deployment_id: str
    pack_digest: str
    checkpoint: int
    artifact_sha256: str
    rings: tuple[RingRun, ...]
    sealed_at: datetime


class Sealed(Frozen):
    """A sealed version of the pack."""

    pack_digest: str
    release_digest: str
    version: int


class ResolveCohorts(Frozen):
    """Resolve all rings of the plan on one plane, without freezing anything."""

    plan: RolloutPlan
    plane: str


class Resolved(Frozen):
    """Devices of each ring on the plane; whether the cohort holds critical infrastructure."""

    sizes: tuple[CohortSize, ...]
    critical_infrastructure: bool


class ClaimChange(Frozen):
    """Claim all rings of the plan at once, or release them all at the end."""

    deployment_id: str
    scope: Scope
    application_id: str
    rings: tuple[str, ...]


class Claimed(Frozen):
    """``holder`` is empty when the claim was granted, else the deployment that holds the change."""

    holder: str = ""


class AssessRisk(Frozen):
    """Score the pack with the plan's model."""

    plan: RolloutPlan
    pack_digest: str
    sizes: tuple[CohortSize, ...]
    critical_infrastructure: bool


class Assessed(Frozen):
    """The score; inputs, factors and rationales are stored under ``assessment_digest``."""

    score: int
    raw_score: str
    model: str
    model_version: str
    model_digest: str
    inputs_digest: str
    assessment_digest: str
    tier: ApprovalTier


class FreezeMembership(Frozen):
    """Resolve one ring on one plane and store the list; ``earlier`` are digests of earlier rings' lists on this
    plane.
    """

    deployment_id: str
    application_id: str
    ring: str
    order: int
    plane: str
    cohort: Cohort
    earlier: tuple[str, ...]


class Stopped(Frozen):
    """The guard said no: nothing was done."""

    kind: HoldKind
    who: str
    why: str
    reference: str


class MembershipResult(Frozen):
    """The frozen list, or what stopped it."""

    membership: PlaneMembership | None = None
    stopped: Stopped | None = None


class PlaneEffect(Frozen):
    """One forward effect on a plane. ``assignment_id`` is empty before the first assignment."""

    deployment_id: str
    ring: str
    plane: str
    revision: int
    pack_digest: str
    membership_digest: str
    max_attempts: int
    object_id: str = ""
    assignment_id: str = ""


class EffectDone(Frozen):
    """What the plane answered, or what stopped the effect before it began."""

    object_id: str = ""
    assignment_id: str = ""
    targeted: int = 0
    request_id: str = ""
    adopted: bool = False
    stopped: Stopped | None = None


class ObservePlane(Frozen):
    """Watch a plane until figures cross the mark."""

    deployment_id: str
    ring: str
    plane: str
    assignment_id: str
    membership_digest: str
    started_at: datetime
    windows: ComplianceWindows
    max_attempts: int
    poll_interval: float
    mark: Mark


class Observed(Frozen):
    """Figures that cross the mark."""

    figures: Figures


class PickDevice(Frozen):
    """Choose the device on which the rollback is rehearsed: the first by id that succeeded."""

    deployment_id: str
    plane: str
    assignment_id: str
    membership_digest: str


class Picked(Frozen):
    """A device of the membership; empty when none has succeeded."""

    device_id: str


class RollBack(Frozen):
    """Take the release off the members (or off ``device_id`` alone), and wait until the plane shows it gone."""

    deployment_id: str
    ring: str
    plane: str
    operation: Operation
    revision: int
    strategy: RollbackStrategy
    pack_digest: str
    object_id: str
    membership_digest: str
    device_id: str = ""
    poll_interval: float = 60.0


class RolledBack(Frozen):
    """Verified: ``clean`` of ``targeted`` devices no longer carry the release; or what stopped it before it began."""

    targeted: int = 0
    clean: int = 0
    stopped: Stopped | None = None


class Reinstall(Frozen):
    """Give one device the release again after a rehearsal, by an assignment of its own, and wait until it stands."""

    deployment_id: str
    ring: str
    plane: str
    revision: int
    pack_digest: str
    object_id: str
    device_id: str
    max_attempts: int
    poll_interval: float = 60.0


class Reinstalled(Frozen):
    """The device carries the release again."""

    device_id: str
