"""Random histories, cheaply: a tape of bytes is read as a plan, as what the world does, and as what people say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions
from eucora.domain.state import PlaneRun, RingRun
from eucora.domain.vocabulary import CabDecision, IncidentResolution, IncidentSeverity, Role
from tests.domain.random_plans import Tape
from tests.domain.random_world import ELSEWHERE, HERE, RandomWorld

__all__ = ["PEOPLE", "Rollout", "Tape", "failed_runs"]

PEOPLE: dict[str, tuple[str, ...]] = {
    "pia": (Role.PUBLISHER,),
    "paul": (Role.PACKAGING_ENGINEER, Role.CAB_MEMBER),
    "puck": (Role.PUBLISHER,),
    "carl": (Role.CAB_MEMBER,),
    "cora": (Role.CAB_MEMBER,),
    "cleo": (Role.CAB_MEMBER, Role.PUBLISHER),
    "olga": (Role.ENDPOINT_OPS,),
    "audrey": (Role.AUDITOR,),
    "eucora-api": (Role.SYSTEM,),
}
"""``pia`` submits as a publisher or ``paul``'s colleague ``pete`` does as a packaging engineer; ``paul`` made the
pack.
"""


@dataclass
class Rollout(RandomWorld):
    """One deployment, driven by a tape: what people do."""

    def approve(self, decision: CabDecision = CabDecision.APPROVED, conditions: Conditions | None = None) -> None:
        """Everybody who may votes, as far as votes are taken; over the CAB's tier mostly with an exception."""
        if self.score > 75 and self.tape.pick(4) and all(one.kind != "high_risk" for one in self.state.exceptions):
            self.say(self.high_risk("x-9"), "eucora-api", (Role.SYSTEM,))
        for actor in ("carl", "cora", "cleo", "cyril"):
            review = self.state.open_review
            if review is None:
                return
            vote = m.CabVote(
                checkpoint=review.checkpoint,
                decision=decision,
                pack_digest=review.pack_digest,
                conditions=conditions or Conditions(),
            )
            self.say(vote, actor, (Role.CAB_MEMBER,))

    def high_risk(self, exception_id: str, revision: int = 1) -> m.ExceptionChanged:
        end = self.now + timedelta(days=80)
        return m.ExceptionChanged(exception_id=exception_id, kind="high_risk", revision=revision, expires_at=end)

    def conditions(self) -> Conditions:
        order = self.state.open_review.covers.first if self.state.open_review else 0
        hour = timedelta(hours=1)
        return (
            Conditions(max_ring=order),
            Conditions(min_success_rate=99.0, text="slowly"),
            Conditions(observe_hours=2.0),
            Conditions(not_before=self.now + 3 * hour),
            Conditions(not_after=self.now + 5 * hour),
            Conditions(rollback_below=100.0),
            Conditions(not_before=self.now + hour, not_after=self.now + 30 * hour, max_ring=order),
            Conditions(),
        )[self.tape.pick(8)]

    def message(self) -> m.Message:
        """Any message, with contents that are mostly to the point."""
        pick = self.tape.pick
        match pick(15):
            case 0:
                review = self.state.open_review
                return m.CabVote(
                    checkpoint=review.checkpoint if review is not None else pick(5),
                    decision=tuple(CabDecision)[pick(3)],
                    pack_digest=review.pack_digest if review is not None and pick(4) else "old",
                    conditions=self.conditions() if pick(2) else Conditions(),
                )
            case 1:
                return m.RevokeApproval(checkpoint=pick(5), why="second thoughts")
            case 2:
                return m.HoldRollout(why="wait")
            case 3:
                return m.ReleaseRollout(why="go on")
            case 4:
                return m.AdoptRollout()
            case 5:
                return m.PromoteNow(why="now")
            case 6:
                return m.RetryFailed(why="again", planes=("mac",) if pick(4) == 1 else ())
            case 7:
                return m.SkipSoak(why="long enough")
            case 8:
                return m.RollBackRollout(why="no good")
            case 9:
                return m.CancelRollout(why="never mind")
            case 10:
                return m.OpenReview()
            case 11:
                return m.IncidentChanged(
                    incident_id=f"i-{pick(2)}",
                    severity=tuple(IncidentSeverity)[3 - pick(4)],
                    attributed=pick(3) > 0,
                    resolution=(None, None, None, *IncidentResolution)[pick(7)],
                )
            case 12:
                return m.ExceptionChanged(
                    exception_id=f"x-{pick(2)}",
                    kind=("high_risk", "gate_override")[pick(2)],
                    revision=1 + pick(2),
                    expires_at=self.now + timedelta(hours=(2000, 2, 40)[pick(3)]),
                    subject=("", "win")[pick(2)],
                    revoked=pick(4) == 1,
                )
            case 13:
                return m.LineChanged(line_stop_id="line-1", stopped=pick(2) == 0, why="stop the line")
            case _:
                keys = (f.TrustedKey(key_id="k2", public_key="BBBB"),)
                return m.TrustChange(trusted_keys=() if pick(2) else keys)

    def act(self) -> None:
        """Read one action from the tape, and do it."""
        pick = self.tape.pick
        match pick(16):
            case 0 | 1 | 2 | 3 | 4 | 5:
                self.progress()
                for _ in range(pick(3)):
                    self.pass_time_to_wake()
            case 6:
                self.answer_all(well=False)
            case 7:
                self.drift()
            case 8:
                self.pass_time(
                    (1.0, 1800.0, 3600.0, 3 * 3600.0, 13 * 3600.0, 49 * 3600.0, 4 * 86_400.0, 31 * 86_400.0)[pick(8)]
                )
            case 9 | 10:
                self.progress()
                conditions = self.conditions() if pick(2) else Conditions()
                self.approve(CabDecision.APPROVED if conditions.empty else CabDecision.CONDITIONAL, conditions)
            case 11 | 12:
                names = tuple(PEOPLE)
                actor = names[pick(len(names))]
                self.say(self.message(), actor, PEOPLE[actor], HERE if pick(8) else ELSEWHERE)
            case _:
                self.say(self.message(), "otto", tuple(Role))

    def run(self, actions: int = 16) -> None:
        """Act until the tape or the deployment ends."""
        for _ in range(actions):
            if self.tape.over or self.state.final:
                return
            self.act()


def failed_runs(ring: RingRun | None) -> list[PlaneRun]:
    """Planes of a ring on which something failed that a retry would try again."""
    return [] if ring is None else [
        run for run in ring.planes
        if run.failure is not None or (run.rehearsal is not None and not run.rehearsal.succeeded)
    ]  # fmt: skip
