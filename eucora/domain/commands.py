"""What the world must do next: the closed union that ``decide`` answers with.

``key`` is the command's identity: an interpreter starts a command whose key is not under way, leaves one that is, and
gives up an observation that is no longer asked for. ``forward`` marks effects that a hold stops (``domain.md`` §1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from eucora.domain.facts import Fact
from eucora.domain.gates import Mark
from eucora.domain.vocabulary import RollbackStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Append these facts and decide again."""

    facts: tuple[Fact, ...]
    key: ClassVar[str] = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealEvidence:
    """Check and seal the submitted pack. Ends in EVIDENCE_SEALED or DEPLOYMENT_REJECTED."""

    key: ClassVar[str] = "seal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assess:
    """Resolve the cohorts of the whole plan, claim them, score. Ends in RISK_ASSESSED, DEPLOYMENT_REJECTED or
    _FAILED.
    """

    key: ClassVar[str] = "assess"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealEvidence:
    """Append test evidence and seal a pack version for the checkpoint before ring ``checkpoint``."""

    checkpoint: int

    @property
    def key(self) -> str:
        return f"reseal/{self.checkpoint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeMembership:
    """Resolve a ring's devices on each plane and store the lists."""

    ring: int

    @property
    def key(self) -> str:
        return f"freeze/{self.ring}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Create the application's object on a plane."""

    ring: str
    plane: str
    revision: int

    @property
    def key(self) -> str:
        return f"publish/{self.ring}/{self.plane}/{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Make the object required on the ring's frozen members; revisions above 1 give failed devices another attempt."""

    ring: str
    plane: str
    revision: int

    @property
    def key(self) -> str:
        return f"assign/{self.ring}/{self.plane}/{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Watch a plane until its standing moves or the mark's time comes."""

    ring: str
    plane: str
    mark: Mark

    @property
    def key(self) -> str:
        until = "" if self.mark.until is None else self.mark.until.isoformat()
        standing = self.mark.standing
        seen = "" if standing is None else f"{standing.success}-{standing.time}"
        limits = self.mark.thresholds
        return f"observe/{self.ring}/{self.plane}/{limits.required}/{limits.tolerated}/{seen}/{until}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearse:
    """Roll back, verify and reinstall one device of the ring on a plane."""

    ring: str
    plane: str
    revision: int

    @property
    def key(self) -> str:
        return f"rehearse/{self.ring}/{self.plane}/{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackPlane:
    """Take the release off a ring's members on one plane, and verify."""

    ring: str
    plane: str
    strategy: RollbackStrategy
    revision: int

    @property
    def key(self) -> str:
        return f"roll_back/{self.ring}/{self.plane}/{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Await:
    """Nothing to do before ``until`` but to listen; None waits for a message or an outcome."""

    until: datetime | None
    key: ClassVar[str] = "await"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The deployment is final: release its claim and end."""

    key: ClassVar[str] = "finish"


FORWARD = (FreezeMembership, Publish, Assign, Rehearse)
"""New forward effects; a hold stops them before they start, never while they run."""

Command = (
    Record
    | SealEvidence
    | Assess
    | ResealEvidence
    | FreezeMembership
    | Publish
    | Assign
    | Observe
    | Rehearse
    | RollBackPlane
    | Await
    | Finish
)
