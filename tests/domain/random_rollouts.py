"""Random histories, cheaply: a tape of bytes is read as a plan, as what the world does, and as what people say.

Ours, labelled, deterministic: the same tape gives the same history. The world keeps the interpreter's promises (it settles
before it listens and before it takes an outcome, gives up what a rollback makes pointless) and no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import gates
from eucora.domain import messages as m
from eucora.domain.approval import Conditions, tier
from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.gates import Figures
from eucora.domain.judge import Judgement, judge
from eucora.domain.plan import ComplianceWindows, ReviewPolicy, RingGate, RolloutPlan, Scope
from eucora.domain.rollout import begin, decide, evolve
from eucora.domain.settle import settle
from eucora.domain.state import PlaneRun, RingRun, RolloutState
from eucora.domain.vocabulary import (
    BlastRadiusClass,
    CabDecision,
    ErrorClass,
    HoldKind,
    IncidentResolution,
    IncidentSeverity,
    Role,
    SiteClass,
)
from tests.domain.builders import START, created, plan

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
"""``pia`` submits as a publisher or ``paul``'s colleague ``pete`` does as a packaging engineer; ``paul`` made the pack."""

HERE = Scope(business_unit="finance")
ELSEWHERE = Scope(business_unit="retail")
MOST_ROUNDS = 100
"""No moment needs more decisions than this: whoever needs more is going round in circles."""


class Tape:
    """Bytes, read as choices; at its end every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def over(self) -> bool:
        return self._position >= len(self._data)

    def pick(self, choices: int) -> int:
        """Return a number below ``choices`` (at most 256)."""
        if self.over:
            return 0
        value = self._data[self._position]
        self._position += 1
        return value % choices


def plan_of(tape: Tape) -> RolloutPlan:
    """Read a small plan: 1 to 5 rings, 1 to 3 planes, every preset, quorum 1 to 3, short and long clocks."""
    rings, planes = 1 + tape.pick(5), ("win", "mac", "linux")[: 1 + tape.pick(3)]
    publisher, shape = tape.pick(4) > 0, tape.pick(256)
    base = plan(
        rings=rings,
        planes=planes,
        requester="pia" if publisher else "pete",
        requester_roles=(Role.PUBLISHER,) if publisher else (Role.PACKAGING_ENGINEER,),
        author="paul",
        preset=("standard", "pilot_only", "every_ring")[shape % 3],
        always_cab=shape & 4 > 0,
        blast_class=tuple(BlastRadiusClass)[(shape >> 3) % 4],
        quorum=1 + (shape >> 5) % 3,
    )
    soak, window = (0.0, 3600.0, 86_400.0)[tape.pick(3)], (4 * 3600.0, 48 * 3600.0)[tape.pick(2)]
    rate = (97.0, 60.0)[tape.pick(2)]
    gate = RingGate(
        success_rate=rate,
        compliance=ComplianceWindows(online=4 * 3600.0, intermittent=8 * 3600.0, air_gapped=24 * 3600.0),
        incidents=tape.pick(2),
        soak=soak,
    )
    return replace(
        base,
        rings=tuple(
            replace(ring, gate=replace(gate, rehearsal=ring.order == 0, soak=0.0 if ring.order == 0 else soak))
            for ring in base.rings
        ),
        review=ReviewPolicy(window=window, approval_valid=(30.0, 3.0)[tape.pick(2)] * 86_400.0),
        max_attempts=2,
    )


@dataclass
class Rollout:
    """One deployment, driven by a tape. ``flight`` holds the commands under way by key."""

    tape: Tape
    now: datetime = START
    facts: list[f.Fact] = field(default_factory=list)
    flight: dict[str, c.Command] = field(default_factory=dict)
    devices: dict[tuple[str, str], list[DeviceStatus]] = field(default_factory=dict)
    members: dict[tuple[str, str], dict[str, SiteClass]] = field(default_factory=dict)
    messages: int = 0
    score: int = 10

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
            due = settle(self.state, self.now)
            if not due:
                break
            self.apply(*due)
        else:
            msg = f"settling does not end: {[fact.type for fact in self.facts[-8:]]}"
            raise AssertionError(msg)
        commands = decide(self.state, self.now)
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
        self.settle()
        self.messages += 1
        sender = m.Sender(actor=actor, roles=roles, scope=scope, message_id=f"m-{self.messages}")
        judgement = judge(self.state, message, sender, self.now)
        self.apply(*judgement.facts)
        self.settle()
        return judgement

    def outcome(self, key: str, facts: tuple[f.Fact, ...]) -> bool:
        """Take the outcome of a command under way; tell whether it was news."""
        self.settle()
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
        times += [one.until for one in decide(self.state, self.now) if isinstance(one, c.Await)]
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

    def answer(self, command: c.Command, twist: int) -> tuple[f.Fact, ...]:  # noqa: C901 - one branch per command
        """Do what a command asks for; ``twist`` 0 does it well, 1 fails for good, 2 fails for now, 3 is stopped by the line."""
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
            at=self.now, ring=name, plane=plane, operation=operation, code="plane_error", sentence="no", error_class=error
        )

    def _assessed(self) -> f.RiskAssessed:
        chosen = tier(self.score, self.plan.blast_radius_class, always_cab=self.plan.always_cab)
        return f.RiskAssessed(
            at=self.now, score=self.score, raw_score=str(self.score), model="v1.0", model_version="v1.0",
            model_digest="e" * 64, inputs_digest="e" * 64, assessment_digest="e" * 64, tier=chosen, cohorts=(), devices=9,
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

    # ---- the people's part ------------------------------------------------------------------------------------------

    def approve(self, decision: CabDecision = CabDecision.APPROVED, conditions: Conditions | None = None) -> None:
        """Everybody who may votes, as far as votes are taken; over the CAB's tier mostly with an exception."""
        if self.score > 75 and self.tape.pick(4) and all(one.kind != "high_risk" for one in self.state.exceptions):
            self.say(self.high_risk("x-0"), "eucora-api", (Role.SYSTEM,))
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
                self.pass_time((1.0, 1800.0, 3600.0, 3 * 3600.0, 13 * 3600.0, 49 * 3600.0, 4 * 86_400.0, 31 * 86_400.0)[pick(8)])
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
