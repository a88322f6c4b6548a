"""The interpreter's loop (``architecture.md`` §2): settle, record, start what ``decide`` asks for, wait.

It holds no rule. The order in it carries two promises: facts are recorded before the effects that they lead to begin,
and a message or an outcome is taken only after what was due before it is settled, so that the verifier can decide
everything again. ``deployment.py`` is the workflow around it: its start, its messages, its answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.governance import GovernanceActivities
    from activities.record import RecordActivities
    from eucora.domain import commands as c
    from eucora.domain import facts as f
    from eucora.domain import gates
    from eucora.domain.judge import Judgement, judge
    from eucora.domain.rollout import decide, evolve
    from eucora.domain.settle import settle
    from eucora.domain.state import RolloutState
    from models.messages import activities as a
    from models.messages.deployment import StartDeployment

from workflows import details, policies, search_attributes
from workflows.effects import Effects
from workflows.inbox import Denial, Letter

PLANE_QUEUE_PREFIX = "plane-"
DENIALS_RECORDED_SINGLY = 100
"""Refused strangers are recorded one by one up to here, then counted by the hundred (``architecture.md`` §2)."""


class Interpreter:
    """Carries one deployment: its state, the facts that wait to be stored, the commands under way, the next wake-up."""

    def __init__(self, start: StartDeployment, state: RolloutState, *, recorded: int) -> None:
        self._start = start
        self._state = state
        self._recorded = recorded
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

    # ---- messages ---------------------------------------------------------------------------------------------------

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
