"""Submitting a deployment (``architecture.md`` §2, "Starting"): from a request to a workflow that runs exactly once.

The idempotency row is committed before anything is started. From then on every repetition of the request finds the same
deployment, whatever failed in between: it attaches to the running workflow, or answers from the projection when that
has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from api.deps import RequestCorrelation
from api.errors import ChangeInProgress, status_of
from api.idempotency import derived_id, request_digest
from api.plan_policy import check_statements, pack_facts, plan_request
from api.services import Services
from api.temporal_gateway import WorkflowClosed
from eucora.domain.approval import checkpoints
from eucora.domain.errors import Conflict, EucoraError, Forbidden, InvalidInput, NotFound, Refused, Unavailable
from eucora.domain.plan import RolloutPlan
from eucora.domain.planning import PackFacts, Requester, build_plan
from eucora.domain.state import RolloutState
from eucora.domain.vocabulary import ApprovalTier, DeploymentState
from eucora.evidence.canonical import canonical_json, digest
from eucora.evidence.pack import EvidencePack, blockers, read_pack
from eucora.identity.principal import Principal
from eucora.observability import context
from eucora.policy.library import shipped_risk_models
from eucora.store import idempotency_queries
from eucora.store.deployment_queries import find_deployment, get_state
from eucora.store.submissions import PostgresSubmissions
from models.messages.deployment import SubmitOutcome
from models.wire.deployments import DeploymentRequest, Submission

__all__ = ["Answered", "build_checked_plan", "load_pack", "pending_submission", "submit"]

log = structlog.get_logger(__name__)

PATH = "/api/v1/deployments"

_INVALID = frozenset(
    {
        "cohort_empty",
        "cohort_unresolvable",
        "artifact_differs",
        "artifact_unsigned",
        "malware_detected",
        "critical_finding",
        "high_finding",
        "pack_not_found",
        "blob_not_found",
        "declared_better_than_measured",
        "attested_by_submitter",
        "invalid_factor_input",
    }
)
"""Codes of a refused submission that the caller mends in the request or in the evidence (422); all others are 409."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a submission: 201 accepted, or 202 kept until a worker takes it."""

    status: int
    submission: Submission


async def submit(
    services: Services, body: DeploymentRequest, *, caller: Principal, key: str, correlation: RequestCorrelation
) -> Answered:
    """Submit, or find what the same request came to before.

    Raises what planning and evidence refuse, ``Conflict`` (``idempotency_key_reused``, ``correlation_id_taken``,
    ``change_in_progress``), ``Unavailable``.
    """
    deployment_id = derived_id("deployment", tenant=caller.scope.tenant, caller=caller.actor, key=key)
    body_digest = request_digest(
        "POST", PATH, body.model_dump(mode="json", exclude={"risk_score"}, exclude_defaults=True)
    )
    reservation = {"caller": caller.actor, "key": key, "body_digest": body_digest, "resource_id": deployment_id}
    async with services.database.unit_of_work() as session:
        known = await idempotency_queries.find(session, caller=caller.actor, key=key)
        if known is not None:
            await idempotency_queries.begin(session, **reservation)  # refuses another body
    if known is not None and known.response_status is not None:
        return _answered_before(known)
    correlation_id = (known.correlation_id if known else None) or correlation.id
    plan = await build_checked_plan(
        services, body, caller=caller, deployment_id=deployment_id, correlation_id=correlation_id
    )
    if known is None:
        async with services.database.unit_of_work() as session:
            begun = await idempotency_queries.begin(
                session, **reservation, correlation_id=correlation_id, tenant=caller.scope.tenant
            )
        if isinstance(begun, idempotency_queries.Existing):  # the same request at the same time was faster
            if begun.response_status is not None:
                return _answered_before(begun)
            plan = await build_checked_plan(
                services,
                body,
                caller=caller,
                deployment_id=deployment_id,
                correlation_id=begun.correlation_id or correlation_id,
            )
    return await _start(services, plan, caller=caller, key=key)


async def build_checked_plan(
    services: Services, body: DeploymentRequest, *, caller: Principal, deployment_id: str, correlation_id: str
) -> RolloutPlan:
    """The plan for a request, with every check that needs no plane. Raises what is wrong with it."""
    pack = await load_pack(services, body.evidence_pack, caller=caller)
    for blocker in blockers(pack):
        raise InvalidInput(blocker.sentence, code=blocker.code, field=f"evidence_pack.{blocker.field}")
    facts: PackFacts = pack_facts(pack, pack_digest=body.evidence_pack)
    request = plan_request(body, tenant=caller.scope.tenant)
    if not caller.scope.covers(request.scope):
        sentence = f"{caller.actor} cannot create a deployment in this scope."
        raise Forbidden(sentence, code="out_of_scope", field="scope")
    plan = build_plan(
        request,
        facts,
        services.policy,
        deployment_id=deployment_id,
        correlation_id=correlation_id,
        requester=Requester(actor=caller.actor, roles=tuple(role.value for role in caller.roles), scope=caller.scope),
        requested_at=services.clock(),
        digest=digest,
    )
    model = shipped_risk_models()[plan.risk_model]
    check_statements(request.declared, model, submitter=caller.actor, field="risk")
    return plan


async def load_pack(services: Services, pack_digest: str, *, caller: Principal) -> EvidencePack:
    """The stored pack. Raises ``InvalidInput`` (``evidence_unknown``) when there is none for this caller."""
    try:
        stored = await services.packs.load(pack_digest)
    except NotFound as error:
        raise _no_pack(pack_digest) from error
    if stored.scope.tenant != caller.scope.tenant:
        raise _no_pack(pack_digest)
    return read_pack(canonical_json(stored.document), expected_digest=pack_digest)


async def _start(services: Services, plan: RolloutPlan, *, caller: Principal, key: str) -> Answered:
    with context(correlation_id=plan.correlation_id, deployment_id=plan.deployment_id):
        await PostgresSubmissions(services.database).register(plan.deployment_id, services.gateway.start_digest(plan))
        try:
            outcome = await services.gateway.submit(plan, caller)
        except WorkflowClosed:
            outcome = await _outcome_of_ended(services, plan.deployment_id)
        if outcome is None:
            log.info("deployment.kept")
            kept = pending_submission(plan.deployment_id, correlation_id=plan.correlation_id, quorum=plan.quorum)
            return Answered(status=202, submission=kept)
        log.info("deployment.submitted", accepted=outcome.accepted, code=outcome.code)
    if outcome.accepted:
        answered = Answered(status=201, submission=_accepted(plan, outcome))
        await _keep(services, caller=caller, key=key, status=201, response=answered.submission.model_dump(mode="json"))
        return answered
    refusal = {
        "code": outcome.code,
        "sentence": outcome.sentence,
        "field": outcome.field,
        "holder": outcome.holder,
    }
    error = _refusal(refusal)
    await _keep(services, caller=caller, key=key, status=status_of(error), response=refusal)
    raise error


async def _outcome_of_ended(services: Services, deployment_id: str) -> SubmitOutcome | None:
    """What the submission of a deployment came to whose workflow has ended. None when nothing is recorded of it."""
    async with services.database.unit_of_work() as session:
        if await find_deployment(session, deployment_id, scope=None) is None:
            return None
        state = await get_state(session, deployment_id)
    return _outcome(state)


def _outcome(state: RolloutState) -> SubmitOutcome:
    # Withdrawn by a person before its assessment is no refusal of the submission: it was accepted, and ended so.
    refused = state.risk is None and state.final and state.state is not DeploymentState.CANCELLED
    reason = state.reason
    return SubmitOutcome(
        deployment_id=state.plan.deployment_id,
        state=state.state,
        accepted=not refused,
        code=reason.code if refused else "",
        sentence=reason.sentence if refused else "",
        field=reason.field if refused else "",
        holder=reason.holder if refused else "",
        risk_score=None if state.risk is None else state.risk.score,
        tier="" if state.risk is None else state.risk.tier,
        quorum=state.plan.quorum,
        checkpoints=tuple(state.plan.rings[one.before].name for one in state.checkpoints),
    )


async def _keep(services: Services, *, caller: Principal, key: str, status: int, response: dict[str, Any]) -> None:
    """Remember the final answer. When the database is away now, a repetition of the request finds the answer again."""
    try:
        async with services.database.unit_of_work() as session:
            await idempotency_queries.complete(session, caller=caller.actor, key=key, status=status, response=response)
    except Unavailable as error:
        log.warning("submit.answer_not_kept", reason=error.sentence)


def _answered_before(known: idempotency_queries.Existing) -> Answered:
    if known.response_status == 201:
        return Answered(status=201, submission=Submission.model_validate(known.response))
    raise _refusal(known.response)


def _refusal(refusal: dict[str, Any]) -> EucoraError:
    code, sentence, where = refusal["code"], refusal["sentence"], refusal["field"] or None
    if code == ChangeInProgress.code:
        return ChangeInProgress(sentence, holder=refusal["holder"])
    if code in _INVALID or code.startswith("evidence_"):
        return InvalidInput(sentence, code=code, field=where)
    if code == "correlation_id_taken":
        return Conflict(sentence, code=code, field=where)
    return Refused(sentence, code=code, field=where)


def _accepted(plan: RolloutPlan, outcome: SubmitOutcome) -> Submission:
    return Submission(
        deployment_id=plan.deployment_id,
        outcome="accepted",
        state=outcome.state,
        correlation_id=plan.correlation_id,
        location=location(plan.deployment_id),
        risk_score=outcome.risk_score,
        tier=outcome.tier,
        quorum=outcome.quorum,
        checkpoints=list(outcome.checkpoints),
    )


def pending_submission(deployment_id: str, *, correlation_id: str, quorum: int = 0) -> Submission:
    """A deployment that is accepted and that nobody has decided yet."""
    return Submission(
        deployment_id=deployment_id,
        outcome="pending",
        state=DeploymentState.PENDING,
        correlation_id=correlation_id,
        location=location(deployment_id),
        quorum=quorum,
    )


def location(deployment_id: str) -> str:
    """Where the deployment is found."""
    return f"{PATH}/{deployment_id}"


def _no_pack(pack_digest: str) -> InvalidInput:
    sentence = f"There is no evidence pack {pack_digest}; create it with POST /api/v1/evidence first."
    return InvalidInput(sentence, code="evidence_unknown", field="evidence_pack")


def checkpoint_rings(plan: RolloutPlan, tier: ApprovalTier) -> list[str]:
    """Names of the rings before which the CAB is asked."""
    found = checkpoints(tier, plan.checkpoint_preset, len(plan.rings))
    return [plan.rings[one.before].name for one in found]
