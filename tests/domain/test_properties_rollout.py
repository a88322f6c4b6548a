"""Properties of every history: what the plan, the world, the people and the clock may do, in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.audit import first_unfounded
from eucora.domain.devices import DeviceState
from eucora.domain.judge import judge
from eucora.domain.rollout import decide, fold
from eucora.domain.settle import settle
from eucora.domain.standing import exception_active, needs_publisher
from eucora.domain.vocabulary import DeploymentState, HoldKind, IncidentResolution, IncidentSeverity, Role, SiteClass
from tests.domain.oracle import EDGES, Oracle
from tests.domain.random_rollouts import Rollout, Tape, failed_runs

pytestmark = pytest.mark.timeout(900)

tapes = st.binary(min_size=8, max_size=64)
WAITS_FOR_PEOPLE = {DeploymentState.AWAITING_CAB, DeploymentState.APPROVED}


class Watched(Rollout):
    """A rollout under the eyes of the oracle, with what must hold after every decision."""

    def __post_init__(self) -> None:
        self.oracle: Oracle | None = None
        super().__post_init__()

    def before(self, fact: f.Fact) -> None:
        if self.oracle is None:
            self.oracle = Oracle(self.plan, self.successes)
        self.oracle.see(fact)

    def apply(self, *facts: f.Fact) -> None:
        for fact in facts:
            was = self.state.state
            super().apply(fact)
            assert self.state.state is was or self.state.state in EDGES[was], f"{was} -> {self.state.state}"
            assert self.state.sequence == len(self.facts)

    def successes(self, ring: str, plane: str) -> int:
        """Count, one device after the other, those whose success was seen within their deadline."""
        run = next(one for one in self.state.rings if one.name == ring)
        assert run.started_at is not None
        hours = {SiteClass.ONLINE: 4, SiteClass.INTERMITTENT: 8, SiteClass.AIR_GAPPED: 24}
        count = 0
        for status in self.devices[ring, plane]:
            if status.state is DeviceState.SUCCEEDED and status.at is not None and status.at <= self.now:
                limit = hours[self.members[ring, plane][status.device_id]] * 3600
                count += (status.at - run.started_at).total_seconds() <= limit
        return count

    def decided(self, commands: tuple[c.Command, ...]) -> None:
        state = self.state
        assert not any(isinstance(one, c.Record) for one in commands), "nothing is due any more"
        assert state.reason.code
        assert state.reason.sentence
        assert state.reason.since <= self.now
        keys = [one.key for one in commands]
        assert len(keys) == len(set(keys)), "one command of each identity"
        if state.final:
            assert commands == (c.Finish(),)
            assert state.open_review is None
            return
        if state.holds or state.rollback is not None:
            assert not any(isinstance(one, c.FORWARD) for one in commands), "a hold and a rollback stop forward effects"
        rolls_back = any(isinstance(one, c.RollBackPlane) for one in commands)
        if rolls_back:
            assert state.rollback is not None
            assert not state.rollback.automatic or all(one.kind is not HoldKind.LINE_STOP for one in state.holds)
        self._reasons(commands)

    def _reasons(self, commands: tuple[c.Command, ...]) -> None:
        state, last = self.state, commands[-1]
        if state.rollback is not None:
            assert state.state is DeploymentState.DEPLOYING
            assert state.reason.code in ("rolling_back", "rollback_failed")
        if state.evidence is None or state.risk is None:
            return
        assert isinstance(last, c.Await)
        assert last.until is None or last.until > self.now, "never wake up in the past"
        if state.state in WAITS_FOR_PEOPLE and self.oracle is not None:
            order = sum(1 for ring in state.rings if ring.started_at is not None)
            admitted = self.oracle.admitted(order, self.now)
            waits = last.until is not None or not self.oracle.needs_people
            assert admitted or state.state is DeploymentState.AWAITING_CAB or waits, "APPROVED means approved"
            assert not admitted or state.state is DeploymentState.APPROVED, "AWAITING_CAB means without an approval"
        if len(commands) == 1 and last.until is None:
            self._explained()

    def _explained(self) -> None:
        """Nothing is under way and no time will help: then a person must be named by what stands."""
        state = self.state
        runs = [run for ring in state.rings for run in ring.planes]
        assert (
            state.holds
            or state.open_review is not None
            or state.freeze_failure is not None
            or any(run.failure is not None or run.rollback_failure for run in runs)
        ), f"stuck without a reason: {state.state} {state.reason}"


@given(tapes)
def test_no_history_breaks_a_rule(tape: bytes) -> None:
    """At every step: edges, gates, approvals, holds, rollbacks and reasons, in the oracle's opinion.

    At the end: deciding is pure and has settled, the facts fold to the state, the verifier objects to none of them,
    and a message that was judged once is not judged again.
    """
    rollout = Watched(Tape(tape))
    rollout.run()
    state, now = rollout.state, rollout.now
    assert settle(state, now) == ()
    assert decide(state, now) == decide(state, now)
    assert fold(rollout.facts) == state
    assert first_unfounded(rollout.facts) is None
    message = rollout.message()
    sender = m.Sender(actor="otto", roles=tuple(Role), scope=rollout.plan.scope, message_id="m-again")
    judgement = judge(state, message, sender, now)
    assert judgement == judge(state, message, sender, now)
    rollout.apply(*judgement.facts)
    assert judge(rollout.state, message, sender, now).facts == () or not judgement.facts


@given(st.binary(min_size=8, max_size=40))
def test_whoever_helps_brings_every_deployment_to_its_end(tape: bytes) -> None:
    """From wherever a history stands, people who do their duty and a world that works lead to a final state."""
    rollout = Rollout(Tape(tape[1:]))
    rollout.run(actions=1 + tape[0] % 12)
    for _ in range(400):
        if rollout.state.final:
            return
        help_along(rollout)
    pytest.fail(f"no end: {rollout.state.state} {rollout.state.reason} {rollout.state.holds}")


def help_along(rollout: Rollout) -> None:
    """One round of duty: answer what is under way, then whatever the deployment waits for."""
    rollout.progress()
    state = rollout.state
    if state.final:
        return
    for hold in state.holds:
        _release(rollout, hold.kind, hold.reference)
    for incident in rollout.state.incidents:
        if incident.resolution is None:
            fixed = m.IncidentChanged(
                incident_id=incident.incident_id,
                severity=IncidentSeverity(incident.severity),
                attributed=incident.attributed,
                resolution=IncidentResolution.HOTFIX,
            )
            rollout.say(fixed, "eucora-api", (Role.SYSTEM,))
    if rollout.state.open_review is not None:
        if rollout.score > 75 and not exception_active(rollout.state, "high_risk", rollout.now):
            rollout.say(rollout.high_risk(f"x-{rollout.messages}"), "eucora-api", (Role.SYSTEM,))
        rollout.approve()
    failed = failed_runs(rollout.state.ring) or rollout.state.freeze_failure
    if failed and rollout.state.rollback is None:
        rollout.say(m.RetryFailed(why="mended"), "olga", (Role.ENDPOINT_OPS,))
    if any(run.rollback_failure for ring in rollout.state.rings for run in ring.planes):
        rollout.say(m.RollBackRollout(why="once more"), "olga", (Role.ENDPOINT_OPS,))
    rollout.progress()
    rollout.pass_time_to_wake()


def _release(rollout: Rollout, kind: HoldKind, reference: str) -> None:
    match kind:
        case HoldKind.OPERATOR:
            rollout.say(m.ReleaseRollout(why="go on"), "olga", (Role.ENDPOINT_OPS,))
        case HoldKind.LINE_STOP:
            free = m.LineChanged(line_stop_id=reference, stopped=False, why="mended")
            rollout.say(free, "eucora-api", (Role.SYSTEM,))
        case HoldKind.NEEDS_PUBLISHER:
            assert needs_publisher(rollout.state)
            rollout.say(m.AdoptRollout(), "puck", (Role.PUBLISHER,))
        case HoldKind.REVIEW_LAPSED:
            rollout.say(m.OpenReview(), "puck", (Role.PUBLISHER,))
        case HoldKind.EXCEPTION_ENDED:
            ended = next(one for one in rollout.state.exceptions if one.exception_id == reference)
            again = m.ExceptionChanged(
                exception_id=reference,
                kind=ended.kind,
                revision=ended.revision + 1,
                expires_at=rollout.high_risk("").expires_at,
                subject=ended.subject,
            )
            rollout.say(again, "eucora-api", (Role.SYSTEM,))
        case HoldKind.INCIDENT:
            pass  # goes with its incident
        case _:
            pytest.fail(f"nobody releases {kind}")
