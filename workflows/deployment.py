"""One deployment, from submission to its end: the decider's interpreter on Temporal (``architecture.md`` §2).

The loop settles what is due, records it, starts the commands that ``decide`` asks for, and waits for an outcome, a
message or the time. It holds no rule. The order in it carries two promises: facts are recorded before the effects that
they lead to begin, and a message or an outcome is taken only after what was due before it is settled, so that the
verifier can decide everything again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.governance import GovernanceActivities
    from activities.record import RecordActivities
    from eucora.domain import commands as c
    from eucora.domain import facts as f
    from eucora.domain import gates
    from eucora.domain.judge import Judgement, Refusal, judge
    from eucora.domain.rollout import begin, decide, evolve
    from eucora.domain.settle import settle
    from eucora.domain.vocabulary import DeploymentState
    from eucora.signing.claims import ClaimRefused, verify_claim
    from models.messages import activities as a
    from models.messages.deployment import ControlOutcome, DeploymentStatus, StartDeployment, SubmitOutcome

from workflows import details, policies, search_attributes
from workflows.effects import Effects
from workflows.inbox import Denial, Letter, read

PLANE_QUEUE_PREFIX = "plane-"
DENIALS_RECORDED_SINGLY = 100
"""Refused strangers are recorded one by one up to here, then counted by the hundred (``architecture.md`` §2)."""


@workflow.defn(name="deployment")
class DeploymentWorkflow:
    """A durable rollout. Signals carry facts from people and systems, updates are operators' controls, ``status`` is a
    query.
    """

    @workflow.init
    def __init__(self, start: StartDeployment) -> None:
        self._start = start
        self._outbox: list[f.Fact] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._commands: dict[str, c.Command] = {}
        self._changed = True
        self._bug: Exception | None = None
        self._strangers = 0
        self._shown: search_attributes.Shown | None = None
        self._wake: datetime | None = None
        self._armed: datetime | None = None
        self._timer: asyncio.Task[None] | None = None
        self._effects = Effects(PLANE_QUEUE_PREFIX)
        # A state in a start that nobody continued was typed around the API: it is not looked at.
        if start.state is not None and workflow.info().continued_run_id is not None:
            self._state = start.state
            self._recorded = start.state.sequence
            return
        plan = start.plan
        created = f.DeploymentCreated(
            at=workflow.now(),
            actor=plan.requester,
            role=plan.requester_roles[0] if plan.requester_roles else "",
            plan=plan,
            trusted_keys=start.trusted_keys,
            message_id=start.claim.message_id,
        )
        self._state = begin(created)
        self._outbox.append(created)
        self._recorded = 0
        denial = self._start_denied()
        if denial is not None:
            self._apply(denial)

    def _start_denied(self) -> f.Fact | None:
        start = self._start
        try:
            verify_claim(
                start.claim,
                body={"plan_digest": start.plan.plan_digest, "pack_digest": start.plan.pack_digest},
                message_type="submit",
                deployment_id=start.plan.deployment_id,
                trusted_keys={key.key_id: key.public_key for key in start.trusted_keys},
                now=workflow.now(),
            )
        except ClaimRefused as refused:
            return f.DeploymentRejected(at=workflow.now(), code=refused.code, sentence=refused.sentence, field="claim")
        if start.claim.actor != start.plan.requester:
            sentence = f"the claim is {start.claim.actor}'s, the plan names {start.plan.requester} as requester"
            return f.DeploymentRejected(at=workflow.now(), code="claim_wrong_actor", sentence=sentence, field="claim")
        return None

    @workflow.run
    async def run(self, start: StartDeployment) -> SubmitOutcome:
        """Carry the deployment to its end and return how it ended."""
        while not await self._turn():
            pass
        return self._outcome()

    async def _turn(self) -> bool:
        """Take one turn of the loop; True at the end. A cancellation asked for around the API is refused and
        recorded.
        """
        try:
            return await self._loop()
        except ActivityError as error:
            # The record or the release was refused for good. As a Temporal failure it would end the workflow while its
            # devices are half way; as a bug it is retried, shown and named until somebody looks.
            self._bug = RuntimeError(str(error.cause or error))
            return False
        except asyncio.CancelledError:
            sentence = (
                "a running deployment ends by roll_back or cancel through the API, never by cancelling its workflow"
            )
            self._deny(Denial(message="workflow_cancel", code="claim_missing", sentence=sentence))
            return False

    async def _loop(self) -> bool:
        if self._bug is not None:
            # No Temporal failure: it fails the workflow task, which is retried, shown in the UI and named by /health.
            msg = f"{type(self._bug).__name__}: {self._bug}"
            raise RuntimeError(msg) from self._bug
        self._changed = False
        commands = self._decide()
        await self._record()
        if self._changed:
            return False
        if isinstance(commands[0], c.Finish):
            await self._end()
            return True
        # Before anything is started: a task that is cancelled before its first step never ends (it never began).
        if await self._continue_as_new_if_suggested():
            return False
        self._reconcile(commands)
        self._show(commands)
        self._arm()
        await workflow.wait_condition(lambda: self._changed)
        return False

    # ---- deciding and recording ------------------------------------------------------------------------------------

    def _decide(self) -> tuple[c.Command, ...]:
        """Apply all facts that are due now, and return what must be under way then."""
        while True:
            commands = decide(self._state, workflow.now())
            match commands[0]:
                case c.Record(facts=due):
                    self._apply(*due)
                case _:
                    return commands

    def _apply(self, *facts: f.Fact) -> None:
        for fact in facts:
            self._state = evolve(self._state, fact)
            self._outbox.append(fact)
        self._changed = self._changed or bool(facts)

    def _settle(self) -> None:
        while due := settle(self._state, workflow.now()):
            self._apply(*due)

    async def _record(self) -> None:
        """Store everything in the outbox; facts that arrive meanwhile are stored in the next round."""
        while self._outbox:
            batch = tuple(self._outbox)
            await workflow.execute_activity_method(
                RecordActivities.record,
                a.RecordFacts(
                    deployment_id=self._state.plan.deployment_id, first_sequence=self._recorded + 1, facts=batch
                ),
                summary=f"record {', '.join(fact.type for fact in batch)}"[:200],
                **policies.RECORD,
            )
            del self._outbox[: len(batch)]
            self._recorded += len(batch)

    # ---- effects ---------------------------------------------------------------------------------------------------

    def _reconcile(self, commands: Sequence[c.Command]) -> None:
        """Start what is not under way, give up what is no longer asked for; one effect at a time on a plane."""
        wanted = {command.key: command for command in commands if not isinstance(command, c.Await)}
        for key, task in self._running.items():
            given_up = key not in wanted and (
                isinstance(self._commands[key], c.Observe) or self._state.rollback is not None or self._state.final
            )
            if given_up and not isinstance(self._commands[key], c.RollBackPlane):
                task.cancel()
        for key, command in wanted.items():
            if key in self._running or (isinstance(command, c.RollBackPlane) and self._busy(command.plane)):
                continue
            self._commands[key] = command
            self._running[key] = asyncio.create_task(self._carry_out(command), name=key)
        self._wake = next((command.until for command in commands if isinstance(command, c.Await)), None)

    def _arm(self) -> None:
        """Keep one timer, set to the next time at which something is due; a timer started anew costs an Action."""
        if self._wake == self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._wake
        self._timer = None if self._wake is None else asyncio.create_task(self._wake_at(self._wake), name="wake")

    async def _wake_at(self, at: datetime) -> None:
        await workflow.sleep(
            max((at - workflow.now()).total_seconds(), 0.0), summary=f"next: {self._state.reason.code}"
        )
        self._armed = None
        self._changed = True

    def _busy(self, plane: str) -> bool:
        """Tell whether an effect on the plane is still ending: a rollback must not race it."""
        return any(getattr(self._commands[key], "plane", plane) == plane for key in self._running)

    async def _carry_out(self, command: c.Command) -> None:
        facts: tuple[f.Fact, ...] = ()
        try:
            facts = await self._effects.carry_out(command, self._state)
        except asyncio.CancelledError:
            pass  # given up: what the effect may have done is looked at before it is undone
        except Exception as error:  # noqa: BLE001 - re-raised by the loop, where it cannot be overlooked
            self._bug = error
        finally:
            self._running.pop(command.key, None)
            self._changed = True
        if facts:
            self._settle()
        if facts and not self._state.final and self._news(facts):
            self._apply(*facts)

    def _news(self, facts: tuple[f.Fact, ...]) -> bool:
        """An observation that came too late to change anything is no fact; the next one will tell."""
        if not isinstance(facts[0], f.PlaneObserved):
            return True
        now, figures = workflow.now(), facts[0].figures
        return any(
            isinstance(wanted, c.Observe)
            and (wanted.ring, wanted.plane) == (facts[0].ring, facts[0].plane)
            and gates.crossed(wanted.mark, figures, now)
            for wanted in decide(self._state, now)
        )

    async def _end(self) -> None:
        for task in (*self._running.values(), *(() if self._timer is None else (self._timer,))):
            task.cancel()
        await workflow.wait_condition(lambda: not self._running)
        if self._strangers:
            self._count_strangers()
            await self._record()
        await workflow.execute_activity_method(
            GovernanceActivities.release_change,
            a.ClaimChange(
                deployment_id=self._state.plan.deployment_id,
                scope=self._state.plan.scope,
                application_id=self._state.plan.application.id,
                rings=(),
            ),
            summary="release the change",
            **policies.DATABASE,
        )
        self._show(())
        await self._let_handlers_finish()

    async def _continue_as_new_if_suggested(self) -> bool:
        """Return False when nothing has changed, True when the loop must look again before it goes on."""
        if not workflow.info().is_continue_as_new_suggested():
            return False
        if any(not isinstance(self._commands[key], c.Observe) for key in self._running):
            return False
        for task in self._running.values():
            task.cancel()
        await workflow.wait_condition(lambda: not self._running)
        await self._let_handlers_finish()
        if not self._strangers:
            workflow.continue_as_new(self._start.model_copy(update={"state": self._state}))
        self._count_strangers()
        return True

    async def _let_handlers_finish(self) -> None:
        """Wait until no handler is under way, and store what they wait for meanwhile."""
        while self._outbox or not workflow.all_handlers_finished():
            await self._record()
            await workflow.wait_condition(lambda: bool(self._outbox) or workflow.all_handlers_finished())

    # ---- showing ---------------------------------------------------------------------------------------------------

    def _show(self, commands: Sequence[c.Command]) -> None:
        shown = search_attributes.shown(self._state)
        changes = search_attributes.updates(shown, self._shown)
        if changes:
            workflow.upsert_search_attributes(changes)
            self._shown = shown
        running = tuple(command.key for command in commands if not isinstance(command, c.Await))
        workflow.set_current_details(details.page(self._state, running, self._wake))

    def _outcome(self) -> SubmitOutcome:
        state, reason = self._state, self._state.reason
        refused = state.risk is None and state.state in (DeploymentState.REJECTED, DeploymentState.FAILED)
        return SubmitOutcome(
            deployment_id=state.plan.deployment_id,
            state=state.state,
            accepted=not refused,
            code=reason.code if refused else "",
            sentence=reason.sentence if refused else "",
            field=state.reason.field if refused else "",
            holder=state.reason.holder if refused else "",
            risk_score=None if state.risk is None else state.risk.score,
            tier="" if state.risk is None else state.risk.tier,
            quorum=state.plan.quorum,
            checkpoints=tuple(state.plan.rings[one.before].name for one in state.checkpoints),
        )

    # ---- messages --------------------------------------------------------------------------------------------------

    def _deny(self, denial: Denial) -> None:
        if self._state.denied >= DENIALS_RECORDED_SINGLY:
            self._strangers += 1
            if self._strangers >= DENIALS_RECORDED_SINGLY:
                self._count_strangers()
            return
        self._apply(
            f.AccessDenied(
                at=workflow.now(),
                actor=denial.actor,
                role="unknown",
                message=denial.message,
                code=denial.code,
                sentence=denial.sentence,
            )
        )

    def _count_strangers(self) -> None:
        count, self._strangers = self._strangers, 0
        sentence = f"{count} more messages without a valid claim"
        self._apply(
            f.AccessDenied(
                at=workflow.now(), actor="unknown", role="unknown", message="several", code="claim_missing",
                sentence=sentence, count=count,
            )
        )  # fmt: skip

    def _receive(self, kind: str, payload: Any, more: Sequence[Any] = ()) -> Judgement | Denial:
        """Settle, then judge one message; its facts are applied and will be recorded.

        ``more`` is what was sent beside the one argument that a message has: a handler that refused it by a TypeError
        would block the workflow for good.
        """
        letter = read(kind, None if more else payload, self._state, workflow.now())
        if isinstance(letter, Denial):
            self._deny(letter)
            return letter
        return self._judge(letter)

    def _judge(self, letter: Letter) -> Judgement:
        self._settle()
        judgement = judge(self._state, letter.body, letter.sender, workflow.now())
        self._apply(*judgement.facts)
        return judgement

    async def _stored(self) -> int:
        """Wait until everything that has happened is stored; returns the sequence of the last fact of it."""
        sequence = self._state.sequence
        await workflow.wait_condition(lambda: self._recorded >= sequence)
        return sequence

    async def _control(self, kind: str, payload: Any, more: Sequence[Any]) -> ControlOutcome:
        """Answer an operator's control once its facts are stored: nothing acknowledged is ever lost."""
        verdict = self._receive(kind, payload, more)
        sequence = await self._stored()
        if isinstance(verdict, Denial):
            raise ApplicationError(verdict.sentence, type=verdict.code, non_retryable=True)
        if not verdict.facts:
            sentence = "this message was judged before; the deployment's events say what it came to"
            raise ApplicationError(sentence, type="already_judged", non_retryable=True)
        if isinstance(verdict.refusal, Refusal):
            raise ApplicationError(verdict.refusal.sentence, type=verdict.refusal.code, non_retryable=True)
        message_id = str((payload.get("claim") or {}).get("message_id", "")) if isinstance(payload, dict) else ""
        return ControlOutcome(
            message_id=message_id, facts=tuple(fact.type for fact in verdict.facts), sequence=sequence
        )

    def _validate(self, kind: str, payload: Any) -> None:
        """Turn away, without a trace in history, what comes too late, and strangers past the number that is
        recorded.
        """
        if self._state.final:
            sentence = f"the deployment is {self._state.state}; nothing changes it any more"
            raise ApplicationError(sentence, type="deployment_final", non_retryable=True)
        if self._state.denied >= DENIALS_RECORDED_SINGLY:
            letter = read(kind, payload, self._state, workflow.now())
            if isinstance(letter, Denial):
                raise ApplicationError(letter.sentence, type=letter.code, non_retryable=True)

    @workflow.query(description="State, reason, ring, and what is under way")
    def status(self, *_more: Any) -> DeploymentStatus:
        """Answer where the deployment stands; for people at the Temporal CLI, the API reads the projection."""
        state = self._state
        return DeploymentStatus(
            deployment_id=state.plan.deployment_id,
            state=state.state,
            reason_code=state.reason.code,
            reason=state.reason.sentence,
            since=state.reason.since,
            ring="" if state.ring is None else state.ring.name,
            sequence=state.sequence,
            waiting_until=self._wake,
            running=tuple(self._running),
        )

    @workflow.signal(description="A member of the CAB votes, or revokes an approval")
    def cab_decision(self, message: Any = None, *more: Any) -> None:
        """Take a vote or a revocation."""
        body = message.get("body") if isinstance(message, dict) else None
        revokes = isinstance(body, dict) and body.get("type") == "revoke_approval"
        self._receive("revoke_approval" if revokes else "cab_vote", message, more)

    @workflow.signal(description="An exception for this deployment was approved or revoked")
    def exception_changed(self, message: Any = None, *more: Any) -> None:
        """Take a change of an exception from the API."""
        self._receive("exception_changed", message, more)

    @workflow.signal(description="An incident that concerns this deployment was opened or resolved")
    def incident_changed(self, message: Any = None, *more: Any) -> None:
        """Take a change of an incident from the API."""
        self._receive("incident_changed", message, more)

    @workflow.signal(description="A stop of the line that matches this deployment was put or released")
    def line_changed(self, message: Any = None, *more: Any) -> None:
        """Take a change of the line from the API."""
        self._receive("line_changed", message, more)

    @workflow.signal(description="The keys that this deployment believes change")
    def trust_changed(self, message: Any = None, *more: Any) -> None:
        """Take new keys, signed by a key trusted until now."""
        self._receive("trust_changed", message, more)

    @workflow.signal(dynamic=True)
    def unknown(self, name: str, _args: Sequence[RawValue]) -> None:
        """Refuse and record a signal of a name that does not exist."""
        self._deny(Denial(message=name[:100], code="message_unknown", sentence="there is no such message"))

    @workflow.update(dynamic=True)
    async def unknown_control(self, name: str, _args: Sequence[RawValue]) -> None:
        """Refuse and record an update of a name that does not exist."""
        denial = Denial(message=name[:100], code="message_unknown", sentence="there is no such control")
        self._deny(denial)
        await self._stored()
        raise ApplicationError(denial.sentence, type=denial.code, non_retryable=True)

    @workflow.update(description="Wait for the outcome of the submission")
    async def submit(self, *_more: Any) -> SubmitOutcome:
        """Return once the risk is known, or the submission was refused, and that is stored."""
        await workflow.wait_condition(lambda: (self._state.risk is not None or self._state.final) and not self._outbox)
        return self._outcome()

    @workflow.update(description="Hold new forward effects")
    async def hold(self, message: Any = None, *more: Any) -> ControlOutcome:
        """Hold new forward effects."""
        return await self._control("hold", message, more)

    @hold.validator
    def _validate_hold(self, message: Any = None, *_more: Any) -> None:
        self._validate("hold", message)

    @workflow.update(description="Release an operator's hold")
    async def release(self, message: Any = None, *more: Any) -> ControlOutcome:
        """Release an operator's hold."""
        return await self._control("release", message, more)

    @release.validator
    def _validate_release(self, message: Any = None, *_more: Any) -> None:
        self._validate("release", message)

    @workflow.update(description="A publisher adopts the deployment")
    async def publish(self, message: Any = None, *more: Any) -> ControlOutcome:
        """A publisher adopts the deployment."""
        return await self._control("publish", message, more)

    @publish.validator
    def _validate_publish(self, message: Any = None, *_more: Any) -> None:
        self._validate("publish", message)

    @workflow.update(description="End the soak and promote; every check must have passed")
    async def promote_now(self, message: Any = None, *more: Any) -> ControlOutcome:
        """End the soak and promote; every check must have passed."""
        return await self._control("promote_now", message, more)

    @promote_now.validator
    def _validate_promote_now(self, message: Any = None, *_more: Any) -> None:
        self._validate("promote_now", message)

    @workflow.update(description="Give failed devices and refused effects another attempt")
    async def retry_failed(self, message: Any = None, *more: Any) -> ControlOutcome:
        """Give failed devices and refused effects another attempt."""
        return await self._control("retry_failed", message, more)

    @retry_failed.validator
    def _validate_retry_failed(self, message: Any = None, *_more: Any) -> None:
        self._validate("retry_failed", message)

    @workflow.update(description="End the soak of the running ring")
    async def skip_soak(self, message: Any = None, *more: Any) -> ControlOutcome:
        """End the soak of the running ring."""
        return await self._control("skip_soak", message, more)

    @skip_soak.validator
    def _validate_skip_soak(self, message: Any = None, *_more: Any) -> None:
        self._validate("skip_soak", message)

    @workflow.update(description="Roll back every touched ring and plane")
    async def roll_back(self, message: Any = None, *more: Any) -> ControlOutcome:
        """Roll back every touched ring and plane."""
        return await self._control("roll_back", message, more)

    @roll_back.validator
    def _validate_roll_back(self, message: Any = None, *_more: Any) -> None:
        self._validate("roll_back", message)

    @workflow.update(description="Withdraw before any effect")
    async def cancel(self, message: Any = None, *more: Any) -> ControlOutcome:
        """Withdraw before any effect."""
        return await self._control("cancel", message, more)

    @cancel.validator
    def _validate_cancel(self, message: Any = None, *_more: Any) -> None:
        self._validate("cancel", message)

    @workflow.update(description="Open the due review now, or a lapsed one again")
    async def open_review(self, message: Any = None, *more: Any) -> ControlOutcome:
        """Open the due review now, or a lapsed one again."""
        return await self._control("open_review", message, more)

    @open_review.validator
    def _validate_open_review(self, message: Any = None, *_more: Any) -> None:
        self._validate("open_review", message)
