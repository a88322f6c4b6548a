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
    """Machine-checked conditions of a vote (``domain.md`` §4). Rates are percent, times aware UTC, free text is for people."""

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
    automated: bool = False
    ended: str = ""
    """Empty, or why it is no longer in force: expired, revoked, voided."""


def tier(
    score: int, blast_class: BlastRadiusClass, *, always_cab: bool, automated_up_to: int = 50, cab_up_to: int = 75
) -> ApprovalTier:
    """Return who must say yes for a rounded score (``domain.md`` §4).

    CRITICAL_INFRASTRUCTURE is never automated and BUSINESS_CRITICAL always goes to the CAB; ``always_cab`` is privileged tooling.
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
        pilot = (Checkpoint(before=2, until=last),) if last >= 2 else ()  # noqa: PLR2004 - ring orders of domain.md §1
        return canary + pilot
    msg = f"unknown checkpoint preset {preset!r}; known: {', '.join(PRESETS)}"
    raise ValueError(msg)


def strictest(conditions: Iterable[Conditions]) -> Conditions:
    """Combine the conditions of all votes so that each is kept."""
    found = tuple(conditions)

    def pick(name: str, choose: object) -> object:
        values = [getattr(one, name) for one in found if getattr(one, name) is not None]
        return choose(values) if values else None  # type: ignore[operator]

    return Conditions(
        max_ring=pick("max_ring", min),  # type: ignore[arg-type]
        min_success_rate=pick("min_success_rate", max),  # type: ignore[arg-type]
        observe_hours=pick("observe_hours", max),  # type: ignore[arg-type]
        not_before=pick("not_before", max),  # type: ignore[arg-type]
        not_after=pick("not_after", min),  # type: ignore[arg-type]
        rollback_below=pick("rollback_below", max),  # type: ignore[arg-type]
        text="; ".join(one.text for one in found if one.text),
    )


def why_not_in_force(approval: Approval, *, ring: int, current: Binding, now: datetime) -> str:
    """Say why an approval does not let the rollout enter ``ring`` at ``now``; empty when it does."""
    conditions = approval.conditions
    if approval.ended:
        return f"the approval is {approval.ended}"
    if ring not in approval.covers or (conditions.max_ring is not None and ring > conditions.max_ring):
        return "the approval does not cover this ring"
    difference = approval.binding.difference(current)
    if difference:
        return f"what was approved has changed: {', '.join(difference)}"
    if now >= approval.expires_at:
        return f"the approval expired at {approval.expires_at.isoformat()}"
    if conditions.not_before is not None and now < conditions.not_before:
        return f"the approval holds from {conditions.not_before.isoformat()} on"
    if conditions.not_after is not None and now > conditions.not_after:
        return f"the approval held until {conditions.not_after.isoformat()}"
    return ""


def in_force(approvals: Sequence[Approval], *, ring: int, current: Binding, now: datetime) -> Approval | None:
    """Return the approval that lets the rollout enter ``ring`` at ``now``, the newest first, or None."""
    for approval in reversed(approvals):
        if not why_not_in_force(approval, ring=ring, current=current, now=now):
            return approval
    return None
