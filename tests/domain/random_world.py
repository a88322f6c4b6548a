"""What the world does in a random history: the interpreter's promises, and planes and devices that do as the tape says.

Ours, labelled, deterministic. Like the interpreter it settles before it listens and before it takes an outcome, and
gives up what a rollback makes pointless; it keeps no other promise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import gates
from eucora.domain import messages as m
from eucora.domain.approval import tier
from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.gates import Figures
from eucora.domain.judge import Judgement, judge
from eucora.domain.plan import RolloutPlan, Scope
from eucora.domain.rollout import begin, decide, evolve
from eucora.domain.state import RolloutState
from eucora.domain.vocabulary import ErrorClass, HoldKind, SiteClass
from tests.domain.builders import START, created
from tests.domain.random_plans import Tape, plan_of

HERE = Scope(business_unit="finance")
ELSEWHERE = Scope(business_unit="retail")
MOST_ROUNDS = 100
"""No moment needs more decisions than this: whoever needs more is going round in circles."""


@dataclass
class RandomWorld:
    """One deployment, driven by a tape. ``flight`` holds the commands under way by key.

    Whenever one of its methods returns, all that was due is recorded: the next message or outcome finds nothing due.
    """

    tape: Tape
    now: datetime = START
    facts: list[f.Fact] = field(default_factory=list)
    flight: dict[str, c.Command] = field(default_factory=dict)
    devices: dict[tuple[str, str], list[DeviceStatus]] = field(default_factory=dict)
    members: dict[tuple[str, str], dict[str, SiteClass]] = field(default_factory=dict)
    messages: int = 0
    score: int = 10
    commands: tuple[c.Command, ...] = ()

    def __post_init__(self) -> None:
        self.score = (10, 50, 51, 75, 76, 90)[self.tape.pick(6)]
        first = created(plan_of(self.tape))
        self.facts.append(first)
        self.plan: RolloutPlan = first.plan
        self.state: RolloutState = begin(first)
        self.settle()
        if self.tape.pick(8):
            self.progress()

    # ---- the interpreter's part -------------------------------------------------------------------------------------

    def apply(self, *facts: f.Fact) -> None:
        for fact in facts:
            self.before(fact)
            self.state = evolve(self.state, fact)
            self.facts.append(fact)

    def before(self, fact: f.Fact) -> None:
        """Look at a fact before it is folded; for the oracle."""

    def settle(self) -> None:
        """Record what is due, then bring what is under way in line with what is asked for."""
        for _ in range(MOST_ROUNDS):
            commands = decide(self.state, self.now)
            if not isinstance(commands[0], c.Record):
                break
            self.apply(*commands[0].facts)
        else:
            msg = f"settling does not end: {[fact.type for fact in self.facts[-8:]]}"
            raise AssertionError(msg)
        self.commands = commands
        self.decided(commands)
        wanted = {one.key: one for one in commands if not isinstance(one, c.Await | c.Finish)}
        gone = self.state.final or self.state.rollback is not None
        for key in [key for key in self.flight if key not in wanted]:
            command = self.flight[key]
            if isinstance(command, c.Observe) or (gone and not isinstance(command, c.RollBackPlane)):
                del self.flight[key]
        for key, command in wanted.items():
            self.flight.setdefault(key, command)

    def decided(self, commands: tuple[c.Command, ...]) -> None:
        """Look at what was decided once nothing is due; for the properties."""

    def say(self, message: m.Message, actor: str, roles: tuple[str, ...], scope: Scope = HERE) -> Judgement:
        self.messages += 1
        sender = m.Sender(actor=actor, roles=roles, scope=scope, message_id=f"m-{self.messages}")
        judgement = judge(self.state, message, sender, self.now)
        self.apply(*judgement.facts)
        self.settle()
        return judgement

    def outcome(self, key: str, facts: tuple[f.Fact, ...]) -> bool:
        """Take the outcome of a command under way; tell whether it was news."""
        command = self.flight.get(key)
        if command is None or self.state.final or not facts:
            return False
        if not isinstance(command, c.Observe) or not isinstance(facts[0], f.PlaneObserved):
            del self.flight[key]
        elif not gates.crossed(command.mark, facts[0].figures, self.now):
            return False
        self.apply(*facts)
        self.settle()
        return True

    # ---- the world's part -------------------------------------------------------------------------------------------

    def answer_all(self, *, well: bool = True) -> bool:
        """Answer everything under way once; tell whether anything was news."""
        news = False
        for key, command in list(self.flight.items()):
            if key in self.flight:
                news |= self.outcome(key, self.answer(command, 0 if well else self.tape.pick(8)))
        return news

    def progress(self) -> None:
        """Let the world do its work until nothing moves at this time."""
        for _ in range(MOST_ROUNDS):
            if not self.answer_all():
                return
        msg = f"no rest at {self.now}: {list(self.flight)}"
        raise AssertionError(msg)

    def wake(self) -> datetime | None:
        """Return the next time at which something is asked for."""
        times = [one.mark.until for one in self.flight.values() if isinstance(one, c.Observe)]
        times += [one.until for one in self.commands if isinstance(one, c.Await)]
        later = [time for time in times if time is not None and time > self.now]
        return min(later) if later else None

    def pass_time_to_wake(self) -> None:
        wake = self.wake()
        if wake is not None:
            self.now = wake
            self.settle()
            self.progress()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.settle()

    def answer(self, command: c.Command, twist: int) -> tuple[f.Fact, ...]:
        """Do what a command asks for; ``twist`` 0 does it well, 1 fails for good, 2 fails for now, 3 is stopped by
        the line.
        """
        now = self.now
        forward = isinstance(command, c.FORWARD)
        if twist == 3 and forward:
            return (f.DeploymentHeld(at=now, actor="olga", kind=HoldKind.LINE_STOP, why="guard", reference="line-1"),)
        if twist in (1, 2) and isinstance(command, c.FreezeMembership | c.Publish | c.Assign | c.Observe):
            return (self._refusal(command, permanent=twist == 1),)
        match command:
            case c.SealEvidence() if twist == 1:
                return (f.DeploymentRejected(at=now, code="evidence_invalid", sentence="malware", field="sbom"),)
            case c.SealEvidence():
                return (f.EvidenceSealed(at=now, pack_digest="b" * 64, release_digest="r" * 64, version=1),)
            case c.Assess() if twist == 1:
                return (f.DeploymentFailed(at=now, code="cohort_empty", sentence="nobody there"),)
            case c.Assess():
                return (self._assessed(),)
            case c.ResealEvidence(checkpoint=checkpoint):
                digest = f"{len(self.facts):064x}"
                return (
                    f.EvidenceResealed(
                        at=now, checkpoint=checkpoint, pack_digest=digest, release_digest="r" * 64, version=2
                    ),
                )
            case c.FreezeMembership(ring=order):
                return (self._frozen(order),)
            case c.Publish(ring=ring, plane=plane):
                return (f.PlanePublished(at=now, ring=ring, plane=plane, object_id=f"o-{plane}", request_id="q"),)
            case c.Assign(ring=ring, plane=plane, revision=revision):
                return (self._assigned(ring, plane, revision),)
            case c.Observe(ring=ring, plane=plane):
                return (f.PlaneObserved(at=now, ring=ring, plane=plane, figures=self.figures(ring, plane)),)
            case c.Rehearse(ring=ring, plane=plane, revision=revision):
                return (
                    f.RollbackRehearsed(
                        at=now, ring=ring, plane=plane, device="device-0", artifact_sha256=self.plan.artifact_sha256,
                        succeeded=twist != 1, sentence="rehearsed", revision=revision,
                    ),
                )  # fmt: skip
            case c.RollBackPlane(ring=ring, plane=plane, strategy=strategy, revision=revision):
                if twist in (1, 2):
                    sentence = "devices remain"
                    return (f.RollbackFailed(at=now, ring=ring, plane=plane, sentence=sentence, revision=revision),)
                count = len(self.members[ring, plane])
                return (
                    f.PlaneRolledBack(at=now, ring=ring, plane=plane, strategy=strategy, targeted=count, clean=count),
                )
        return ()

    def _refusal(self, command: c.FreezeMembership | c.Publish | c.Assign | c.Observe, *, permanent: bool) -> f.Fact:
        operation = command.key.split("/")[0]
        if isinstance(command, c.FreezeMembership):
            ring = self.plan.rings[command.ring]
            name, plane = ring.name, ring.planes[-1]
        else:
            name, plane = command.ring, command.plane
        error = ErrorClass.PERMANENT if permanent else ErrorClass.TRANSIENT
        return f.ConnectorError(
            at=self.now,
            ring=name,
            plane=plane,
            operation=operation,
            code="plane_error",
            sentence="no",
            error_class=error,
        )

    def _assessed(self) -> f.RiskAssessed:
        chosen = tier(self.score, self.plan.blast_radius_class, always_cab=self.plan.always_cab)
        return f.RiskAssessed(
            at=self.now, score=self.score, raw_score=str(self.score), model="v1.0", model_version="v1.0",
            model_digest="e" * 64, inputs_digest="e" * 64, assessment_digest="e" * 64, tier=chosen, cohorts=(),
            devices=9,
        )  # fmt: skip

    def _frozen(self, order: int) -> f.MembershipFrozen:
        ring = self.plan.rings[order]
        frozen = []
        for plane in ring.planes:
            shape = self.tape.pick(16)
            count = (3, 1, 2, 25)[shape % 4]
            # the site classes take turns, beginning with the online ones
            classes = tuple(SiteClass)[: 1 + (shape >> 2) % 3]
            members = {f"device-{number}": classes[number % len(classes)] for number in range(count)}
            self.members[ring.name, plane] = members
            sites = [f.SiteCount(site_class=name, devices=list(members.values()).count(name)) for name in SiteClass]
            frozen.append(
                f.PlaneMembership(
                    plane=plane, digest="d" * 64, devices=count, sites=tuple(site for site in sites if site.devices)
                )
            )
        return f.MembershipFrozen(at=self.now, ring=ring.name, members=tuple(frozen))

    def _assigned(self, ring: str, plane: str, revision: int) -> f.PlaneAssigned:
        members = self.members[ring, plane]
        fate = self.tape.pick(32)
        good = DeviceStatus(device_id="", state=DeviceState.SUCCEEDED, attempts=1, at=self.now)
        statuses = [replace(good, device_id=name) for name in members]
        if 5 <= fate <= 10:
            worse = (
                DeviceStatus(device_id="", state=DeviceState.FAILED, attempts=2),
                DeviceStatus(device_id="", state=DeviceState.FAILED, attempts=1),
                DeviceStatus(device_id="", state=DeviceState.UNKNOWN),
                DeviceStatus(device_id="", state=DeviceState.IN_PROGRESS),
                DeviceStatus(device_id="", state=DeviceState.SUCCEEDED, at=self.now + timedelta(hours=5)),
                DeviceStatus(device_id="", state=DeviceState.SUCCEEDED),
            )[fate - 5]
            statuses[0] = replace(worse, device_id=statuses[0].device_id)
        if fate == 11:
            statuses = []
        self.devices[ring, plane] = statuses
        return f.PlaneAssigned(
            at=self.now, ring=ring, plane=plane, assignment_id=f"a-{ring}-{plane}", targeted=len(members),
            request_id="q", revision=revision,
        )  # fmt: skip

    def figures(self, ring: str, plane: str) -> Figures:
        """What the ``observe`` activity would count now: a status that is not there yet does not count."""
        run = next(one for one in self.state.rings if one.name == ring)
        assert run.started_at is not None
        known = [one for one in self.devices[ring, plane] if one.at is None or one.at <= self.now]
        return gates.summarise(
            self.members[ring, plane],
            known,
            started_at=run.started_at,
            windows=self.plan.rings[run.order].gate.compliance,
            max_attempts=self.plan.max_attempts,
            now=self.now,
        )

    def drift(self) -> None:
        """One device of the running ring changes its state: it breaks, or is mended now."""
        ring = self.state.ring
        if ring is None:
            return
        plane = ring.planes[self.tape.pick(len(ring.planes))].plane
        statuses = self.devices.get((ring.name, plane))
        if not statuses:
            return
        index = self.tape.pick(len(statuses))
        state = (DeviceState.FAILED, DeviceState.UNKNOWN, DeviceState.SUCCEEDED)[self.tape.pick(3)]
        statuses[index] = DeviceStatus(device_id=statuses[index].device_id, state=state, attempts=2, at=self.now)
