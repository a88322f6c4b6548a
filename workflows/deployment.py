"""One deployment, from submission to its end: the workflow around the interpreter (``architecture.md`` §2).

What it is started with, what may be said to it, and what it answers. The loop is in ``interpreter.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from eucora.domain import facts as f
    from eucora.domain.judge import Judgement, Refusal
    from eucora.domain.rollout import begin
    from eucora.domain.vocabulary import DeploymentState
    from eucora.signing.claims import ClaimRefused, verify_claim
    from models.messages.deployment import ControlOutcome, DeploymentStatus, StartDeployment, SubmitOutcome

from workflows.inbox import Denial, read
from workflows.interpreter import DENIALS_RECORDED_SINGLY, PLANE_QUEUE_PREFIX, Interpreter

__all__ = ["PLANE_QUEUE_PREFIX", "DeploymentWorkflow"]


@workflow.defn(name="deployment")
class DeploymentWorkflow(Interpreter):
    """A durable rollout. Signals carry facts from people and systems, updates are operators' controls, ``status`` is a
    query.
    """

    @workflow.init
    def __init__(self, start: StartDeployment) -> None:
        # A state in a start that nobody continued was typed around the API: it is not looked at.
        if start.state is not None and workflow.info().continued_run_id is not None:
            super().__init__(start, start.state, recorded=start.state.sequence)
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
        super().__init__(start, begin(created), recorded=0)
        self._outbox.append(created)
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
