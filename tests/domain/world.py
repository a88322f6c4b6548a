"""A modelled world for the decider: answers every command at once or on demand; ours, labelled, deterministic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import gates
from eucora.domain import messages as m
from eucora.domain.approval import tier
from eucora.domain.gates import ClassFigures, Figures
from eucora.domain.judge import Judgement, judge
from eucora.domain.plan import RolloutPlan
from eucora.domain.rollout import begin, decide, evolve
from eucora.domain.settle import settle
from eucora.domain.state import Review, RolloutState
from eucora.domain.vocabulary import CabDecision, Role, SiteClass
from tests.domain.builders import START, created, membership

F = TypeVar("F", bound=f.Occurred)

SIZES = {"LAB": 10, "CANARY": 50, "PILOT": 500, "DEPARTMENT": 1000, "GLOBAL": 5000}


@dataclass
class World:
    """Runs one deployment. ``outcome(ring, plane)`` gives (succeeded, failed) of the ring's devices when observed."""

    plan: RolloutPlan
    score: int = 40
    outcome: Callable[[str, str], tuple[int, int]] = lambda ring, _: (SIZES[ring], 0)
    rollback_works: Callable[[str, str, int], bool] = lambda *_: True
    now: datetime = START
    facts: list[f.Fact] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    messages: int = 0

    def __post_init__(self) -> None:
        first = created(self.plan)
        self.facts = [first]
        self.state: RolloutState = begin(first)

    def apply(self, *facts: f.Fact) -> None:
        for fact in facts:
            self.state = evolve(self.state, fact)
            self.facts.append(fact)

    def settle(self) -> None:
        """Record what is due, as the interpreter does before it listens."""
        while due := settle(self.state, self.now):
            self.apply(*due)

    def say(self, message: m.Message, actor: str, *roles: Role) -> Judgement:
        self.settle()
        self.messages += 1
        sender = m.Sender(actor=actor, roles=roles, scope=self.plan.scope, message_id=f"m-{self.messages}")
        judgement = judge(self.state, message, sender, self.now)
        self.apply(*judgement.facts)
        self.settle()
        return judgement

    def vote(self, actor: str, decision: str = "APPROVED", **changes: object) -> Judgement:
        review = self.state.open_review
        values: dict[str, object] = {
            "checkpoint": review.checkpoint if review else 1,
            "decision": CabDecision(decision),
            "pack_digest": review.pack_digest if review else "x",
        }
        values.update(changes)
        return self.say(m.CabVote(**values), actor, Role.CAB_MEMBER)  # type: ignore[arg-type]

    def step(self) -> bool:
        """Do what decide asks for now; False when only time or a message can move it."""
        return any(self._do(command) for command in decide(self.state, self.now))

    def run(self, *, until: datetime | None = None, steps: int = 2000) -> None:
        """Run until final, or until only a message helps, or until a time; time moves by the commands' own clocks."""
        for _ in range(steps):
            while self.step():
                pass
            if self.state.final:
                return
            wake = self._wake()
            if wake is None or (until is not None and wake > until):
                if until is not None:
                    self.now = max(self.now, until)
                return
            self.now = wake
        msg = f"no end after {steps} steps: {self.state.reason}"
        raise AssertionError(msg)

    def until(self, condition: Callable[[RolloutState], object]) -> None:
        """Run, by the commands' own clocks, to the first moment at which the condition holds."""
        for _ in range(2000):
            while not condition(self.state):
                if not self.step():
                    break
            else:
                self.settle()
                return
            wake = self._wake()
            assert wake is not None, f"only a message helps: {self.state.reason}"
            self.now = wake
        msg = f"it never comes: {self.state.reason}"
        raise AssertionError(msg)

    def to_review(self) -> Review:
        """Run to the next review that takes votes."""
        self.until(lambda state: state.open_review is not None)
        assert self.state.open_review is not None
        return self.state.open_review

    def to_ring(self, name: str) -> None:
        """Run to the start of a ring."""
        self.until(lambda state: state.ring is not None and state.ring.name == name and state.ring.started_at)

    def rest(self) -> None:
        """Do all that can be done without time passing."""
        while self.step():
            pass

    def seen(self, kind: type[F]) -> list[F]:
        """Facts of one type, in order."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def _wake(self) -> datetime | None:
        times = []
        for command in decide(self.state, self.now):
            if isinstance(command, c.Await) and command.until is not None:
                times.append(command.until)
            if isinstance(command, c.Observe) and command.mark.until is not None:
                times.append(command.mark.until)
        return min(times) if times else None

    def _do(self, command: c.Command) -> bool:
        now = self.now
        match command:
            case c.Record(facts=facts):
                self.apply(*facts)
                return True
            case c.SealEvidence():
                self.apply(f.EvidenceSealed(at=now, pack_digest="b" * 64, release_digest="r" * 64, version=1))
            case c.Assess():
                chosen = tier(self.score, self.plan.blast_radius_class, always_cab=self.plan.always_cab)
                self.apply(
                    f.RiskAssessed(
                        at=now, score=self.score, raw_score=str(self.score), model="v1.0", model_version="v1.0",
                        model_digest="e" * 64, inputs_digest="e" * 64, assessment_digest="e" * 64, tier=chosen,
                        cohorts=(), devices=6560,
                    )
                )  # fmt: skip
            case c.ResealEvidence(checkpoint=checkpoint):
                digest = f"{checkpoint}" * 64
                self.apply(
                    f.EvidenceResealed(
                        at=now,
                        checkpoint=checkpoint,
                        pack_digest=digest,
                        release_digest="r" * 64,
                        version=checkpoint + 1,
                    )
                )
            case c.FreezeMembership(ring=order):
                ring = self.plan.rings[order]
                self.apply(
                    f.MembershipFrozen(
                        at=now, ring=ring.name, members=tuple(membership(p, SIZES[ring.name]) for p in ring.planes)
                    )
                )
            case c.Publish(ring=ring, plane=plane):
                self.log.append(f"publish {ring} {plane}")
                self.apply(f.PlanePublished(at=now, ring=ring, plane=plane, object_id=f"o-{plane}", request_id="q"))
            case c.Assign(ring=ring, plane=plane, revision=revision):
                self.log.append(f"assign {ring} {plane} {revision}")
                self.apply(
                    f.PlaneAssigned(
                        at=now, ring=ring, plane=plane, assignment_id=f"a-{ring}-{plane}", targeted=SIZES[ring],
                        request_id="q", revision=revision,
                    )
                )  # fmt: skip
            case c.Observe(ring=ring, plane=plane, mark=mark):
                figures = self.figures(ring, plane)
                if not gates.crossed(mark, figures, now):
                    return False
                self.apply(f.PlaneObserved(at=now, ring=ring, plane=plane, figures=figures))
            case c.Rehearse(ring=ring, plane=plane, revision=revision):
                self.log.append(f"rehearse {ring} {plane}")
                self.apply(
                    f.RollbackRehearsed(
                        at=now, ring=ring, plane=plane, device="dev-1", artifact_sha256="a" * 64, succeeded=True,
                        sentence="rolled back, verified, installed again", revision=revision,
                    )
                )  # fmt: skip
                self.now += timedelta(seconds=1)
            case c.RollBackPlane(ring=ring, plane=plane, strategy=strategy, revision=revision):
                self.log.append(f"roll_back {ring} {plane}")
                if self.rollback_works(ring, plane, revision):
                    self.apply(
                        f.PlaneRolledBack(
                            at=now, ring=ring, plane=plane, strategy=strategy, targeted=SIZES[ring], clean=SIZES[ring]
                        )
                    )
                else:
                    self.apply(
                        f.RollbackFailed(at=now, ring=ring, plane=plane, sentence="devices remain", revision=revision)
                    )
            case c.Await() | c.Finish():
                return False
        return True

    def figures(self, ring: str, plane: str) -> Figures:
        succeeded, failed = self.outcome(ring, plane)
        targeted = SIZES[ring]
        started = next(one for one in self.state.rings if one.name == ring)
        gate = self.plan.rings[started.order].gate
        assert started.started_at is not None
        unknown = targeted - succeeded - failed
        if self.now >= started.started_at + timedelta(seconds=gate.compliance.online):
            failed, unknown = failed + unknown, 0
        rank = gates.nearest_rank(targeted)
        return Figures(
            classes=(
                ClassFigures(
                    site_class=SiteClass.ONLINE, targeted=targeted, succeeded=succeeded, failed=failed, unknown=unknown,
                    p95_seconds=60.0 if succeeded >= rank else None,
                ),
            )
        )  # fmt: skip
