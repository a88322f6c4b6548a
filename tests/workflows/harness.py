"""A worker whose activities are modelled by the test, on a real Temporal server; ours, labelled, deterministic.

The activities carry the real names and messages, so that the workflow cannot tell. What the modelled planes do is set
by the test; what was recorded is checked by the same verifier that audits production.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.errors import not_yet
from eucora.domain import gates
from eucora.domain.approval import tier
from eucora.domain.audit import first_unfounded
from eucora.domain.facts import CohortSize, Fact, PlaneMembership, SiteCount, TrustedKey
from eucora.domain.gates import ClassFigures, Figures
from eucora.domain.messages import Message
from eucora.domain.plan import RolloutPlan
from eucora.domain.vocabulary import Role, SiteClass
from eucora.signing.claims import message_body, sign_claim
from eucora.signing.keys import key_id_of, new_private_key, public_key_base64
from models.messages import activities as a
from models.messages.deployment import StartDeployment, SubmitOutcome
from models.messages.envelope import SignedMessage
from workflows.deployment import DeploymentWorkflow
from workflows.ids import deployment_workflow_id
from workflows.search_attributes import at_start

DEVICES = {"LAB": 10, "CANARY": 50, "PILOT": 500, "DEPARTMENT": 1000, "GLOBAL": 5000}
KEY = new_private_key()
TRUSTED = TrustedKey(key_id=key_id_of(KEY), public_key=public_key_base64(KEY))
LONG_AGO, FAR_AWAY = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass
class Modelled:
    """The modelled world: knobs, and what was done to it."""

    score: int = 40
    holder: str = ""
    outcome: Callable[[str, str], tuple[int, int]] = lambda ring, _: (DEVICES[ring], 0)
    effects: list[str] = field(default_factory=list)
    facts: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    refuse: Callable[[str], ApplicationError | None] = lambda _: None

    def _effect(self, name: str) -> None:
        refused = self.refuse(name)
        if refused is not None:
            raise refused
        self.effects.append(name)

    @activity.defn
    async def record(self, request: a.RecordFacts) -> a.Recorded:
        stored = self.facts[request.deployment_id]
        known = stored[request.first_sequence - 1 :]
        assert request.first_sequence <= len(stored) + 1
        assert list(request.facts[: len(known)]) == known, "other facts at the same place: the port refuses them"
        stored.extend(request.facts[len(known) :])
        return a.Recorded(sequence=len(stored))

    @activity.defn
    async def seal_evidence(self, request: a.SealEvidence) -> a.Sealed:
        self._effect("seal")
        return a.Sealed(pack_digest=request.plan.pack_digest, release_digest="r" * 64, version=1)

    @activity.defn
    async def reseal_evidence(self, request: a.ResealEvidence) -> a.Sealed:
        return a.Sealed(
            pack_digest=f"{request.checkpoint}" * 64, release_digest="r" * 64, version=request.checkpoint + 1
        )

    @activity.defn
    async def claim_change(self, _: a.ClaimChange) -> a.Claimed:
        return a.Claimed(holder=self.holder)

    @activity.defn
    async def release_change(self, _: a.ClaimChange) -> a.Claimed:
        return a.Claimed()

    @activity.defn
    async def assess_risk(self, request: a.AssessRisk) -> a.Assessed:
        return a.Assessed(
            score=self.score,
            raw_score=str(self.score),
            model="v1.0",
            model_version="v1.0",
            model_digest="e" * 64,
            inputs_digest="e" * 64,
            assessment_digest="e" * 64,
            tier=tier(self.score, request.plan.blast_radius_class, always_cab=request.plan.always_cab),
        )

    @activity.defn
    async def resolve_cohorts(self, request: a.ResolveCohorts) -> a.Resolved:
        self._effect(f"resolve {request.plane}")
        sizes = tuple(
            CohortSize(ring=ring.name, plane=request.plane, devices=DEVICES[ring.name]) for ring in request.plan.rings
        )
        return a.Resolved(sizes=sizes, critical_infrastructure=False)

    @activity.defn
    async def freeze_membership(self, request: a.FreezeMembership) -> a.MembershipResult:
        count = DEVICES[request.ring]
        sites = (SiteCount(site_class=SiteClass.ONLINE, devices=count),)
        return a.MembershipResult(
            membership=PlaneMembership(plane=request.plane, digest="d" * 64, devices=count, sites=sites)
        )

    @activity.defn
    async def publish(self, request: a.PlaneEffect) -> a.EffectDone:
        self._effect(f"publish {request.ring} {request.plane}")
        return a.EffectDone(object_id=f"o-{request.plane}", request_id="q")

    @activity.defn
    async def assign(self, request: a.PlaneEffect) -> a.EffectDone:
        self._effect(f"assign {request.ring} {request.plane} {request.revision}")
        return a.EffectDone(
            assignment_id=f"a-{request.ring}-{request.plane}", targeted=DEVICES[request.ring], request_id="q"
        )

    @activity.defn
    async def observe(self, request: a.ObservePlane) -> a.Observed:
        now = activity.info().started_time
        succeeded, failed = self.outcome(request.ring, request.plane)
        targeted = DEVICES[request.ring]
        unknown = targeted - succeeded - failed
        if now >= request.started_at + timedelta(seconds=request.windows.online):
            failed, unknown = failed + unknown, 0
        p95 = 60.0 if succeeded >= gates.nearest_rank(targeted) else None
        figures = Figures(
            classes=(
                ClassFigures(
                    site_class=SiteClass.ONLINE,
                    targeted=targeted,
                    succeeded=succeeded,
                    failed=failed,
                    unknown=unknown,
                    p95_seconds=p95,
                ),
            )
        )
        if gates.crossed(request.mark, figures, now):
            return a.Observed(figures=figures)
        until = request.mark.until
        raise not_yet("not yet", 86_400.0 if until is None else max((until - now).total_seconds(), 0.05))

    @activity.defn
    async def pick_device(self, _: a.PickDevice) -> a.Picked:
        return a.Picked(device_id="device-1")

    @activity.defn
    async def roll_back(self, request: a.RollBack) -> a.RolledBack:
        self._effect(f"{request.operation} {request.ring} {request.plane} {request.revision}")
        return a.RolledBack(targeted=DEVICES[request.ring], clean=DEVICES[request.ring])

    @activity.defn
    async def reinstall(self, request: a.Reinstall) -> a.Reinstalled:
        return a.Reinstalled(device_id=request.device_id)

    def database_activities(self) -> list[Callable[..., object]]:
        return [
            self.record,
            self.seal_evidence,
            self.reseal_evidence,
            self.claim_change,
            self.release_change,
            self.assess_risk,
        ]

    def plane_activities(self) -> list[Callable[..., object]]:
        return [
            self.resolve_cohorts,
            self.freeze_membership,
            self.publish,
            self.assign,
            self.observe,
            self.pick_device,
            self.roll_back,
            self.reinstall,
        ]

    def of(self, deployment_id: str) -> list[str]:
        """The types of the deployment's recorded facts, in order."""
        return [fact.type for fact in self.facts[deployment_id]]

    def founded(self, deployment_id: str) -> bool:
        """Whether the audit verifier finds every recorded fact founded."""
        return first_unfounded(self.facts[deployment_id]) is None


def claim_for(plan: RolloutPlan, kind: str, body: object, actor: str, *roles: Role, message_id: str = "") -> object:
    return sign_claim(
        KEY,
        actor=actor,
        roles=roles,
        scope=plan.scope,
        deployment_id=plan.deployment_id,
        message_id=message_id or f"m-{uuid4().hex[:8]}",
        message_type=kind,
        body=body,
        issued_at=LONG_AGO,
        expires_at=FAR_AWAY,
    )


def signed(plan: RolloutPlan, body: Message, actor: str, *roles: Role, message_id: str = "") -> SignedMessage:
    claim = claim_for(plan, body.type, message_body(body), actor, *roles, message_id=message_id)
    return SignedMessage(claim=claim, body=body)  # type: ignore[arg-type]


def start_message(plan: RolloutPlan) -> StartDeployment:
    body = {"plan_digest": plan.plan_digest, "pack_digest": plan.pack_digest}
    claim = claim_for(plan, "submit", body, plan.requester, *(Role(role) for role in plan.requester_roles))
    return StartDeployment(plan=plan, claim=claim, trusted_keys=(TRUSTED,))  # type: ignore[arg-type]


@asynccontextmanager
async def workers(client: Client, world: Modelled, planes: tuple[str, ...]) -> AsyncIterator[str]:
    """Run workers for the core queue and the planes' queues; yields the core task queue."""
    from eucora.runtime.sandbox import workflow_runner

    queue = f"eucora-{uuid4().hex[:8]}"
    core = Worker(
        client,
        task_queue=queue,
        workflows=[DeploymentWorkflow],
        activities=world.database_activities(),
        workflow_runner=workflow_runner(),
    )
    async with core:
        running = [Worker(client, task_queue=f"plane-{plane}", activities=world.plane_activities()) for plane in planes]
        for worker in running:
            await worker.__aenter__()
        try:
            yield queue
        finally:
            for worker in running:
                await worker.__aexit__(None, None, None)


async def start(client: Client, plan: RolloutPlan, queue: str) -> WorkflowHandle[DeploymentWorkflow, SubmitOutcome]:
    return await client.start_workflow(
        DeploymentWorkflow.run,
        start_message(plan),
        id=deployment_workflow_id(plan.deployment_id),
        task_queue=queue,
        search_attributes=at_start(plan),
    )
