"""The only place of the API that talks to Temporal: starts deployments, sends signed messages, asks how the engine is.

Every call is bounded. What can go wrong is told apart by what the caller would do: the engine cannot be reached
(``Unavailable``, try again), nobody works on the task queue (``NoWorker``), the workflow has ended
(``WorkflowClosed``, look at the projection), the workflow says no (an error of ours with the workflow's code).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, GetSystemInfoRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from eucora.domain.errors import Conflict, EucoraError, Forbidden, InvalidInput, Refused, Unavailable
from eucora.domain.facts import TrustedKey
from eucora.domain.messages import CabVote, Message
from eucora.domain.plan import RolloutPlan
from eucora.identity.principal import Principal
from eucora.signing.claims import message_body, sign_claim
from eucora.signing.keys import key_id_of, public_key_base64
from eucora.signing.starts import start_digest
from models.messages.claims import SignedClaim
from models.messages.deployment import ControlOutcome, StartDeployment, SubmitOutcome
from models.messages.envelope import SignedMessage
from workflows import search_attributes
from workflows.deployment import DeploymentWorkflow
from workflows.ids import PREFIX, deployment_workflow_id

__all__ = ["NoWorker", "Pollers", "StuckDeployment", "TemporalGateway", "WorkflowClosed", "WorkflowStuck"]

log = structlog.get_logger(__name__)

SKEW = timedelta(seconds=60)
"""Claims are backdated by this much: the engine's clock may be behind ours."""
SIGNAL_LIFE = timedelta(days=7)
"""A signal waits in the engine while no worker runs; its claim must outlive that."""
UPDATE_LIFE = timedelta(seconds=60)
"""A control that nobody took in time is answered with 503. The engine may still hand it to a worker that comes soon;
a worker that comes later must find that it no longer counts."""
LOOK = timedelta(seconds=2)
"""Bound of a read."""
RETRY_AFTER = timedelta(seconds=2)
MEND = timedelta(seconds=60)
"""A workflow that is stuck waits for people."""
POLLER_FRESH = timedelta(seconds=75)
"""A poll lasts a minute; a poller not seen for longer is gone, though the engine lists it for five."""
MOST_STUCK = 100
REPORTED_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")

_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
    }
)
_STUCK = "workflow task in failed state"
"""What the engine says of an update to a workflow whose last task failed; the status alone has other meanings too."""
_FORBIDDEN = frozenset({"role_missing", "out_of_scope"})
_INVALID = {"conditions_invalid": "conditions", "plane_unknown": "planes"}


class NoWorker(Unavailable):
    """Nobody took the message within the bound; a worker that returns soon may still take it."""

    code = "no_worker"

    def __init__(self) -> None:
        super().__init__(
            "No worker answered in time. It may still take effect when a worker returns within "
            f"{UPDATE_LIFE.total_seconds():.0f} seconds: look at the deployment before you try again.",
            retry_after=RETRY_AFTER,
        )


class WorkflowStuck(Unavailable):
    """The workflow's own code fails, so that it takes no message until that is mended."""

    code = "workflow_stuck"

    def __init__(self) -> None:
        super().__init__(
            "The deployment's workflow cannot go on because its code fails, so it takes no message now and nothing was "
            "changed. `eucora doctor` names it and says how to mend it.",
            retry_after=MEND,
        )


class WorkflowClosed(Conflict):
    """The deployment's workflow has ended, or never began: the projection knows the rest."""

    code = "deployment_final"

    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"Deployment {deployment_id} has ended; nothing changes it any more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckDeployment:
    """A workflow whose code fails, as the engine reports it."""

    deployment_id: str
    workflow_id: str
    run_id: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pollers:
    """Who polls a task queue now."""

    queue: str
    identities: tuple[str, ...]


class TemporalGateway:
    """One Temporal client, and the key that signs for the API. ``wait`` bounds starts and controls."""

    def __init__(
        self,
        client: Client,
        *,
        key: Ed25519PrivateKey,
        task_queue: str,
        wait: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._key = key
        self._task_queue = task_queue
        self._wait = wait
        self._clock = clock
        self._trusted = (TrustedKey(key_id=key_id_of(key), public_key=public_key_base64(key)),)

    def start_digest(self, plan: RolloutPlan) -> str:
        """What a start of this plan stands for; registered before :meth:`submit`, asked for when evidence is sealed."""
        return start_digest(plan, self._trusted)

    async def submit(self, plan: RolloutPlan, principal: Principal) -> SubmitOutcome | None:
        """Start the deployment's workflow, or find it running, and wait for the outcome of its submission.

        None: it runs and nobody has decided it yet. Raises ``WorkflowClosed`` when it has run to its end already, and
        ``Unavailable`` when it is not known to have been started.
        """
        workflow_id = deployment_workflow_id(plan.deployment_id)
        start = WithStartWorkflowOperation(
            DeploymentWorkflow.run,
            self._start(plan, principal),
            id=workflow_id,
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=search_attributes.at_start(plan),
            static_summary=_summary(plan),
            static_details=_details(plan),
        )
        try:
            async with _away(), asyncio.timeout(self._wait.total_seconds()):
                outcome: SubmitOutcome = await self._client.execute_update_with_start_workflow(
                    "submit",
                    start_workflow_operation=start,
                    id=f"submit-{plan.deployment_id}",
                    result_type=SubmitOutcome,
                )
                return outcome
        except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError):
            if await self._exists(workflow_id):
                return None
            raise _unreachable() from None
        except WorkflowAlreadyStartedError:
            raise WorkflowClosed(plan.deployment_id) from None
        except WorkflowUpdateFailedError as error:
            # The workflow ended while the update waited, so that its outcome is in the projection; or it failed.
            log.warning("submit.update_failed", deployment_id=plan.deployment_id, error=repr(error.cause))
            raise WorkflowClosed(plan.deployment_id) from error

    async def control(
        self, deployment_id: str, body: Message, *, principal: Principal, message_id: str
    ) -> ControlOutcome:
        """Send an operator's control as an update and return what the workflow recorded.

        Raises ``WorkflowClosed``, ``WorkflowStuck``, ``NoWorker``, ``Unavailable``, or the workflow's refusal as
        ``Refused``, ``Forbidden`` or ``InvalidInput`` with its code.
        """
        message = self._sign(deployment_id, body, principal=principal, message_id=message_id, life=UPDATE_LIFE)
        handle = self._client.get_workflow_handle(deployment_workflow_id(deployment_id))
        try:
            async with _away(), asyncio.timeout(self._wait.total_seconds()):
                outcome = await handle.execute_update(body.type, message, id=message_id, result_type=ControlOutcome)
        except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError):
            await self._look()  # raises when the engine itself is away
            raise NoWorker from None
        except WorkflowUpdateFailedError as error:
            raise _refusal(error, deployment_id) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise WorkflowClosed(deployment_id) from None
            raise
        return ControlOutcome.model_validate(outcome)

    async def vote(self, deployment_id: str, body: CabVote, *, principal: Principal, message_id: str) -> None:
        """Hand a vote to the engine, which keeps it until a worker takes it. Raises ``WorkflowClosed``,
        ``Unavailable``.
        """
        message = self._sign(deployment_id, body, principal=principal, message_id=message_id, life=SIGNAL_LIFE)
        handle = self._client.get_workflow_handle(deployment_workflow_id(deployment_id))
        try:
            async with _away(), asyncio.timeout(self._wait.total_seconds()):
                await handle.signal("cab_decision", message)
        except TimeoutError:
            raise _unreachable() from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise WorkflowClosed(deployment_id) from None
            raise

    async def version(self) -> str:
        """The engine's version. Raises ``Unavailable``."""
        return await self._look()

    async def pollers(self, queue: str, *, activities: bool = False) -> Pollers:
        """Who has polled the queue within the last minute or so. Raises ``Unavailable``."""
        kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY if activities else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        async with _away():
            answer = await self._client.workflow_service.describe_task_queue(request, timeout=LOOK)
        since = self._clock() - POLLER_FRESH
        return Pollers(
            queue=queue,
            identities=tuple(
                sorted(
                    poller.identity
                    for poller in answer.pollers
                    if poller.last_access_time.ToDatetime(tzinfo=UTC) >= since
                )
            ),
        )

    async def stuck(self) -> tuple[StuckDeployment, ...]:
        """Deployments whose workflow cannot go on because its code fails, at most a hundred. Raises ``Unavailable``.

        The engine marks them by the search attribute ``TemporalReportedProblems`` after two failures in a row, if
        its dynamic configuration has ``system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute`` = 2.
        """
        query = "TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running' AND WorkflowType = 'deployment'"
        async with _away():
            found = [
                StuckDeployment(
                    deployment_id=execution.id.removeprefix(PREFIX),
                    workflow_id=execution.id,
                    run_id=execution.run_id,
                    problems=tuple(execution.typed_search_attributes.get(REPORTED_PROBLEMS, ())),
                )
                async for execution in self._client.list_workflows(query, limit=MOST_STUCK, rpc_timeout=LOOK)
            ]
        return tuple(found)

    async def abandoned(self) -> tuple[StuckDeployment, ...]:
        """Deployments whose workflow somebody terminated or the engine ended, at most the last hundred.

        Whether anything is left undone the projection knows. Raises ``Unavailable``.
        """
        query = "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled') AND WorkflowType = 'deployment'"
        found: list[StuckDeployment] = []
        async with _away():
            async for execution in self._client.list_workflows(query, limit=MOST_STUCK, rpc_timeout=LOOK):
                status = "ended" if execution.status is None else execution.status.name.lower()
                found.append(
                    StuckDeployment(
                        deployment_id=execution.id.removeprefix(PREFIX),
                        workflow_id=execution.id,
                        run_id=execution.run_id,
                        problems=(f"its workflow is {status}: nobody works on it, and its change stays claimed",),
                    )
                )
        return tuple(found)

    async def _look(self) -> str:
        async with _away(within=LOOK):
            answer = await self._client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=LOOK)
        return answer.server_version

    async def _exists(self, workflow_id: str) -> bool:
        try:
            async with _away(within=LOOK):
                await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=LOOK)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    def _start(self, plan: RolloutPlan, principal: Principal) -> StartDeployment:
        claim = self._claim(
            plan.deployment_id,
            {"plan_digest": plan.plan_digest, "pack_digest": plan.pack_digest},
            principal=principal,
            message_id=f"submit-{plan.deployment_id}",
            message_type="submit",
            life=SIGNAL_LIFE,
        )
        return StartDeployment(plan=plan, claim=claim, trusted_keys=self._trusted)

    def _sign(
        self, deployment_id: str, body: Message, *, principal: Principal, message_id: str, life: timedelta
    ) -> SignedMessage:
        claim = self._claim(
            deployment_id,
            message_body(body),
            principal=principal,
            message_id=message_id,
            message_type=body.type,
            life=life,
        )
        return SignedMessage(body=body, claim=claim)

    def _claim(
        self,
        deployment_id: str,
        body: object,
        *,
        principal: Principal,
        message_id: str,
        message_type: str,
        life: timedelta,
    ) -> SignedClaim:
        now = self._clock()
        return sign_claim(
            self._key,
            actor=principal.actor,
            roles=principal.roles,
            scope=principal.scope,
            deployment_id=deployment_id,
            message_id=message_id,
            message_type=message_type,
            body=body,
            issued_at=now - SKEW,
            expires_at=now + life,
        )


@asynccontextmanager
async def _away(*, within: timedelta | None = None) -> AsyncIterator[None]:
    """Turn what an engine that cannot be reached raises into ``Unavailable``, and its word for a workflow whose code
    fails into ``WorkflowStuck``; everything else passes.

    ``within`` bounds the call and its repetitions: an RPC's own timeout is for each try, and the SDK tries for 10 s.
    """
    bound = asyncio.timeout(None if within is None else within.total_seconds())
    try:
        async with bound:
            yield
    except TimeoutError:
        if not bound.expired():
            raise  # the caller's own bound
        raise _unreachable() from None
    except RPCError as error:
        if _STUCK in error.message.lower():
            raise WorkflowStuck from error
        if error.status in _AWAY:
            raise _unreachable() from error
        raise
    except RuntimeError as error:
        if "connect" not in str(error).lower():  # a client that connects lazily says it with a bare RuntimeError
            raise
        raise _unreachable() from error


def _unreachable() -> Unavailable:
    return Unavailable(
        "Temporal does not answer; nothing is lost. Send the same request again.",
        code="temporal_unavailable",
        retry_after=RETRY_AFTER,
    )


def _refusal(error: WorkflowUpdateFailedError, deployment_id: str) -> EucoraError:
    """The workflow's refusal as the error of ours that a caller can act on."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type is None:
        return WorkflowClosed(deployment_id)
    if cause.type in _FORBIDDEN:
        return Forbidden(cause.message, code=cause.type)
    if cause.type in _INVALID:
        return InvalidInput(cause.message, code=cause.type, field=_INVALID[cause.type])
    return Refused(cause.message, code=cause.type)


def _summary(plan: RolloutPlan) -> str:
    application = plan.application
    return f"{application.name} {application.version} to {plan.rings[-1].name} on {', '.join(plan.planes)}"


def _details(plan: RolloutPlan) -> str:
    rings = " → ".join(ring.name for ring in plan.rings)
    return (
        f"**{plan.application.vendor} {plan.application.name} {plan.application.version}**\n\n"
        f"- deployment `{plan.deployment_id}`, correlation id `{plan.correlation_id}`\n"
        f"- requested by {plan.requester}, packaged by {plan.author}\n"
        f"- rings {rings}; gate policy {plan.gate_policy}; class {plan.blast_radius_class}\n"
        f"- evidence pack `{plan.pack_digest}`\n"
    )
