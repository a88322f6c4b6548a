"""From a request to a rollout plan: every rule that a submission must meet before anything is started (``domain.md``
§1, §4, §6).

Pure: the pack's facts, the policies, the planes and the time are arguments. Each error names the field of the
request at fault, as a path (``rings.CANARY.targets[0].cohort``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import NoReturn

from eucora.domain.classification import (
    ApplicationFacts,
    BlastRadiusPolicy,
    Classification,
    classify,
)
from eucora.domain.errors import InvalidInput, Refused
from eucora.domain.plan import (
    Application,
    Cohort,
    PlaneRollback,
    PlaneTarget,
    ReviewPolicy,
    RingGate,
    RingPlan,
    RolloutPlan,
    Scope,
)
from eucora.domain.risk.inputs import FactorInput
from eucora.domain.vocabulary import DeploymentKind, RollbackStrategy

PRIVILEGE_IMPACT = "privilege_impact"
WITHOUT_ADMIN = ("user_context_no_elevation", "user_context_optional_admin")
"""Rows of privilege impact that need no administrator's rights (``domain.md`` §2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """A gate policy (``domain.md`` §6): the gate out of each ring, and how planes are asked. ``poll_interval``:
    seconds.
    """

    name: str
    title: str
    max_attempts: int
    poll_interval: float
    gates: Mapping[str, RingGate]


@dataclass(frozen=True, slots=True, kw_only=True)
class RingSequence:
    """The organisation's rings, in order (``domain.md`` §1)."""

    name: str
    rings: tuple[str, ...]
    default_target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """Rules of approval (``domain.md`` §4). Scores up to ``cab_up_to`` need no exception."""

    version: str
    cab_up_to: int
    presets: tuple[str, ...]
    default_preset: str
    review: ReviewPolicy
    urgent_review: ReviewPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneFacts:
    """What is known of a plane. ``strategies`` are those it declares, best first; empty when its manifest is not at
    hand.
    """

    name: str
    strategies: tuple[RollbackStrategy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPolicy:
    """All data that governs planning. ``automated_up_to`` is the risk model's threshold."""

    rings: RingSequence
    gate_policies: Mapping[str, GatePolicy]
    default_gate_policy: str
    approval: ApprovalPolicy
    blast_radius: BlastRadiusPolicy
    automated_up_to: int
    planes: Mapping[str, PlaneFacts]
    risk_model: str = "v1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RingRequest:
    """A ring as asked for."""

    name: str
    targets: tuple[PlaneTarget, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationUse:
    """What the classifier asks beside the pack; None and nothing where nobody knows."""

    users: int | None = None
    criticality: str | None = None
    cmdb_tier: str | None = None
    requires_admin: bool | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a caller asks for. Empty texts take the policy's default."""

    rings: tuple[RingRequest, ...]
    target_ring: str = ""
    gate_policy: str = ""
    checkpoint_preset: str = ""
    rollbacks: tuple[PlaneRollback, ...] = ()
    scope: Scope = field(default_factory=Scope)
    urgent: bool = False
    urgent_justification: str = ""
    kind: DeploymentKind = DeploymentKind.DEPLOY
    declared: tuple[FactorInput, ...] = ()
    usage: ApplicationUse = field(default_factory=ApplicationUse)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFacts:
    """What planning reads of an evidence pack.

    ``author`` made it and attested to the statements ``attested``; ``rollbacks`` is what its rollback plan names.
    """

    pack_digest: str
    author: str
    application: Application
    artifact_sha256: str
    rollbacks: tuple[PlaneRollback, ...] = ()
    attested: tuple[FactorInput, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks, with the roles and the scope of their identity."""

    actor: str
    roles: tuple[str, ...]
    scope: Scope


def build_plan(
    request: PlanRequest,
    pack: PackFacts,
    policy: PlanPolicy,
    *,
    deployment_id: str,
    correlation_id: str,
    requester: Requester,
    requested_at: datetime,
    digest: Callable[[object], str],
) -> RolloutPlan:
    """Build the plan, or say what is wrong with the request.

    ``digest`` gives the SHA-256 of a plain JSON value in canonical form.

    Raises:
        InvalidInput: a ring, plane, cohort, strategy, preset or policy of the request is wrong.
        Refused: ``separation_of_duties``: the requester made the pack (``domain.md`` §4).
    """
    if requester.actor == pack.author:
        sentence = (
            f"{requester.actor} made this evidence pack and cannot submit it too: submitter and author are "
            "different people. Ask somebody else to submit it."
        )
        raise Refused(sentence, code="separation_of_duties", field="evidence_pack")
    gates = _gate_policy(request, policy)
    preset = _preset(request, policy)
    rings = tuple(
        RingPlan(name=ring.name, order=order, targets=ring.targets, gate=_gate(gates, ring.name))
        for order, ring in enumerate(_rings(request, policy))
    )
    review = _review(request, policy)
    classified = classification(request, pack, policy)
    planes = dict.fromkeys(target.plane for ring in rings for target in ring.targets)
    return RolloutPlan(
        deployment_id=deployment_id,
        correlation_id=correlation_id,
        kind=request.kind,
        scope=request.scope,
        application=pack.application,
        artifact_sha256=pack.artifact_sha256,
        pack_digest=pack.pack_digest,
        author=pack.author,
        requester=requester.actor,
        requester_roles=requester.roles,
        rings=rings,
        rollbacks=_rollbacks(request, pack, policy, tuple(planes)),
        plan_digest=digest([_ring_value(ring) for ring in rings]),
        gate_policy=gates.name,
        checkpoint_preset=preset,
        blast_radius_class=classified.blast_radius_class,
        class_sentence=classified.why,
        quorum=classified.quorum,
        always_cab=classified.always_cab,
        automated_up_to=policy.automated_up_to,
        cab_up_to=policy.approval.cab_up_to,
        review=review,
        max_attempts=gates.max_attempts,
        poll_interval=gates.poll_interval,
        requested_at=requested_at,
        urgent_justification=request.urgent_justification.strip() if request.urgent else "",
        risk_model=policy.risk_model,
        statements=pack.attested + request.declared,
    )


def classification(request: PlanRequest, pack: PackFacts, policy: PlanPolicy) -> Classification:
    """The blast-radius class of the pack's application, its quorum, and whether it always goes to the CAB."""
    use = request.usage
    return classify(
        policy.blast_radius,
        ApplicationFacts(
            name=pack.application.name,
            category=pack.application.category,
            requires_admin=_requires_admin(request, pack),
            tags=use.tags,
            cmdb_tier=use.cmdb_tier,
            criticality=use.criticality,
            users=use.users,
        ),
    )


def _requires_admin(request: PlanRequest, pack: PackFacts) -> bool:
    """Whether installing needs administrator's rights. A statement that it does wins; where nobody knows, it does."""
    rows = [one.rubric_key for one in pack.attested + request.declared if one.key == PRIVILEGE_IMPACT]
    if any(row not in WITHOUT_ADMIN for row in rows):
        return True
    return request.usage.requires_admin if request.usage.requires_admin is not None else not rows


def _invalid(code: str, where: str, sentence: str) -> NoReturn:
    raise InvalidInput(sentence, code=code, field=where)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _rings(request: PlanRequest, policy: PlanPolicy) -> tuple[RingRequest, ...]:
    """The requested rings in the organisation's order, from its first ring to the target, each of them sound."""
    known = policy.rings.rings
    target = request.target_ring or policy.rings.default_target
    if target not in known:
        _invalid("unknown_ring", "target_ring", f"{target!r} is no ring; the rings are {_listed(known)}.")
    asked: dict[str, RingRequest] = {}
    for ring in request.rings:
        if ring.name not in known:
            _invalid("unknown_ring", f"rings.{ring.name}", f"{ring.name!r} is no ring; the rings are {_listed(known)}.")
        if ring.name in asked:
            _invalid("ring_repeated", f"rings.{ring.name}", f"Ring {ring.name} is given twice.")
        asked[ring.name] = ring
    wanted = known[: known.index(target) + 1]
    for name in wanted:
        if name not in asked:
            sentence = (
                f"Ring {name} is missing: a rollout goes through every ring from {known[0]} to its target {target}."
            )
            _invalid("ring_missing", f"rings.{name}", sentence)
    for name in asked:
        if name not in wanted:
            sentence = f"Ring {name} lies beyond the target ring {target}; leave it out or move the target."
            _invalid("ring_beyond_target", f"rings.{name}", sentence)
    for name in wanted:
        _check_targets(asked[name], policy)
    return tuple(asked[name] for name in wanted)


def _check_targets(ring: RingRequest, policy: PlanPolicy) -> None:
    where = f"rings.{ring.name}.targets"
    if not ring.targets:
        _invalid("ring_without_target", where, f"Ring {ring.name} names no plane; every ring has at least one target.")
    seen: set[str] = set()
    for index, target in enumerate(ring.targets):
        if target.plane not in policy.planes:
            sentence = f"{target.plane!r} is no plane here; the planes are {_listed(tuple(policy.planes))}."
            _invalid("unknown_plane", f"{where}[{index}].plane", sentence)
        if target.plane in seen:
            sentence = f"Plane {target.plane} is given twice in ring {ring.name}; put its devices into one cohort."
            _invalid("plane_repeated", f"{where}[{index}].plane", sentence)
        seen.add(target.plane)
        _check_cohort(target.cohort, f"{where}[{index}].cohort")


def _check_cohort(cohort: Cohort, where: str) -> None:
    if bool(cohort.group) == bool(cohort.devices):
        sentence = "A cohort is a group or a list of devices; an empty one never means everyone."
        _invalid("cohort_empty" if not cohort.group else "cohort_ambiguous", where, sentence)
    if cohort.take is not None and cohort.take < 1:
        _invalid("cohort_empty", f"{where}.take", "A cohort takes at least 1 device of its group.")
    if cohort.take is not None and cohort.devices:
        _invalid("cohort_ambiguous", f"{where}.take", "Only a group can be taken in part; list the devices you want.")
    if len(set(cohort.devices)) != len(cohort.devices):
        _invalid("device_repeated", f"{where}.devices", "A device is listed twice.")
    if any(not device.strip() for device in cohort.devices):
        _invalid("cohort_empty", f"{where}.devices", "A device id is blank.")


def _gate_policy(request: PlanRequest, policy: PlanPolicy) -> GatePolicy:
    name = request.gate_policy or policy.default_gate_policy
    if name not in policy.gate_policies:
        sentence = f"{name!r} is no gate policy; there are {_listed(tuple(policy.gate_policies))}."
        _invalid("unknown_gate_policy", "gate_policy", sentence)
    return policy.gate_policies[name]


def _gate(gates: GatePolicy, ring: str) -> RingGate:
    gate = gates.gates.get(ring)
    if gate is None:
        sentence = f"Gate policy {gates.name} has no gate for ring {ring}; choose another policy."
        _invalid("gate_missing", "gate_policy", sentence)
    return gate


def _preset(request: PlanRequest, policy: PlanPolicy) -> str:
    preset = request.checkpoint_preset or policy.approval.default_preset
    if preset not in policy.approval.presets:
        sentence = f"{preset!r} is no checkpoint preset; there are {_listed(policy.approval.presets)}."
        _invalid("unknown_checkpoint_preset", "checkpoints", sentence)
    return preset


def _review(request: PlanRequest, policy: PlanPolicy) -> ReviewPolicy:
    if not request.urgent:
        if request.urgent_justification.strip():
            sentence = "A justification of urgency is given, but the deployment is not marked urgent."
            _invalid("urgency_contradictory", "urgent_justification", sentence)
        return policy.approval.review
    if not request.urgent_justification.strip():
        sentence = "An urgent review needs a justification."
        _invalid("urgency_without_justification", "urgent_justification", sentence)
    return policy.approval.urgent_review


def _rollbacks(
    request: PlanRequest, pack: PackFacts, policy: PlanPolicy, planes: tuple[str, ...]
) -> tuple[PlaneRollback, ...]:
    """How each plane undoes the release: as the request says, else as the pack's rollback plan does."""
    asked: dict[str, RollbackStrategy] = {}
    for rollback in request.rollbacks:
        if rollback.plane not in planes:
            sentence = f"Plane {rollback.plane!r} is not used by any ring of this plan."
            _invalid("unknown_plane", f"rollback.{rollback.plane}", sentence)
        asked[rollback.plane] = rollback.strategy
    packed = {rollback.plane: rollback.strategy for rollback in pack.rollbacks}
    chosen = []
    for plane in planes:
        strategy = asked.get(plane, packed.get(plane))
        if strategy is None:
            sentence = f"Nothing says how plane {plane} undoes this release; name its rollback strategy."
            _invalid("rollback_strategy_missing", f"rollback.{plane}", sentence)
        offered = policy.planes[plane].strategies
        if offered and strategy not in offered:
            sentence = f"Plane {plane} cannot roll back by {strategy}; it offers {_listed(offered)}."
            _invalid("rollback_strategy_unsupported", f"rollback.{plane}", sentence)
        chosen.append(PlaneRollback(plane=plane, strategy=strategy))
    return tuple(chosen)


def _ring_value(ring: RingPlan) -> dict[str, object]:
    """A ring as a plain JSON value: what the plan digest covers."""
    return asdict(ring)
