"""Evidence, claims and risk: single transactions and pure engines, on the core worker."""

from __future__ import annotations

from temporalio import activity

from activities.errors import as_failures
from eucora.domain import risk
from eucora.domain.approval import tier
from eucora.domain.errors import InvalidInput, Refused
from eucora.domain.risk.evidence import CohortFacts, HistoryFacts, RiskEvidence, inputs_from_evidence
from eucora.domain.state import RingRun
from eucora.evidence.canonical import canonical_json, digest
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.pack import EvidencePack, blockers, read_pack, with_test_evidence
from eucora.evidence.risk_inputs import risk_evidence
from eucora.evidence.sections import Rehearsal, RingResult, TestEvidence
from eucora.policy.documents import shipped_document
from eucora.policy.risk_models import shipped_risk_models
from eucora.ports.blobs import BlobStore
from eucora.ports.claims import ChangeClaims
from eucora.ports.history import History
from eucora.ports.packs import Assessments, PackDocument, Packs
from eucora.ports.submissions import Submissions
from eucora.signing.starts import start_digest
from models.messages import activities as a
from models.messages.codec import assessment_to_json


class GovernanceActivities:
    """What a deployment needs before and between its rings."""

    def __init__(
        self,
        *,
        submissions: Submissions,
        packs: Packs,
        assessments: Assessments,
        claims: ChangeClaims,
        history: History,
        blobs: BlobStore,
    ) -> None:
        self._submissions = submissions
        self._packs = packs
        self._assessments = assessments
        self._claims = claims
        self._history = history
        self._blobs = blobs

    @activity.defn
    async def seal_evidence(self, request: a.SealEvidence) -> a.Sealed:
        """Check the submission and its pack again: who submitted, digest, artifact's bytes, and what blocks it."""
        plan = request.plan
        with as_failures():
            if not await self._submissions.accepted(plan.deployment_id, start_digest(plan, request.trusted_keys)):
                sentence = "the API has started no such deployment with these keys; submit it through the API"
                raise Refused(sentence, code="not_submitted", field="deployment_id")
            stored, pack = await self._pack(plan.pack_digest)
            for blocker in blockers(pack):
                raise EvidenceInvalid(blocker.field, blocker.sentence, code=blocker.code)
            if pack.artifact.sha256 != plan.artifact_sha256:
                sentence = f"the pack is of artifact {pack.artifact.sha256}, the plan names {plan.artifact_sha256}"
                raise InvalidInput(sentence, code="artifact_differs", field="artifact.sha256")
            async for _ in self._blobs.open(pack.artifact.sha256):
                pass  # reading to the end is what checks the bytes
        return a.Sealed(pack_digest=stored.pack_digest, release_digest=stored.release_digest, version=stored.version)

    @activity.defn
    async def reseal_evidence(self, request: a.ResealEvidence) -> a.Sealed:
        """Append what the rings came to and seal the next version; the same request seals the same version."""
        with as_failures():
            stored, pack = await self._pack(request.pack_digest)
            done = {(one.ring, one.decided_at) for one in pack.test_evidence.ring_results}
            rehearsed = {(one.ring, one.plane, one.rehearsed_at) for one in pack.test_evidence.rehearsals}
            evidence = TestEvidence(
                ring_results=tuple(
                    found
                    for ring in request.rings
                    for found in _result(ring)
                    if (found.ring, found.decided_at) not in done
                ),
                rehearsals=tuple(
                    found
                    for ring in request.rings
                    for found in _rehearsals(ring, request.artifact_sha256)
                    if (found.ring, found.plane, found.rehearsed_at) not in rehearsed
                ),
            )
            sealed = with_test_evidence(pack, evidence, sealed_at=request.sealed_at)
            await self._packs.store(
                PackDocument(
                    pack_id=_lineage(stored.pack_id, request.deployment_id),
                    version=sealed.metadata.pack_version,
                    pack_digest=sealed.pack_digest,
                    release_digest=sealed.release_digest,
                    author=stored.author,
                    scope=stored.scope,
                    document=sealed.model_dump(mode="json", exclude_none=True),
                )
            )
        return a.Sealed(
            pack_digest=sealed.pack_digest, release_digest=sealed.release_digest, version=sealed.metadata.pack_version
        )

    @activity.defn
    async def claim_change(self, request: a.ClaimChange) -> a.Claimed:
        """Claim application, scope and all rings; the holder's id when another deployment has one of them."""
        with as_failures():
            holder = await self._claims.claim(
                request.deployment_id, scope=request.scope, application_id=request.application_id, rings=request.rings
            )
        return a.Claimed(holder=holder or "")

    @activity.defn
    async def release_change(self, request: a.ClaimChange) -> a.Claimed:
        """Give up all claims of the deployment."""
        with as_failures():
            await self._claims.release(request.deployment_id)
        return a.Claimed()

    @activity.defn
    async def assess_risk(self, request: a.AssessRisk) -> a.Assessed:
        """Score what was measured, attested and declared with the plan's model; store all of it under its digest."""
        plan = request.plan
        with as_failures():
            _, pack = await self._pack(request.pack_digest)
            model = shipped_risk_models().get(plan.risk_model)
            if model is None:
                raise InvalidInput(
                    f"there is no risk model {plan.risk_model}", code="risk_model_unknown", field="risk_model"
                )
            past = await self._history.of_application(plan.application.id, plan.scope.tenant)
            measured = risk_evidence(pack)
            devices = sum(size.devices for size in request.sizes)
            inputs = inputs_from_evidence(
                RiskEvidence(
                    supply_chain=measured.supply_chain,
                    vulnerabilities=measured.vulnerabilities,
                    cohort=CohortFacts(
                        devices=devices,
                        critical_infrastructure=request.critical_infrastructure,
                        reference="cohorts resolved at submission",
                    ),
                    history=HistoryFacts(
                        successes=past.completed,
                        total=past.ended,
                        security_breach=False,
                        reference="this system's record",
                    ),
                    statements=plan.statements,
                )
            )
            assessment = risk.assess(model, inputs, submitter=plan.requester)
            document = assessment_to_json(assessment)
            assessment_digest = digest(document)
            await self._assessments.store(assessment_digest, document)
        return a.Assessed(
            score=assessment.score,
            raw_score=assessment.raw_score,
            model=assessment.model_id,
            model_version=assessment.model_version,
            model_digest=digest(shipped_document(f"risk-model-{plan.risk_model}")),
            inputs_digest=digest(document["inputs"]),
            assessment_digest=assessment_digest,
            tier=tier(
                assessment.score,
                plan.blast_radius_class,
                always_cab=plan.always_cab,
                automated_up_to=plan.automated_up_to,
                cab_up_to=plan.cab_up_to,
            ),
        )

    async def _pack(self, pack_digest: str) -> tuple[PackDocument, EvidencePack]:
        stored = await self._packs.load(pack_digest)
        return stored, read_pack(canonical_json(stored.document), expected_digest=pack_digest)


def _lineage(pack_id: str, deployment_id: str) -> str:
    """Return the name of the versions that one deployment seals: others may append to the same submitted pack."""
    suffix = f"/{deployment_id}"
    return pack_id if pack_id.endswith(suffix) else pack_id + suffix


def _result(ring: RingRun) -> tuple[RingResult, ...]:
    if ring.gate is None or ring.gate_at is None:
        return ()
    known = [run.figures for run in ring.planes if run.figures is not None]
    targeted = sum(run.membership.devices for run in ring.planes)
    succeeded, failed = sum(one.succeeded for one in known), sum(one.failed for one in known)
    return (
        RingResult(
            ring=ring.name,
            decided_at=ring.gate_at,
            result=ring.gate.result,
            targeted=targeted,
            succeeded=succeeded,
            failed=failed,
            unknown=targeted - succeeded - failed,
        ),
    )


def _rehearsals(ring: RingRun, artifact_sha256: str) -> tuple[Rehearsal, ...]:
    return tuple(
        Rehearsal(
            ring=ring.name,
            plane=run.plane,
            device=run.rehearsal.device,
            artifact_sha256=artifact_sha256,
            succeeded=run.rehearsal.succeeded,
            sentence=run.rehearsal.sentence,
            rehearsed_at=run.rehearsal.at,
        )
        for run in ring.planes
        if run.rehearsal is not None
    )
