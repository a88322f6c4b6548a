"""Carrying out one command: the matching activities, and the facts that come of them. Order and waiting only, no
rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import exceptions, workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.governance import GovernanceActivities
    from activities.plane import PlaneActivities
    from eucora.domain import commands as c
    from eucora.domain import facts as f
    from eucora.domain.state import PlaneRun, RingRun, RolloutState
    from eucora.domain.vocabulary import ErrorClass, Operation
    from models.messages import activities as a

from workflows import policies

T = TypeVar("T")


class Failure(Exception):
    """An activity failed for good: the domain's code and sentence, the field at fault, and the class of the error."""

    def __init__(self, code: str, sentence: str, field: str, error_class: ErrorClass) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.field, self.error_class = code, sentence, field, error_class


def failure_of(error: ActivityError) -> Failure:
    """Unwrap an activity's failure. Re-raises a cancellation."""
    if is_cancelled_exception(error):
        raise asyncio.CancelledError from error
    cause = error.cause
    if isinstance(cause, ApplicationError):
        details = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
        error_class = ErrorClass(details.get("error_class", ErrorClass.PERMANENT))
        return Failure(cause.type or "error", cause.message, str(details.get("field") or ""), error_class)
    if isinstance(cause, exceptions.TimeoutError):
        return Failure("timed_out", "it was not done in time", "", ErrorClass.TRANSIENT)
    return Failure("error", str(cause or error), "", ErrorClass.PERMANENT)


class Effects:
    """Runs commands on the task queues of this deployment."""

    def __init__(self, plane_queue_prefix: str) -> None:
        self._prefix = plane_queue_prefix

    async def carry_out(self, command: c.Command, state: RolloutState) -> tuple[f.Fact, ...]:
        """Return the facts that the command came to. Raises ``asyncio.CancelledError`` when it was given up."""
        match command:
            case c.SealEvidence():
                return await self._seal(state)
            case c.Assess():
                return await self._assess(state)
            case c.ResealEvidence():
                return await self._reseal(command, state)
            case c.FreezeMembership():
                return await self._freeze(command, state)
            case c.Publish():
                return await self._publish(command, state)
            case c.Assign():
                return await self._assign(command, state)
            case c.Observe():
                return await self._observe(command, state)
            case c.Rehearse():
                return await self._rehearse(command, state)
            case c.RollBackPlane():
                return await self._roll_back(command, state)
            case c.Record() | c.Await() | c.Finish():
                msg = f"{command.key} is not an effect"
                raise AssertionError(msg)

    def _queue(self, plane: str) -> str:
        return f"{self._prefix}{plane}"

    async def _seal(self, state: RolloutState) -> tuple[f.Fact, ...]:
        try:
            sealed = await workflow.execute_activity_method(
                GovernanceActivities.seal_evidence,
                a.SealEvidence(plan=state.plan, trusted_keys=state.trusted_keys),
                summary=f"seal evidence of {state.plan.application.name} {state.plan.application.version}",
                **policies.DATABASE,
            )
        except ActivityError as error:
            return (_rejected(failure_of(error)),)
        return (
            f.EvidenceSealed(
                at=workflow.now(),
                pack_digest=sealed.pack_digest,
                release_digest=sealed.release_digest,
                version=sealed.version,
            ),
        )

    async def _assess(self, state: RolloutState) -> tuple[f.Fact, ...]:
        plan = state.plan
        try:
            resolved = await asyncio.gather(
                *(
                    workflow.execute_activity_method(
                        PlaneActivities.resolve_cohorts,
                        a.ResolveCohorts(plan=plan, plane=plane),
                        task_queue=self._queue(plane),
                        summary=f"resolve cohorts on {plane}",
                        **policies.RESOLVE,
                    )
                    for plane in plan.planes
                )
            )
            claimed = await workflow.execute_activity_method(
                GovernanceActivities.claim_change,
                a.ClaimChange(
                    deployment_id=plan.deployment_id,
                    scope=plan.scope,
                    application_id=plan.application.id,
                    rings=tuple(ring.name for ring in plan.rings),
                ),
                summary="claim the change",
                **policies.DATABASE,
            )
            if claimed.holder:
                return (
                    f.DeploymentRejected(
                        at=workflow.now(),
                        code="change_in_progress",
                        sentence=f"deployment {claimed.holder} is changing {plan.application.id} here; wait for it",
                        field="application.id",
                        holder=claimed.holder,
                    ),
                )
            sizes = tuple(size for one in resolved for size in one.sizes)
            assert state.evidence is not None, "evidence is sealed before risk"  # noqa: S101 - invariant
            assessed = await workflow.execute_activity_method(
                GovernanceActivities.assess_risk,
                a.AssessRisk(
                    plan=plan,
                    pack_digest=state.evidence.pack_digest,
                    sizes=sizes,
                    critical_infrastructure=any(one.critical_infrastructure for one in resolved),
                ),
                summary="score the risk",
                **policies.DATABASE,
            )
        except ActivityError as error:
            refusal = failure_of(error)
            return (
                f.DeploymentFailed(
                    at=workflow.now(),
                    code=refusal.code,
                    sentence=refusal.sentence,
                    field=refusal.field,
                    error_class=refusal.error_class,
                ),
            )
        return (
            f.RiskAssessed(
                at=workflow.now(),
                cohorts=sizes,
                devices=sum(size.devices for size in sizes),
                **assessed.model_dump(),
            ),
        )

    async def _reseal(self, command: c.ResealEvidence, state: RolloutState) -> tuple[f.Fact, ...]:
        assert state.evidence is not None, "sealed before it is sealed again"  # noqa: S101 - invariant
        ring = state.plan.rings[command.checkpoint].name
        try:
            sealed = await workflow.execute_activity_method(
                GovernanceActivities.reseal_evidence,
                a.ResealEvidence(
                    deployment_id=state.plan.deployment_id,
                    pack_digest=state.evidence.pack_digest,
                    checkpoint=command.checkpoint,
                    artifact_sha256=state.plan.artifact_sha256,
                    rings=state.rings,
                    sealed_at=workflow.now(),
                ),
                summary=f"seal the pack for the review before {ring}",
                **policies.DATABASE,
            )
        except ActivityError as error:
            return (_connector_error(ring, "evidence", "reseal", failure_of(error)),)
        return (
            f.EvidenceResealed(
                at=workflow.now(),
                checkpoint=command.checkpoint,
                pack_digest=sealed.pack_digest,
                release_digest=sealed.release_digest,
                version=sealed.version,
            ),
        )

    async def _freeze(self, command: c.FreezeMembership, state: RolloutState) -> tuple[f.Fact, ...]:
        ring = state.plan.rings[command.ring]
        plane = ""

        async def freeze(plane: str, cohort: object) -> a.MembershipResult:
            earlier = tuple(
                run.membership.digest for other in state.rings for run in other.planes if run.plane == plane
            )
            return await workflow.execute_activity_method(
                PlaneActivities.freeze_membership,
                a.FreezeMembership(
                    deployment_id=state.plan.deployment_id,
                    application_id=state.plan.application.id,
                    ring=ring.name,
                    order=ring.order,
                    plane=plane,
                    cohort=cohort,  # type: ignore[arg-type]
                    earlier=earlier,
                ),
                task_queue=self._queue(plane),
                summary=f"freeze {ring.name} on {plane}",
                **policies.RESOLVE,
            )

        results = await asyncio.gather(
            *(freeze(target.plane, target.cohort) for target in ring.targets), return_exceptions=True
        )
        for target, result in zip(ring.targets, results, strict=True):
            plane = target.plane
            if isinstance(result, ActivityError):
                return (_connector_error(ring.name, plane, "freeze", failure_of(result)),)
            if isinstance(result, BaseException):
                raise result
            if result.stopped is not None:
                return (_stopped(result.stopped),)
        members = tuple(
            result.membership
            for result in results
            if isinstance(result, a.MembershipResult) and result.membership is not None
        )
        return (f.MembershipFrozen(at=workflow.now(), ring=ring.name, members=members),)

    def _effect(self, command: c.Publish | c.Assign, state: RolloutState, run: PlaneRun) -> a.PlaneEffect:
        assert state.evidence is not None, "no effect without evidence"  # noqa: S101 - invariant
        return a.PlaneEffect(
            deployment_id=state.plan.deployment_id,
            ring=command.ring,
            plane=command.plane,
            revision=command.revision,
            pack_digest=state.evidence.pack_digest,
            membership_digest=run.membership.digest,
            max_attempts=state.plan.max_attempts,
            object_id=state.object_id(command.plane),
            assignment_id=run.assignment_id,
        )

    async def _publish(self, command: c.Publish, state: RolloutState) -> tuple[f.Fact, ...]:
        done = await self._forward(command, state, PlaneActivities.publish, "publish")
        if not isinstance(done, a.EffectDone):
            return (done,)
        return (
            f.PlanePublished(
                at=workflow.now(),
                ring=command.ring,
                plane=command.plane,
                object_id=done.object_id,
                request_id=done.request_id,
                adopted=done.adopted,
            ),
        )

    async def _assign(self, command: c.Assign, state: RolloutState) -> tuple[f.Fact, ...]:
        done = await self._forward(command, state, PlaneActivities.assign, "assign")
        if not isinstance(done, a.EffectDone):
            return (done,)
        return (
            f.PlaneAssigned(
                at=workflow.now(),
                ring=command.ring,
                plane=command.plane,
                assignment_id=done.assignment_id,
                targeted=done.targeted,
                request_id=done.request_id,
                revision=command.revision,
                adopted=done.adopted,
            ),
        )

    async def _forward(
        self,
        command: c.Publish | c.Assign,
        state: RolloutState,
        effect: Callable[[PlaneActivities, a.PlaneEffect], Awaitable[a.EffectDone]],
        operation: str,
    ) -> a.EffectDone | f.ConnectorError | f.DeploymentHeld:
        """Run one forward effect: what the plane answered, or the fact that stands in its place."""
        _, run = _place(state, command.ring, command.plane)
        try:
            done = await workflow.execute_activity_method(
                effect,
                self._effect(command, state, run),
                task_queue=self._queue(command.plane),
                summary=f"{operation} {command.ring} on {command.plane}",
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                **policies.EFFECT,
            )
        except ActivityError as error:
            return _connector_error(command.ring, command.plane, operation, failure_of(error))
        return done if done.stopped is None else _stopped(done.stopped)

    async def _observe(self, command: c.Observe, state: RolloutState) -> tuple[f.Fact, ...]:
        ring, run = _place(state, command.ring, command.plane)
        assert ring.started_at is not None, "only a started ring is observed"  # noqa: S101 - invariant
        try:
            observed = await workflow.execute_activity_method(
                PlaneActivities.observe,
                a.ObservePlane(
                    deployment_id=state.plan.deployment_id,
                    ring=command.ring,
                    plane=command.plane,
                    assignment_id=run.assignment_id,
                    membership_digest=run.membership.digest,
                    started_at=ring.started_at,
                    windows=state.plan.rings[ring.order].gate.compliance,
                    max_attempts=state.plan.max_attempts,
                    poll_interval=state.plan.poll_interval,
                    mark=command.mark,
                ),
                task_queue=self._queue(command.plane),
                summary=f"observe {command.ring} on {command.plane}",
                **policies.OBSERVE,
            )
        except ActivityError as error:
            return (_connector_error(command.ring, command.plane, "observe", failure_of(error)),)
        return (f.PlaneObserved(at=workflow.now(), ring=command.ring, plane=command.plane, figures=observed.figures),)

    async def _rehearse(self, command: c.Rehearse, state: RolloutState) -> tuple[f.Fact, ...]:
        _, run = _place(state, command.ring, command.plane)
        plan, queue, device = state.plan, self._queue(command.plane), ""
        objective = timedelta(seconds=plan.rollback_objective)
        try:
            picked = await workflow.execute_activity_method(
                PlaneActivities.pick_device,
                a.PickDevice(
                    deployment_id=plan.deployment_id,
                    plane=command.plane,
                    assignment_id=run.assignment_id,
                    membership_digest=run.membership.digest,
                ),
                task_queue=queue,
                summary=f"choose a device of {command.plane} for the rehearsal",
                **policies.RESOLVE,
            )
            device = picked.device_id
            rolled_back = self._roll_back_request(command.ring, command.plane, state, run)
            undone = await workflow.execute_activity_method(
                PlaneActivities.roll_back,
                rolled_back.model_copy(
                    update={"operation": Operation.REHEARSE, "revision": command.revision, "device_id": device}
                ),
                task_queue=queue,
                summary=f"rehearse the rollback on {device}",
                schedule_to_close_timeout=objective,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                **policies.EFFECT,
            )
            if undone.stopped is not None:
                return (_stopped(undone.stopped),)
            await workflow.execute_activity_method(
                PlaneActivities.reinstall,
                a.Reinstall(
                    deployment_id=plan.deployment_id,
                    ring=command.ring,
                    plane=command.plane,
                    revision=command.revision,
                    pack_digest=rolled_back.pack_digest,
                    object_id=rolled_back.object_id,
                    device_id=device,
                    max_attempts=plan.max_attempts,
                    poll_interval=plan.poll_interval,
                ),
                task_queue=queue,
                summary=f"install again on {device}",
                schedule_to_close_timeout=objective,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                **policies.EFFECT,
            )
        except ActivityError as error:
            return (self._rehearsed(command, state, device, failure_of(error)),)
        return (self._rehearsed(command, state, device, None),)

    @staticmethod
    def _rehearsed(
        command: c.Rehearse, state: RolloutState, device: str, refusal: Failure | None
    ) -> f.RollbackRehearsed:
        sentence = "rolled back, verified gone, installed again" if refusal is None else refusal.sentence
        return f.RollbackRehearsed(
            at=workflow.now(),
            ring=command.ring,
            plane=command.plane,
            device=device,
            artifact_sha256=state.plan.artifact_sha256,
            succeeded=refusal is None,
            sentence=sentence,
            revision=command.revision,
        )

    def _roll_back_request(self, ring: str, plane: str, state: RolloutState, run: PlaneRun) -> a.RollBack:
        assert state.evidence is not None, "no effect without evidence"  # noqa: S101 - invariant
        return a.RollBack(
            deployment_id=state.plan.deployment_id,
            ring=ring,
            plane=plane,
            operation=Operation.ROLL_BACK,
            revision=1,
            strategy=state.plan.strategy(plane),
            pack_digest=state.evidence.pack_digest,
            object_id=state.object_id(plane),
            membership_digest=run.membership.digest,
            poll_interval=state.plan.poll_interval,
        )

    async def _roll_back(self, command: c.RollBackPlane, state: RolloutState) -> tuple[f.Fact, ...]:
        _, run = _place(state, command.ring, command.plane)
        request = self._roll_back_request(command.ring, command.plane, state, run)
        try:
            done = await workflow.execute_activity_method(
                PlaneActivities.roll_back,
                request.model_copy(update={"revision": command.revision, "strategy": command.strategy}),
                task_queue=self._queue(command.plane),
                summary=f"roll back {command.ring} on {command.plane}",
                schedule_to_close_timeout=timedelta(seconds=state.plan.rollback_objective),
                priority=Priority(priority_key=1),
                **policies.EFFECT,
            )
        except ActivityError as error:
            refusal = failure_of(error)
            return (
                f.RollbackFailed(
                    at=workflow.now(),
                    ring=command.ring,
                    plane=command.plane,
                    sentence=refusal.sentence,
                    revision=command.revision,
                    error_class=refusal.error_class,
                ),
            )
        if done.stopped is not None:
            return (_stopped(done.stopped),)
        return (
            f.PlaneRolledBack(
                at=workflow.now(),
                ring=command.ring,
                plane=command.plane,
                strategy=command.strategy,
                targeted=done.targeted,
                clean=done.clean,
            ),
        )


def _place(state: RolloutState, ring: str, plane: str) -> tuple[RingRun, PlaneRun]:
    run = next(one for one in state.rings if one.name == ring)
    return run, run.plane(plane)


def _rejected(refusal: Failure) -> f.DeploymentRejected:
    return f.DeploymentRejected(
        at=workflow.now(),
        code=refusal.code,
        sentence=refusal.sentence,
        field=refusal.field,
        error_class=refusal.error_class,
    )


def _connector_error(ring: str, plane: str, operation: str, refusal: Failure) -> f.ConnectorError:
    return f.ConnectorError(
        at=workflow.now(),
        ring=ring,
        plane=plane,
        operation=operation,
        code=refusal.code,
        sentence=refusal.sentence,
        error_class=refusal.error_class,
    )


def _stopped(stopped: a.Stopped) -> f.DeploymentHeld:
    return f.DeploymentHeld(
        at=workflow.now(), actor=stopped.who, kind=stopped.kind, why=stopped.why, reference=stopped.reference
    )
