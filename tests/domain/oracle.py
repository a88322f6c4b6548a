"""A second opinion on every fact of a random history, from the facts alone: it asks neither ``standing`` nor
``settle``.

It is written from ``domain.md`` §1, §4, §6 and §7, slowly and plainly. ``Oracle.see`` is given each fact before it is
folded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from eucora.domain import facts as f
from eucora.domain.gates import Figures
from eucora.domain.plan import RolloutPlan
from eucora.domain.vocabulary import BlastRadiusClass, CabDecision, DeploymentState, GateResult, HoldKind

S = DeploymentState
EDGES = {
    S.PENDING: {S.AWAITING_CAB, S.APPROVED, S.DEPLOYING, S.REJECTED, S.CANCELLED, S.FAILED},
    S.AWAITING_CAB: {S.APPROVED, S.DEPLOYING, S.REJECTED, S.ROLLED_BACK, S.CANCELLED, S.FAILED},
    S.APPROVED: {S.DEPLOYING, S.AWAITING_CAB, S.ROLLED_BACK, S.CANCELLED},
    S.DEPLOYING: {S.AWAITING_CAB, S.COMPLETED, S.ROLLED_BACK, S.REJECTED, S.FAILED},
}
"""``domain.md`` §1, written out again."""


@dataclass
class Ballot:
    """A review: who voted what in this round, on which pack."""

    pack: str
    first: int
    last: int
    due: datetime
    votes: dict[str, f.CabVoted] = field(default_factory=dict)
    open: bool = True


@dataclass
class Grant:
    """An approval of the rings ``first`` to ``last``."""

    checkpoint: int
    first: int
    last: int
    begins: datetime
    ends: datetime
    exceptions: frozenset[tuple[str, int]]
    min_rate: float
    observe_hours: float
    rollback_below: float


@dataclass
class Ring:
    """What is known of one ring. ``clean`` are planes that were rolled back and verified."""

    order: int
    started: datetime | None = None
    promoted: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Figures] = field(default_factory=dict)
    gate: GateResult | None = None
    succeeds_since: datetime | None = None
    soak_ended: bool = False
    rehearsed: set[str] = field(default_factory=set)
    clean: set[str] = field(default_factory=set)
    grants: list[Grant] = field(default_factory=list)


class Oracle:
    """Follows a history and objects to what must not be."""

    def __init__(self, plan: RolloutPlan, successes: Callable[[str, str], int]) -> None:
        """``successes`` counts, from the modelled devices, those with evidence within their deadline."""
        self.plan = plan
        self.successes = successes
        self.score: int | None = None
        self.ballots: dict[int, Ballot] = {}
        self.grants: list[Grant] = []
        self.exceptions: dict[str, f.ExceptionApproved] = {}
        self.holds: set[tuple[HoldKind, str]] = set()
        self.rings: dict[str, Ring] = {}
        self.objects: set[str] = set()
        self.assigned = False
        self.rolling_back = False
        self.incidents: dict[str, tuple[str, bool, str]] = {}
        self.publisher = "" if "publisher" not in plan.requester_roles else plan.requester
        self.cab_members: set[str] = set()

    def see(self, fact: f.Fact) -> None:
        """Object to a fact that should not be, then remember it."""
        handler: Callable[[Any], None] | None = getattr(self, f"_{fact.type.lower()}", None)
        if handler is not None:
            handler(fact)

    # ---- people -----------------------------------------------------------------------------------------------------

    @property
    def needs_people(self) -> bool:
        assert self.score is not None, "nobody decides before the score is known"
        always = self.plan.blast_radius_class in (
            BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
            BlastRadiusClass.BUSINESS_CRITICAL,
        )
        return self.score > 50 or self.plan.always_cab or always

    def admitted(self, order: int, now: datetime) -> bool:
        """Tell whether ring ``order`` may be entered as far as people are concerned."""
        preset, last = self.plan.checkpoint_preset, self.plan.last
        first = {"standard": 1, "pilot_only": max(1, min(2, last)), "every_ring": 0}[preset]
        if not self.needs_people or not first <= order <= last:
            return True
        if self.score is not None and self.score > 75 and not self.exception("high_risk", now):
            return False
        return bool(self.granting(order, now))

    def granting(self, order: int, now: datetime) -> list[Grant]:
        return [
            one for one in self.grants
            if one.first <= order <= one.last and one.begins <= now < one.ends and one.exceptions == self.bound()
        ]  # fmt: skip

    def exception(self, kind: str, now: datetime, subject: str = "") -> bool:
        return any(
            one.kind == kind and now < one.expires_at and one.subject in ("", subject)
            for one in self.exceptions.values()
        )

    def bound(self) -> frozenset[tuple[str, int]]:
        return frozenset((one.exception_id, one.revision) for one in self.exceptions.values())

    def _risk_assessed(self, fact: f.RiskAssessed) -> None:
        self.score = fact.score

    def _review_opened(self, fact: f.ReviewOpened) -> None:
        assert all(not one.open for one in self.ballots.values()), "one review at a time"
        assert fact.quorum == self.plan.quorum
        assert not self.admitted(fact.covers.first, fact.at), "a review of what is approved already"
        self.ballots[fact.checkpoint] = Ballot(
            pack=fact.pack_digest, first=fact.covers.first, last=fact.covers.last, due=fact.due_at
        )
        self.holds = {hold for hold in self.holds if hold[0] is not HoldKind.REVIEW_LAPSED}

    def _cab_voted(self, fact: f.CabVoted) -> None:
        ballot = self.ballots[fact.checkpoint]
        assert ballot.open, "votes only on an open review"
        assert fact.at < ballot.due, "votes only before its end"
        assert fact.actor not in ballot.votes, "each person counts once"
        assert fact.actor not in (self.plan.requester, self.plan.author, self.publisher), "separation of duties"
        assert fact.pack_digest == ballot.pack, "votes only on the pack that was sealed"
        ballot.votes[fact.actor] = fact
        self.cab_members.add(fact.actor)

    def _cab_approved(self, fact: f.CabApproved) -> None:
        if fact.automated:
            assert not self.needs_people, "a decision of the system where people must decide"
            return
        self._granted(fact)

    def _cab_conditional(self, fact: f.CabConditional) -> None:
        self._granted(fact)

    def _granted(self, fact: f.CabApproved | f.CabConditional) -> None:
        ballot = self.ballots[fact.checkpoint]
        assert ballot.open
        votes = list(ballot.votes.values())
        assert all(vote.decision is not CabDecision.REJECTED for vote in votes), "one reject ends the review"
        assert set(fact.approvers) == set(ballot.votes)
        assert len(fact.approvers) == len(ballot.votes) >= self.plan.quorum
        given = [vote.conditions for vote in votes]
        ends = [one.not_after for one in given if one.not_after is not None]
        ends.append(fact.at + timedelta(seconds=self.plan.review.approval_valid))
        assert fact.expires_at == min(ends)
        assert set(fact.binding.exceptions) == {f"{name}@{revision}" for name, revision in self.bound()}
        last = [one.max_ring for one in given if one.max_ring is not None]
        self.grants.append(
            Grant(
                checkpoint=fact.checkpoint,
                first=ballot.first,
                last=min([ballot.last, *last]),
                begins=max([fact.at, *(one.not_before for one in given if one.not_before is not None)]),
                ends=min(ends),
                exceptions=self.bound(),
                min_rate=max([0.0, *(one.min_success_rate for one in given if one.min_success_rate is not None)]),
                rollback_below=max([0.0, *(one.rollback_below for one in given if one.rollback_below is not None)]),
                observe_hours=max([0.0, *(one.observe_hours for one in given if one.observe_hours is not None)]),
            )
        )
        ballot.open = False

    def _cab_rejected(self, fact: f.CabRejected) -> None:
        rejects = [
            vote for vote in self.ballots[fact.checkpoint].votes.values() if vote.decision is CabDecision.REJECTED
        ]
        assert [vote.actor for vote in rejects] == [fact.rejected_by]
        self.ballots[fact.checkpoint].open = False

    def _review_lapsed(self, fact: f.ReviewLapsed) -> None:
        assert fact.at >= self.ballots[fact.checkpoint].due
        self.ballots[fact.checkpoint].open = False
        self.holds.add((HoldKind.REVIEW_LAPSED, ""))

    def _approval_ended(self, checkpoint: int) -> None:
        self.grants = [one for one in self.grants if one.checkpoint != checkpoint]

    def _approval_expired(self, fact: f.ApprovalExpired) -> None:
        self._approval_ended(fact.checkpoint)

    def _approval_revoked(self, fact: f.ApprovalRevoked) -> None:
        self._approval_ended(fact.checkpoint)

    def _approval_voided(self, fact: f.ApprovalVoided) -> None:
        assert fact.difference == ("exceptions",), "nothing else changes in this world"
        self._approval_ended(fact.checkpoint)

    def _exception_approved(self, fact: f.ExceptionApproved) -> None:
        self.exceptions[fact.exception_id] = fact

    def _exception_expired(self, fact: f.ExceptionExpired) -> None:
        assert fact.at >= self.exceptions.pop(fact.exception_id).expires_at

    def _exception_revoked(self, fact: f.ExceptionRevoked) -> None:
        self.exceptions.pop(fact.exception_id, None)

    # ---- holds ------------------------------------------------------------------------------------------------------

    def _deployment_held(self, fact: f.DeploymentHeld) -> None:
        self.holds.add((fact.kind, fact.reference))

    def _deployment_released(self, fact: f.DeploymentReleased) -> None:
        self.holds.discard((fact.kind, fact.reference))
        if fact.kind is HoldKind.NEEDS_PUBLISHER:
            assert fact.actor not in (self.plan.author, self.plan.requester, *self.cab_members), "separation of duties"
            self.publisher = fact.actor

    def _incident_opened(self, fact: f.IncidentOpened) -> None:
        self.incidents[fact.incident_id] = (fact.severity, fact.attributed, "")

    def _incident_resolved(self, fact: f.IncidentResolved) -> None:
        severity, _, _ = self.incidents[fact.incident_id]
        self.incidents[fact.incident_id] = (severity, fact.attributed, fact.resolution)

    # ---- rings ------------------------------------------------------------------------------------------------------

    def _forward(self, what: str) -> None:
        assert not self.holds, f"{what} while held: {self.holds}"
        assert not self.rolling_back, f"{what} during a rollback"

    def _deployment_started(self, fact: f.DeploymentStarted) -> None:
        self._forward("start")
        assert self.admitted(0, fact.at)

    def _membership_frozen(self, fact: f.MembershipFrozen) -> None:
        order = len(self.rings)
        assert all(ring.promoted for ring in self.rings.values()), "one ring after the other"
        sizes = {members.plane: members.devices for members in fact.members}
        self.rings[fact.ring] = Ring(order=order, sizes=sizes)

    def _ring_started(self, fact: f.RingStarted) -> None:
        self._forward("ring start")
        ring = self.rings[fact.ring]
        assert ring.started is None
        assert self.admitted(ring.order, fact.at), "a ring entered without its approval"
        assert ring.order == 0 or self.publisher, "beyond LAB without a publisher"
        ring.started = fact.at
        ring.grants = self.granting(ring.order, fact.at)

    def _plane_published(self, fact: f.PlanePublished) -> None:
        assert self.rings[fact.ring].started is not None
        self.objects.add(fact.plane)

    def _plane_assigned(self, fact: f.PlaneAssigned) -> None:
        assert fact.plane in self.objects
        self.assigned = True

    def _plane_observed(self, fact: f.PlaneObserved) -> None:
        ring = self.rings[fact.ring]
        assert fact.figures.succeeded == self.successes(fact.ring, fact.plane), "only evidence counts"
        assert fact.figures.targeted == ring.sizes[fact.plane]
        ring.figures[fact.plane] = fact.figures
        if not self._succeeds(ring):
            ring.succeeds_since, ring.soak_ended = None, False
        elif ring.succeeds_since is None:
            ring.succeeds_since = fact.at

    def _required(self, ring: Ring) -> float:
        return max([self.plan.rings[ring.order].gate.success_rate, *(one.min_rate for one in ring.grants)])

    def _succeeds(self, ring: Ring) -> bool:
        if set(ring.figures) != set(ring.sizes):
            return False
        below = max([0.0, *(one.rollback_below for one in ring.grants)])
        known = [(one.succeeded, one.failed, one.targeted) for one in ring.figures.values()]
        known.append((sum(one[0] for one in known), sum(one[1] for one in known), sum(one[2] for one in known)))
        return all(
            succeeded * 100 >= self._required(ring) * targeted > 0 and (targeted - failed) * 100 >= below * targeted
            for succeeded, failed, targeted in known
        )

    def _soak_skipped(self, fact: f.SoakSkipped) -> None:
        assert self.rings[fact.ring].succeeds_since is not None
        self.rings[fact.ring].soak_ended = True

    def _promotion_forced(self, fact: f.PromotionForced) -> None:
        self._forward("forced promotion")
        self.rings[fact.ring].soak_ended = True

    def _rollback_rehearsed(self, fact: f.RollbackRehearsed) -> None:
        if fact.succeeded:
            self.rings[fact.ring].rehearsed.add(fact.plane)

    def _retry_requested(self, _: f.RetryRequested) -> None:
        assert not self.rolling_back

    def _gate_evaluated(self, fact: f.GateEvaluated) -> None:
        ring = self.rings[fact.ring]
        ring.gate = fact.result
        success = next(check for check in fact.checks if check.name == "success_rate")
        assert (success.result is GateResult.PASS) == self._succeeds(ring)

    def _passed(self, name: str, now: datetime) -> None:
        """Object unless everything that the gate out of this ring demands is there at ``now``."""
        ring = self.rings[name]
        planned = self.plan.rings[ring.order].gate
        assert ring.gate is GateResult.PASS, "no promotion without its gate"
        assert self._succeeds(ring)
        for figures in ring.figures.values():
            for part in figures.classes:
                assert part.succeeded * 100 >= 95 * part.targeted, "P95 of time to compliance"
        counted = [(severity, end) for severity, ours, end in self.incidents.values() if ours and severity != "P4"]
        assert sum(1 for _, end in counted if not end) <= planned.incidents
        assert ("P1", "") not in counted
        assert all(end != "ROLLBACK" for _, end in counted)
        for plane in ring.sizes if planned.rehearsal else ():
            assert plane in ring.rehearsed or self.exception("gate_override", now, plane)
        soak = max([planned.soak, *(one.observe_hours * 3600 for one in ring.grants)])
        assert ring.succeeds_since is not None
        assert ring.soak_ended or now >= ring.succeeds_since + timedelta(seconds=soak), "the soak is not over"

    def _ring_promoted(self, fact: f.RingPromoted) -> None:
        self._forward("promotion")
        self._passed(fact.ring, fact.at)
        ring = self.rings[fact.ring]
        assert fact.to_ring == self.plan.rings[ring.order + 1].name
        assert self.admitted(ring.order + 1, fact.at), "promoted without an approval in force"
        ring.promoted = True

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _deployment_completed(self, fact: f.DeploymentCompleted) -> None:
        self._forward("completion")
        assert len(self.rings) == len(self.plan.rings)
        self._passed(self.plan.rings[-1].name, fact.at)

    def _deployment_failed(self, _: f.DeploymentFailed) -> None:
        assert not self.assigned, "FAILED only before any effect on a device"

    def _deployment_cancelled(self, _: f.DeploymentCancelled) -> None:
        assert all(ring.started is None for ring in self.rings.values()), "CANCELLED only before any effect"

    def _deployment_rejected(self, _: f.DeploymentRejected) -> None:
        self._clean()

    def _rollback_initiated(self, _: f.RollbackInitiated) -> None:
        self.rolling_back = True
        for ballot in self.ballots.values():
            ballot.open = False

    def _plane_rolled_back(self, fact: f.PlaneRolledBack) -> None:
        assert self.rolling_back
        self.rings[fact.ring].clean.add(fact.plane)

    def _rollback_completed(self, _: f.RollbackCompleted) -> None:
        assert self.rolling_back
        self._clean()

    def _clean(self) -> None:
        for ring in self.rings.values():
            if ring.started is not None:
                assert self.objects & set(ring.sizes) <= ring.clean, "every touched ring and plane is verified clean"
