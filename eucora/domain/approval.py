"""Approval: tiers, checkpoints, conditions, bindings, and which approval is in force (``domain.md`` §4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from eucora.domain.plan import Checkpoint
from eucora.domain.vocabulary import ApprovalTier, BlastRadiusClass, CabDecision

PRESETS: tuple[str, ...] = ("standard", "pilot_only", "every_ring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Covers:
    """Orders of the first and the last ring that an approval lets the rollout enter."""

    first: int
    last: int

    def __contains__(self, ring: int) -> bool:
        return self.first <= ring <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Machine-checked conditions of a vote (``domain.md`` §4). Rates are percent, times aware UTC, free text is for
    people.
    """

    max_ring: int | None = None
    min_success_rate: float | None = None
    observe_hours: float | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    rollback_below: float | None = None
    text: str = ""

    @property
    def empty(self) -> bool:
        """True when nothing is to be checked by machine."""
        return all(getattr(self, field.name) is None for field in fields(self) if field.name != "text")


UNCONDITIONAL = Conditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What an approval was given for; a difference in any part but ``pack_digest`` voids it."""

    release_digest: str
    pack_digest: str
    score: int
    model_version: str
    plan_digest: str
    scope: str
    exceptions: tuple[str, ...] = ()

    def difference(self, current: Binding) -> tuple[str, ...]:
        """Name what differs now. A later pack of the same release only adds test evidence and does not void."""
        return tuple(
            field.name
            for field in fields(self)
            if field.name != "pack_digest" and getattr(self, field.name) != getattr(current, field.name)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A vote that counted."""

    voter: str
    decision: CabDecision
    conditions: Conditions
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """An approval of the rings ``covers``; in force while nothing of :func:`why_not_in_force` holds."""

    checkpoint: int
    covers: Covers
    approvers: tuple[str, ...]
    conditions: Conditions
    binding: Binding
    given_at: datetime
    expires_at: datetime
    """When it ends by itself: its validity is over, or its condition ``not_after`` is reached."""
    automated: bool = False
    ended: str = ""
    """Empty, or why it is no longer in force: expired, revoked, voided."""
    entered: tuple[int, ...] = ()
    """Orders of the rings that were started under it."""

    @property
    def reach(self) -> int:
        """Order of the last ring that it lets the rollout enter: of its coverage, or of the condition ``max_ring``."""
        limit = self.conditions.max_ring
        return self.covers.last if limit is None else min(limit, self.covers.last)

    def admits(self, ring: int) -> bool:
        """Tell whether the ring of that order lies within its coverage and its condition ``max_ring``."""
        return self.covers.first <= ring <= self.reach


def tier(
    score: int, blast_class: BlastRadiusClass, *, always_cab: bool, automated_up_to: int = 50, cab_up_to: int = 75
) -> ApprovalTier:
    """Return who must say yes for a rounded score (``domain.md`` §4).

    CRITICAL_INFRASTRUCTURE is never automated and BUSINESS_CRITICAL always goes to the CAB; ``always_cab`` is
    privileged tooling.
    """
    if score > cab_up_to:
        return ApprovalTier.CAB_WITH_EXCEPTION
    people = always_cab or blast_class in (BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL)
    return ApprovalTier.CAB if people or score > automated_up_to else ApprovalTier.AUTOMATED


def checkpoints(approval_tier: ApprovalTier, preset: str, rings: int) -> tuple[Checkpoint, ...]:
    """Return the checkpoints of a plan of ``rings`` rings; none for the automated tier (``domain.md`` §4)."""
    last = rings - 1
    if approval_tier is ApprovalTier.AUTOMATED:
        return ()
    if preset == "every_ring":
        return tuple(Checkpoint(before=ring, until=ring) for ring in range(rings))
    if preset == "pilot_only":
        return (Checkpoint(before=min(2, last), until=last),) if last > 0 else ()
    if preset == "standard":
        canary = (Checkpoint(before=1, until=1),) if last >= 1 else ()
        pilot = (Checkpoint(before=2, until=last),) if last >= 2 else ()
        return canary + pilot
    msg = f"unknown checkpoint preset {preset!r}; known: {', '.join(PRESETS)}"
    raise ValueError(msg)


def strictest(conditions: Iterable[Conditions]) -> Conditions:
    """Combine the conditions of all votes so that each is kept."""
    found = tuple(conditions)
    if len(found) < 2:
        return found[0] if found else UNCONDITIONAL
    return Conditions(
        max_ring=min((one.max_ring for one in found if one.max_ring is not None), default=None),
        min_success_rate=max((one.min_success_rate for one in found if one.min_success_rate is not None), default=None),
        observe_hours=max((one.observe_hours for one in found if one.observe_hours is not None), default=None),
        not_before=max((one.not_before for one in found if one.not_before is not None), default=None),
        not_after=min((one.not_after for one in found if one.not_after is not None), default=None),
        rollback_below=max((one.rollback_below for one in found if one.rollback_below is not None), default=None),
        text="; ".join(one.text for one in found if one.text),
    )


def why_not_in_force(approval: Approval, *, ring: int, current: Binding, now: datetime) -> str:
    """Say why an approval does not let the rollout enter ``ring`` at ``now``; empty when it does."""
    if approval.ended:
        return f"the approval is {approval.ended}"
    if not approval.admits(ring):
        return "the approval does not cover this ring"
    difference = approval.binding.difference(current)
    if difference:
        return f"what was approved has changed: {', '.join(difference)}"
    if now >= approval.expires_at:
        return f"the approval expired at {approval.expires_at.isoformat()}"
    begins = approval.conditions.not_before
    if begins is not None and now < begins:
        return f"the approval holds from {begins.isoformat()} on"
    return ""


def in_force(approvals: Sequence[Approval], *, ring: int, current: Binding, now: datetime) -> Approval | None:
    """Return the approval that lets the rollout enter ``ring`` at ``now``, the newest first, or None."""
    for approval in reversed(approvals):
        if not why_not_in_force(approval, ring=ring, current=current, now=now):
            return approval
    return None
