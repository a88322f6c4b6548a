"""What a deployment would score: the submission's own checks and engine, on what is known without asking a plane."""

from __future__ import annotations

from api.services import Services
from api.submission import build_checked_plan, checkpoint_rings, load_pack
from eucora.domain.approval import tier
from eucora.domain.plan import RolloutPlan
from eucora.domain.risk import CohortFacts, HistoryFacts, RiskEvidence, assess, inputs_from_evidence
from eucora.evidence.risk_inputs import risk_evidence
from eucora.identity.principal import Principal
from eucora.policy.library import shipped_risk_models
from eucora.store.history import PostgresHistory
from models.wire.policy import AssessAnswer, AssessRequest, FactorView

__all__ = ["assess_request"]

NOWHERE = "00000000-0000-0000-0000-000000000000"
"""Stands for the ids of a deployment that is never made."""


async def assess_request(services: Services, body: AssessRequest, *, caller: Principal) -> AssessAnswer:
    """Assess as the submission would. Raises what the submission would refuse before it starts."""
    plan = await build_checked_plan(services, body, caller=caller, deployment_id=NOWHERE, correlation_id=NOWHERE)
    pack = await load_pack(services, body.evidence_pack, caller=caller)
    measured = risk_evidence(pack)
    devices, notes = _devices(plan)
    past = await PostgresHistory(services.database).of_application(plan.application.id, plan.scope.tenant)
    cohort = None
    if devices is not None:
        cohort = CohortFacts(devices=devices, critical_infrastructure=False, reference="sizes asked for in the request")
    inputs = inputs_from_evidence(
        RiskEvidence(
            supply_chain=measured.supply_chain,
            vulnerabilities=measured.vulnerabilities,
            cohort=cohort,
            history=HistoryFacts(
                successes=past.completed, total=past.ended, security_breach=False, reference="this system's record"
            ),
            statements=plan.statements,
        )
    )
    assessment = assess(shipped_risk_models()[plan.risk_model], inputs, submitter=caller.actor)
    needed = tier(
        assessment.score,
        plan.blast_radius_class,
        always_cab=plan.always_cab,
        automated_up_to=plan.automated_up_to,
        cab_up_to=plan.cab_up_to,
    )
    return AssessAnswer(
        score=assessment.score,
        raw_score=assessment.raw_score,
        label=assessment.label,
        model=assessment.model_id,
        model_version=assessment.model_version,
        tier=needed.value,
        blast_radius_class=plan.blast_radius_class.value,
        class_sentence=plan.class_sentence,
        quorum=plan.quorum,
        always_cab=plan.always_cab,
        checkpoints=checkpoint_rings(plan, needed),
        factors=[
            FactorView(
                key=factor.key,
                title=factor.title,
                level=factor.level,
                value=factor.value,
                weight=factor.weight,
                contribution=factor.contribution,
                basis=factor.basis.value,
                rationale=factor.rationale,
            )
            for factor in assessment.factors
        ],
        notes=notes,
    )


def _devices(plan: RolloutPlan) -> tuple[int | None, list[str]]:
    """How many devices the request asks for; None when a ring takes all that is left of a group, which only a plane
    knows.
    """
    notes = ["Devices are counted, and searched for critical infrastructure, when the deployment is submitted."]
    total = 0
    for ring in plan.rings:
        for target in ring.targets:
            if target.cohort.devices:
                total += len(target.cohort.devices)
            elif target.cohort.take is not None:
                total += target.cohort.take
            else:
                notes.append(
                    f"Ring {ring.name} takes all that is left of {target.cohort.group} on {target.plane}: blast radius "
                    "takes its worst value here."
                )
                return None, notes
    return total, notes
