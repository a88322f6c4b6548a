"""From a request to a plan: what is refused, and what a good request becomes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from eucora.domain.errors import InvalidInput, Refused
from eucora.domain.plan import Application, Cohort, PlaneRollback, PlaneTarget, RolloutPlan, Scope
from eucora.domain.planning import (
    ApplicationUse,
    PackFacts,
    PlaneFacts,
    PlanPolicy,
    PlanRequest,
    Requester,
    RingRequest,
    build_plan,
)
from eucora.domain.risk.inputs import Basis, FactorInput
from eucora.domain.vocabulary import BlastRadiusClass, DeploymentKind, RollbackStrategy
from eucora.policy.gate_policies import (
    DEFAULT_GATE_POLICY,
    shipped_approval_policy,
    shipped_gate_policies,
    shipped_ring_sequence,
)
from eucora.policy.library import shipped_blast_radius_classes

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
RINGS = ("LAB", "CANARY", "PILOT", "DEPARTMENT", "GLOBAL")

POLICY = PlanPolicy(
    rings=shipped_ring_sequence(),
    gate_policies=shipped_gate_policies(),
    default_gate_policy=DEFAULT_GATE_POLICY,
    approval=shipped_approval_policy(),
    blast_radius=shipped_blast_radius_classes(),
    automated_up_to=50,
    planes={
        "sim-windows": PlaneFacts(name="sim-windows", strategies=(RollbackStrategy.INTUNE_SUPERSEDENCE,)),
        "sim-mac": PlaneFacts(name="sim-mac"),
    },
)
PACK = PackFacts(
    pack_digest="a" * 64,
    author="packager-pia",
    application=Application(id="acme/gauge", name="Gauge", version="1.2.0", vendor="Acme", category="tools"),
    artifact_sha256="b" * 64,
    rollbacks=(PlaneRollback(plane="sim-windows", strategy=RollbackStrategy.INTUNE_SUPERSEDENCE),),
)
REQUESTER = Requester(actor="publisher-petra", roles=("publisher",), scope=Scope())


def cohort(size: int = 10) -> Cohort:
    return Cohort(group="everyone", take=size)


def ring(name: str, plane: str = "sim-windows") -> RingRequest:
    return RingRequest(name=name, targets=(PlaneTarget(plane=plane, cohort=cohort()),))


def request(*rings: RingRequest, **changes: object) -> PlanRequest:
    return replace(PlanRequest(rings=rings or tuple(ring(name) for name in RINGS)), **changes)  # type: ignore[arg-type]


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def plan(
    asked: PlanRequest, *, pack: PackFacts = PACK, policy: PlanPolicy = POLICY, by: Requester = REQUESTER
) -> RolloutPlan:
    return build_plan(
        asked,
        pack,
        policy,
        deployment_id="3f0e7a3a-0000-5000-8000-000000000001",
        correlation_id="3f0e7a3a-0000-4000-8000-000000000002",
        requester=by,
        requested_at=NOW,
        digest=digest,
    )


def test_a_full_request_becomes_five_rings_in_order_with_the_default_gates() -> None:
    made = plan(request(*(ring(name) for name in reversed(RINGS))))
    assert tuple(one.name for one in made.rings) == RINGS
    assert tuple(one.order for one in made.rings) == (0, 1, 2, 3, 4)
    assert made.rings[0].gate.rehearsal
    assert made.gate_policy == "v1.0"
    assert made.checkpoint_preset == "standard"
    assert made.review.window == 48 * 3600
    assert made.kind is DeploymentKind.DEPLOY
    assert (made.requester, made.author, made.requested_at) == ("publisher-petra", "packager-pia", NOW)
    assert made.blast_radius_class is BlastRadiusClass.NON_CRITICAL
    assert (made.quorum, made.always_cab, made.automated_up_to, made.cab_up_to) == (1, False, 50, 75)
    assert made.rollbacks == PACK.rollbacks


def test_a_plan_may_end_at_an_earlier_ring() -> None:
    made = plan(request(ring("LAB"), ring("CANARY"), target_ring="CANARY"))
    assert [one.name for one in made.rings] == ["LAB", "CANARY"]
    assert made.last == 1


def test_privileged_tooling_always_goes_to_the_cab_with_the_quorum_of_its_class() -> None:
    vpn = replace(PACK, application=replace(PACK.application, name="Acme VPN client"))
    made = plan(request(), pack=vpn)
    assert made.always_cab
    assert made.blast_radius_class is BlastRadiusClass.CRITICAL_INFRASTRUCTURE
    assert made.quorum == 3


def privilege(row: str, basis: Basis = Basis.DECLARED) -> FactorInput:
    return FactorInput(key="privilege_impact", basis=basis, rubric_key=row)


ADMIN, USER = privilege("admin_install_user_runtime"), privilege("user_context_no_elevation")


@pytest.mark.parametrize(
    ("use", "declared", "attested", "quorum"),
    [
        (None, (), (), 3),
        (True, (), (), 3),
        (False, (), (), 1),
        (None, (USER,), (), 1),
        (None, (), (USER,), 1),
        (True, (USER,), (), 3),
        (False, (ADMIN,), (), 3),
        (False, (), (ADMIN,), 3),
        (None, (USER,), (ADMIN,), 3),
    ],
)
def test_security_tools_are_critical_unless_everybody_says_that_they_need_no_administrator(
    use: bool | None, declared: tuple[FactorInput, ...], attested: tuple[FactorInput, ...], quorum: int
) -> None:
    agent = replace(PACK, application=replace(PACK.application, category="security"), attested=attested)
    made = plan(request(usage=ApplicationUse(requires_admin=use), declared=declared), pack=agent)
    assert made.quorum == quorum
    assert (made.blast_radius_class is BlastRadiusClass.CRITICAL_INFRASTRUCTURE) == (quorum == 3)


@pytest.mark.parametrize(
    "use", [ApplicationUse(users=10_000), ApplicationUse(criticality="high"), ApplicationUse(tags=("CRM",))]
)
def test_what_is_known_of_the_use_counts(use: ApplicationUse) -> None:
    assert plan(request(usage=use)).blast_radius_class is BlastRadiusClass.BUSINESS_CRITICAL


def test_statements_of_author_and_submitter_go_into_the_plan() -> None:
    said = privilege("user_context_no_elevation", Basis.ATTESTED)
    assert plan(request(declared=(USER,)), pack=replace(PACK, attested=(said,))).statements == (said, USER)


def test_an_urgent_review_is_shorter_and_keeps_its_justification() -> None:
    made = plan(request(urgent=True, urgent_justification="  actively exploited  "))
    assert made.review.window == 24 * 3600
    assert made.urgent_justification == "actively exploited"


def test_the_request_chooses_the_rollback_strategy_over_the_pack() -> None:
    chosen = PlaneRollback(plane="sim-mac", strategy=RollbackStrategy.JAMF_VERSION_PINNING)
    made = plan(request(*(ring(name, "sim-mac") for name in RINGS), rollbacks=(chosen,)))
    assert made.rollbacks == (chosen,)


def test_the_plan_digest_covers_rings_targets_and_gates() -> None:
    first = plan(request()).plan_digest
    assert plan(request()).plan_digest == first
    other = RingRequest(name="LAB", targets=(PlaneTarget(plane="sim-windows", cohort=cohort(11)),))
    assert plan(request(other, *(ring(name) for name in RINGS[1:]))).plan_digest != first
    assert plan(request(gate_policy="demo")).plan_digest != first


def test_the_author_of_the_pack_cannot_submit_it() -> None:
    with pytest.raises(Refused) as refusal:
        plan(request(), by=replace(REQUESTER, actor="packager-pia"))
    assert (refusal.value.code, refusal.value.field) == ("separation_of_duties", "evidence_pack")


def targets(*given: PlaneTarget) -> PlanRequest:
    return request(ring("LAB"), RingRequest(name="CANARY", targets=given), target_ring="CANARY")


def target(made: Cohort, plane: str = "sim-windows") -> PlaneTarget:
    return PlaneTarget(plane=plane, cohort=made)


MAC = tuple(ring(name, "sim-mac") for name in RINGS)

BAD: dict[str, tuple[PlanRequest, str, str]] = {
    "a target that is no ring": (request(target_ring="MOON"), "unknown_ring", "target_ring"),
    "a ring that is none": (request(ring("LAB"), ring("MOON")), "unknown_ring", "rings.MOON"),
    "a ring given twice": (request(ring("LAB"), ring("LAB")), "ring_repeated", "rings.LAB"),
    "a ring left out": (request(*(ring(name) for name in RINGS if name != "PILOT")), "ring_missing", "rings.PILOT"),
    "a start later than LAB": (request(*(ring(name) for name in RINGS[1:])), "ring_missing", "rings.LAB"),
    "a ring beyond the target": (request(target_ring="PILOT"), "ring_beyond_target", "rings.DEPARTMENT"),
    "a ring without a target": (targets(), "ring_without_target", "rings.CANARY.targets"),
    "a plane that is none": (targets(target(cohort(), "moon")), "unknown_plane", "rings.CANARY.targets[0].plane"),
    "a plane given twice": (
        targets(target(cohort()), target(cohort())),
        "plane_repeated",
        "rings.CANARY.targets[1].plane",
    ),
    "an empty cohort": (targets(target(Cohort())), "cohort_empty", "rings.CANARY.targets[0].cohort"),
    "a cohort of nothing": (
        targets(target(Cohort(group="everyone", take=0))),
        "cohort_empty",
        "rings.CANARY.targets[0].cohort.take",
    ),
    "a cohort of less than nothing": (
        targets(target(Cohort(group="everyone", take=-1))),
        "cohort_empty",
        "rings.CANARY.targets[0].cohort.take",
    ),
    "a group and devices": (
        targets(target(Cohort(group="everyone", devices=("d1",)))),
        "cohort_ambiguous",
        "rings.CANARY.targets[0].cohort",
    ),
    "a part of listed devices": (
        targets(target(Cohort(devices=("d1", "d2"), take=1))),
        "cohort_ambiguous",
        "rings.CANARY.targets[0].cohort.take",
    ),
    "a device listed twice": (
        targets(target(Cohort(devices=("d1", "d1")))),
        "device_repeated",
        "rings.CANARY.targets[0].cohort.devices",
    ),
    "a blank device": (
        targets(target(Cohort(devices=("d1", " ")))),
        "cohort_empty",
        "rings.CANARY.targets[0].cohort.devices",
    ),
    "a gate policy that is none": (request(gate_policy="lax"), "unknown_gate_policy", "gate_policy"),
    "a preset that is none": (request(checkpoint_preset="none"), "unknown_checkpoint_preset", "checkpoints"),
    "urgency without a reason": (
        request(urgent=True, urgent_justification="  "),
        "urgency_without_justification",
        "urgent_justification",
    ),
    "a reason without urgency": (
        request(urgent_justification="soon please"),
        "urgency_contradictory",
        "urgent_justification",
    ),
    "no way back": (request(*MAC), "rollback_strategy_missing", "rollback.sim-mac"),
    "a way back that the plane does not know": (
        request(rollbacks=(PlaneRollback(plane="sim-windows", strategy=RollbackStrategy.PLAYBOOK),)),
        "rollback_strategy_unsupported",
        "rollback.sim-windows",
    ),
    "a way back for a plane outside the plan": (
        request(rollbacks=(PlaneRollback(plane="sim-mac", strategy=RollbackStrategy.PLAYBOOK),)),
        "unknown_plane",
        "rollback.sim-mac",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_refused_at_its_field(case: str) -> None:
    asked, code, field = BAD[case]
    with pytest.raises(InvalidInput) as refusal:
        plan(asked)
    assert (refusal.value.code, refusal.value.field) == (code, field)


def test_a_gate_policy_without_a_gate_for_a_ring_is_refused() -> None:
    gates = POLICY.gate_policies["v1.0"]
    partial = replace(gates, gates={name: gate for name, gate in gates.gates.items() if name != "PILOT"})
    with pytest.raises(InvalidInput) as refusal:
        plan(request(), policy=replace(POLICY, gate_policies={"v1.0": partial}))
    assert (refusal.value.code, refusal.value.field) == ("gate_missing", "gate_policy")
