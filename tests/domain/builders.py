"""Plans and a tiny modelled world for tests of the decider: ours, labelled, deterministic."""

from __future__ import annotations

from datetime import UTC, datetime

from eucora.domain import facts as f
from eucora.domain.plan import (
    Application,
    Cohort,
    ComplianceWindows,
    PlaneRollback,
    PlaneTarget,
    ReviewPolicy,
    RingGate,
    RingPlan,
    RolloutPlan,
    Scope,
)
from eucora.domain.vocabulary import (
    BlastRadiusClass,
    DeploymentKind,
    Role,
    RollbackStrategy,
    SiteClass,
)

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
RINGS = ("LAB", "CANARY", "PILOT", "DEPARTMENT", "GLOBAL")
KEY = f.TrustedKey(key_id="k1", public_key="AAAA")


def gate(order: int, **changes: object) -> RingGate:
    success = (95.0, 97.0, 97.0, 99.0, 99.0)[order]
    windows = (4.0, 8.0, 24.0) if order == 0 else (24.0, 72.0, 168.0)
    soak = (0.0, 24.0, 48.0, 72.0, 168.0)[order]
    values: dict[str, object] = {
        "success_rate": success,
        "compliance": ComplianceWindows(
            online=windows[0] * 3600, intermittent=windows[1] * 3600, air_gapped=windows[2] * 3600
        ),
        "incidents": 1 if order == 0 else 0,
        "soak": soak * 3600,
        "rehearsal": order == 0,
    }
    values.update(changes)
    return RingGate(**values)  # type: ignore[arg-type]


def plan(
    *,
    rings: int = 5,
    planes: tuple[str, ...] = ("sim",),
    requester: str = "pia-publisher",
    requester_roles: tuple[str, ...] = (Role.PUBLISHER,),
    author: str = "paul-packager",
    preset: str = "standard",
    always_cab: bool = False,
    blast_class: BlastRadiusClass = BlastRadiusClass.PRODUCTIVITY_TOOLS,
    quorum: int = 1,
    soak: float | None = None,
) -> RolloutPlan:
    return RolloutPlan(
        deployment_id="d-1",
        correlation_id="00000000-0000-4000-8000-000000000001",
        kind=DeploymentKind.DEPLOY,
        scope=Scope(business_unit="finance"),
        application=Application(id="editor", name="Editor", version="2.1.0", vendor="Example", category="productivity"),
        artifact_sha256="a" * 64,
        pack_digest="b" * 64,
        author=author,
        requester=requester,
        requester_roles=requester_roles,
        rings=tuple(
            RingPlan(
                name=RINGS[order],
                order=order,
                targets=tuple(PlaneTarget(plane=plane, cohort=Cohort(group=RINGS[order].lower())) for plane in planes),
                gate=gate(order) if soak is None else gate(order, soak=soak),
            )
            for order in range(rings)
        ),
        rollbacks=tuple(PlaneRollback(plane=plane, strategy=RollbackStrategy.ASSIGNMENT_REMOVE) for plane in planes),
        plan_digest="c" * 64,
        gate_policy="v1.0",
        checkpoint_preset=preset,
        blast_radius_class=blast_class,
        class_sentence="productivity keywords",
        quorum=quorum,
        always_cab=always_cab,
        automated_up_to=50,
        cab_up_to=75,
        review=ReviewPolicy(),
        max_attempts=3,
        poll_interval=900.0,
        requested_at=START,
    )


def created(of: RolloutPlan | None = None, at: datetime = START) -> f.DeploymentCreated:
    chosen = of or plan()
    return f.DeploymentCreated(
        at=at,
        actor=chosen.requester,
        role=chosen.requester_roles[0],
        plan=chosen,
        trusted_keys=(KEY,),
        message_id="m-submit",
    )


def membership(plane: str, devices: int, site_class: SiteClass = SiteClass.ONLINE) -> f.PlaneMembership:
    return f.PlaneMembership(
        plane=plane, digest="d" * 64, devices=devices, sites=(f.SiteCount(site_class=site_class, devices=devices),)
    )
