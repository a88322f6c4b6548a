"""The paths whose histories are kept: each takes a deployment to its end and says how it must have ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from eucora.domain.approval import Conditions
from eucora.domain.facts import TrustedKey
from eucora.domain.messages import (
    AdoptRollout,
    CancelRollout,
    ExceptionChanged,
    HoldRollout,
    IncidentChanged,
    LineChanged,
    OpenReview,
    PromoteNow,
    ReleaseRollout,
    RetryFailed,
    RevokeApproval,
    RollBackRollout,
    SkipSoak,
    TrustChange,
)
from eucora.domain.vocabulary import (
    CabDecision,
    DeploymentState,
    IncidentResolution,
    IncidentSeverity,
    Operation,
    Role,
)
from eucora.signing.keys import key_id_of, new_private_key, public_key_base64
from tests.workflows.conftest import MakeRollout, Rollout
from tests.workflows.harness import DEVICES, FAR_AWAY, TRUSTED, Modelled, signed

Scenario = Callable[[MakeRollout, Modelled], Awaitable[Rollout]]

SCENARIOS: dict[str, tuple[Scenario, DeploymentState]] = {}
"""Name of the history -> what makes it, and the state in which it ends."""

MINUTES, HOUR, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
WHY = "to keep a history of it"


def ends(state: DeploymentState) -> Callable[[Scenario], Scenario]:
    """Register a scenario under its function's name."""

    def register(scenario: Scenario) -> Scenario:
        SCENARIOS[scenario.__name__] = (scenario, state)
        return scenario

    return register


@ends(DeploymentState.COMPLETED)
async def automated_on_two_planes(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(planes=("sim-windows", "sim-mac"), rings=2)
    await run.submitted()
    return run


@ends(DeploymentState.COMPLETED)
async def reviewed_with_conditions(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(score=60, rings=3, quorum=2)
    await run.forward(MINUTES)
    await run.vote("pia-publisher")  # the requester: refused
    await run.vote("cab-anna", CabDecision.CONDITIONAL, conditions=Conditions(observe_hours=30.0, text="watch it"))
    await run.vote("cab-ben")
    await run.forward(timedelta(hours=31))
    await run.vote("cab-anna")
    await run.vote("cab-ben")
    return run


@ends(DeploymentState.ROLLED_BACK)
async def breached_and_rolled_back(make: MakeRollout, world: Modelled) -> Rollout:
    world.outcome = lambda ring, _: (DEVICES[ring] - 2, 2) if ring == "CANARY" else (DEVICES[ring], 0)
    return await make(rings=2)


@ends(DeploymentState.REJECTED)
async def rejected_after_lab(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(score=60, rings=2)
    await run.forward(MINUTES)
    await run.vote("cab-anna", CabDecision.REJECTED, comment="not now")
    return run


@ends(DeploymentState.REJECTED)
async def rejected_for_another_change(make: MakeRollout, world: Modelled) -> Rollout:
    world.holder = "d-other"
    run = await make(rings=1)
    await run.submitted()
    return run


@ends(DeploymentState.REJECTED)
async def rejected_for_its_evidence(make: MakeRollout, world: Modelled) -> Rollout:
    world.refuse = lambda effect: refusal("critical_finding", "PERMANENT") if effect == "seal" else None
    return await make(rings=1)


@ends(DeploymentState.COMPLETED)
async def held_and_released(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(rings=2)
    await run.forward(timedelta(minutes=1))
    await run.control("hold", signed(run.plan, HoldRollout(why=WHY), "olga-ops", Role.ENDPOINT_OPS))
    await run.forward(2 * DAY)
    await run.control("release", signed(run.plan, ReleaseRollout(why=WHY), "olga-ops", Role.ENDPOINT_OPS))
    return run


@ends(DeploymentState.ROLLED_BACK)
async def rolled_back_by_an_operator(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(rings=2)
    await run.forward(5 * HOUR)
    await run.control("roll_back", signed(run.plan, RollBackRollout(why=WHY), "olga-ops", Role.ENDPOINT_OPS))
    return run


@ends(DeploymentState.ROLLED_BACK)
async def rollback_failed_and_repeated(make: MakeRollout, world: Modelled) -> Rollout:
    world.refuse = lambda effect: refusal("devices_locked", "PERMANENT") if effect.startswith("roll_back") else None
    run = await make(rings=2)
    await run.forward(5 * HOUR)
    again = signed(run.plan, RollBackRollout(why=WHY), "olga-ops", Role.ENDPOINT_OPS)
    await run.control("roll_back", again)
    await run.forward(HOUR)
    assert "ROLLBACK_FAILED" in run.types
    world.refuse = lambda _: None
    await run.control("roll_back", signed(run.plan, RollBackRollout(why=WHY), "olga-ops", Role.ENDPOINT_OPS))
    return run


@ends(DeploymentState.REJECTED)
async def review_lapsed_and_opened_again(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(score=60, rings=2)
    await run.forward(50 * HOUR)
    await run.control("open_review", signed(run.plan, OpenReview(), "pia-publisher", Role.PUBLISHER))
    await run.vote("cab-anna", CabDecision.REJECTED)
    return run


@ends(DeploymentState.ROLLED_BACK)
async def approval_revoked(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(score=60, rings=2)
    await run.forward(MINUTES)
    await run.vote("cab-anna")
    await run.forward(HOUR)
    await run.signal("cab_decision", RevokeApproval(checkpoint=1, why=WHY), "cab-anna", Role.CAB_MEMBER)
    return run


@ends(DeploymentState.CANCELLED)
async def cancelled_before_its_start(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(score=60, rings=2, preset="every_ring")
    await run.forward(MINUTES)
    await run.control("cancel", signed(run.plan, CancelRollout(why=WHY), "pia-publisher", Role.PUBLISHER))
    return run


@ends(DeploymentState.COMPLETED)
async def published_and_promoted_by_hand(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(rings=3, requester_roles=(Role.PACKAGING_ENGINEER,))
    await run.forward(MINUTES)
    await run.control("publish", signed(run.plan, AdoptRollout(), "petra-publisher", Role.PUBLISHER))
    await run.forward(HOUR)
    await run.control("skip_soak", signed(run.plan, SkipSoak(why=WHY), "petra-publisher", Role.PUBLISHER))
    await run.forward(HOUR)
    await run.control("promote_now", signed(run.plan, PromoteNow(why=WHY), "petra-publisher", Role.PUBLISHER))
    return run


@ends(DeploymentState.COMPLETED)
async def refused_by_a_plane_and_retried(make: MakeRollout, world: Modelled) -> Rollout:
    refused = {"publish LAB sim-mac", f"{Operation.REHEARSE} LAB sim-windows 1"}
    world.refuse = lambda effect: refusal("plane_permission", "POLICY_VIOLATION") if effect in refused else None
    run = await make(planes=("sim-windows", "sim-mac"), rings=1)
    await run.forward(MINUTES)
    assert "CONNECTOR_ERROR" in run.types
    world.refuse = lambda _: None
    await run.control("retry_failed", signed(run.plan, RetryFailed(why=WHY), "olga-ops", Role.ENDPOINT_OPS))
    return run


@ends(DeploymentState.COMPLETED)
async def told_by_systems(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(rings=2)
    await run.forward(HOUR)
    new = new_private_key()
    key = TrustedKey(key_id=key_id_of(new), public_key=public_key_base64(new))
    for name, body in (
        ("line_changed", LineChanged(line_stop_id="stop-1", stopped=True, why=WHY)),
        ("line_changed", LineChanged(line_stop_id="stop-1", stopped=False, why=WHY)),
        ("incident_changed", IncidentChanged(incident_id="i-1", severity=IncidentSeverity.P3, attributed=True)),
        (
            "incident_changed",
            IncidentChanged(
                incident_id="i-1",
                severity=IncidentSeverity.P3,
                attributed=False,
                resolution=IncidentResolution.WORKAROUND,
            ),
        ),
        (
            "exception_changed",
            ExceptionChanged(exception_id="x-1", kind="high_risk", revision=1, expires_at=FAR_AWAY),
        ),
        ("trust_changed", TrustChange(trusted_keys=(TRUSTED, key))),
    ):
        await run.signal(name, body, "eucora-api", Role.SYSTEM)
        await run.forward(MINUTES)
    return run


@ends(DeploymentState.REJECTED)
async def strangers_at_the_door(make: MakeRollout, world: Modelled) -> Rollout:
    run = await make(score=60, rings=2)
    await run.forward(MINUTES)
    forged = signed(run.plan, HoldRollout(why=WHY), "olga-ops", Role.ENDPOINT_OPS).model_dump(mode="json")
    forged["claim"]["actor"] = "mallory"
    for name, payload in (("cab_decision", {"decision": "APPROVED"}), ("approve_everything", None), ("hold", forged)):
        await run.handle.signal(name, payload)
    assert await refused(run, "hold", forged)
    assert await refused(run, "approve_everything", forged)
    await run.handle.cancel()
    await run.forward(MINUTES)
    assert run.types.count("ACCESS_DENIED") == 6, run.types
    await run.vote("cab-anna", CabDecision.REJECTED)
    return run


async def refused(run: Rollout, name: str, payload: object) -> bool:
    """Whether an update is refused."""
    try:
        await run.handle.execute_update(name, payload)
    except WorkflowUpdateFailedError:
        return True
    return False


async def continued(make: MakeRollout, world: Modelled) -> Rollout:
    """Not registered: it wants a server that suggests continue-as-new early.

    Two rings only, because the server's experimental time skipping carries its offset into the next run, now and then
    twice: so no run may be continued after the first skip.
    """
    return await make(planes=("sim-windows", "sim-mac"), rings=2)


def refusal(code: str, error_class: str) -> ApplicationError:
    """What an activity raises when a plane says no for good."""
    details = {"error_class": error_class, "field": ""}
    return ApplicationError(f"the modelled world says {code}", details, type=code, non_retryable=True)
