"""What people and systems say to a deployment: a closed union of message bodies (``architecture.md`` §2).

A body says what is wanted; who wants it comes from the verified claim around it (:class:`Sender`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from eucora.domain.approval import Conditions
from eucora.domain.facts import TrustedKey
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import CabDecision, IncidentResolution, IncidentSeverity, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who speaks, as a verified claim says: person or machine, roles, scope, and the message's id."""

    actor: str
    roles: tuple[str, ...]
    scope: Scope
    message_id: str

    def has(self, *roles: Role) -> bool:
        """Tell whether the sender holds at least one of the roles."""
        return any(role in self.roles for role in roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class CabVote:
    """A vote on the review of the checkpoint before ring ``checkpoint``, given on exactly this pack."""

    checkpoint: int
    decision: CabDecision
    pack_digest: str
    comment: str = ""
    conditions: Conditions = field(default_factory=Conditions)
    type: Literal["cab_vote"] = "cab_vote"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeApproval:
    checkpoint: int
    why: str
    type: Literal["revoke_approval"] = "revoke_approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRollout:
    why: str
    type: Literal["hold"] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRollout:
    why: str
    type: Literal["release"] = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptRollout:
    """A publisher takes responsibility for rings beyond LAB (the API's ``publish``)."""

    why: str = ""
    type: Literal["publish"] = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteNow:
    why: str
    type: Literal["promote_now"] = "promote_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFailed:
    """Another attempt for failed devices and refused effects, on all planes of the ring or on those named."""

    why: str
    planes: tuple[str, ...] = ()
    type: Literal["retry_failed"] = "retry_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipSoak:
    why: str
    type: Literal["skip_soak"] = "skip_soak"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRollout:
    why: str
    type: Literal["roll_back"] = "roll_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRollout:
    why: str
    type: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """Open the due review now, or a lapsed one again."""

    type: Literal["open_review"] = "open_review"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanged:
    """An incident that concerns this deployment was opened, or resolved when ``resolution`` is given."""

    incident_id: str
    severity: IncidentSeverity
    attributed: bool
    resolution: IncidentResolution | None = None
    type: Literal["incident_changed"] = "incident_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionChanged:
    """An exception for this deployment was approved, or revoked when ``revoked``."""

    exception_id: str
    kind: str
    revision: int
    expires_at: datetime
    subject: str = ""
    revoked: bool = False
    type: Literal["exception_changed"] = "exception_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChanged:
    """A stop of the line that matches this deployment was put or released."""

    line_stop_id: str
    stopped: bool
    why: str
    type: Literal["line_changed"] = "line_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustChange:
    """Replace the trusted keys; the claim must be signed by a key trusted now."""

    trusted_keys: tuple[TrustedKey, ...]
    type: Literal["trust_changed"] = "trust_changed"


Message = (
    CabVote
    | RevokeApproval
    | HoldRollout
    | ReleaseRollout
    | AdoptRollout
    | PromoteNow
    | RetryFailed
    | SkipSoak
    | RollBackRollout
    | CancelRollout
    | OpenReview
    | IncidentChanged
    | ExceptionChanged
    | LineChanged
    | TrustChange
)
