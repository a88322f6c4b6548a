"""The policy data that planning needs, and requests and packs in planning's words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from api.planes import ConfiguredPlane
from eucora.domain.errors import InvalidInput
from eucora.domain.plan import Application, Cohort, PlaneRollback, PlaneTarget, Scope
from eucora.domain.planning import ApplicationUse, PackFacts, PlanPolicy, PlanRequest, RingRequest
from eucora.domain.risk import Basis, FactorInput, RiskModel, assess
from eucora.domain.risk.errors import InvalidFactorInput
from eucora.evidence.pack import EvidencePack
from eucora.policy.gate_policies import (
    DEFAULT_GATE_POLICY,
    shipped_approval_policy,
    shipped_gate_policies,
    shipped_ring_sequence,
)
from eucora.policy.library import DEFAULT_RISK_MODEL, shipped_blast_radius_classes, shipped_risk_models
from models.wire.deployments import DeploymentRequest

__all__ = ["application_id", "check_statements", "pack_facts", "plan_policy", "plan_request"]

DEMO_GATE_POLICY = "demo"
_NOT_IN_IDS = re.compile(r"[\W_]+")


def plan_policy(planes: Mapping[str, ConfiguredPlane], *, development: bool) -> PlanPolicy:
    """The policy in force. The demo's gates, seconds for hours, exist in development only."""
    gates = {
        name: policy for name, policy in shipped_gate_policies().items() if development or name != DEMO_GATE_POLICY
    }
    return PlanPolicy(
        rings=shipped_ring_sequence(),
        gate_policies=gates,
        default_gate_policy=DEFAULT_GATE_POLICY,
        approval=shipped_approval_policy(),
        blast_radius=shipped_blast_radius_classes(),
        automated_up_to=shipped_risk_models()[DEFAULT_RISK_MODEL].threshold,
        planes={name: plane.facts for name, plane in planes.items()},
        risk_model=DEFAULT_RISK_MODEL,
    )


def plan_request(body: DeploymentRequest, *, tenant: str) -> PlanRequest:
    """The request in planning's words; the tenant is the caller's, never the body's."""
    use = body.application
    return PlanRequest(
        rings=tuple(
            RingRequest(
                name=name,
                targets=tuple(
                    PlaneTarget(
                        plane=target.plane,
                        cohort=Cohort(
                            group=target.cohort.group, take=target.cohort.take, devices=tuple(target.cohort.devices)
                        ),
                    )
                    for target in ring.targets
                ),
            )
            for name, ring in body.rings.items()
        ),
        target_ring=body.target_ring or "",
        gate_policy=body.gate_policy or "",
        checkpoint_preset=body.checkpoints or "",
        rollbacks=tuple(PlaneRollback(plane=plane, strategy=strategy) for plane, strategy in body.rollback.items()),
        scope=Scope(
            tenant=tenant,
            business_unit=body.scope.business_unit,
            acquisition_boundary=body.scope.acquisition_boundary,
            site=body.scope.site,
        ),
        urgent=body.urgent,
        urgent_justification=body.urgent_justification,
        declared=tuple(
            FactorInput(key=factor, basis=Basis.DECLARED, rubric_key=row) for factor, row in body.risk.items()
        ),
        usage=ApplicationUse(
            users=use.users, criticality=use.criticality, requires_admin=use.requires_admin, tags=tuple(use.tags)
        ),
    )


def pack_facts(pack: EvidencePack, *, pack_digest: str) -> PackFacts:
    """What planning reads of a pack."""
    application = pack.application
    return PackFacts(
        pack_digest=pack_digest,
        author=pack.metadata.author,
        application=Application(
            id=application_id(application.vendor, application.name),
            name=application.name,
            version=application.version,
            vendor=application.vendor,
            category=application.category,
        ),
        artifact_sha256=pack.artifact.sha256,
        rollbacks=tuple(
            PlaneRollback(plane=entry.plane, strategy=entry.strategy) for entry in pack.rollback_plan.strategies
        ),
        attested=tuple(
            FactorInput(
                key=entry.factor,
                basis=Basis.ATTESTED,
                rubric_key=entry.row,
                attested_by=pack.metadata.author,
                attested_at=pack.metadata.sealed_at,
            )
            for entry in pack.attestations or ()
        ),
    )


def application_id(vendor: str, name: str) -> str:
    """The stable identity of an application: made from vendor and name, so that nobody chooses it to pass another
    by.
    """
    parts = (_NOT_IN_IDS.sub("-", text.casefold()).strip("-") for text in (vendor, name))
    return ".".join(part or "unnamed" for part in parts)


def check_statements(statements: tuple[FactorInput, ...], model: RiskModel, *, submitter: str, field: str) -> None:
    """Return when the model takes every statement; raise ``InvalidInput`` naming ``field`` and the factor otherwise."""
    try:
        assess(model, statements, submitter=submitter)
    except InvalidFactorInput as error:
        raise InvalidInput(error.sentence, code=error.code, field=f"{field}.{error.factor}") from error
