"""Whole rollouts on the real engine: each path to each end, days in seconds, every trail founded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eucora.domain.approval import Conditions
from eucora.domain.messages import CabVote, OpenReview
from eucora.domain.vocabulary import CabDecision, DeploymentState, Role
from tests.workflows.conftest import MakeRollout
from tests.workflows.harness import DEVICES, Modelled, signed
from workflows.deployment import DeploymentWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTES = timedelta(minutes=30)


async def test_an_automated_deployment_passes_five_rings_and_thirteen_days(rollout: MakeRollout) -> None:
    run = await rollout(planes=("a", "b"))
    await run.forward()
    outcome = await run.handle.result()
    assert outcome.state is DeploymentState.COMPLETED
    assert run.facts[-1].at - run.facts[0].at >= timedelta(hours=24 + 48 + 72 + 168)
    assert run.types.count("RING_PROMOTED") == 4
    assert run.types.count("ROLLBACK_REHEARSED") == 2
    assert run.founded


async def test_cab_reviews_stand_before_canary_and_pilot_and_conditions_bind(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    assert (await run.handle.query(DeploymentWorkflow.status)).state is DeploymentState.AWAITING_CAB
    await run.vote("cab-anna", CabDecision.CONDITIONAL, conditions=Conditions(observe_hours=30.0))
    await run.forward(timedelta(hours=29))
    assert run.types.count("REVIEW_OPENED") == 1, "observe_hours lengthens the soak of CANARY beyond its 24 hours"
    await run.forward(timedelta(hours=2))
    assert run.types.count("REVIEW_OPENED") == 2
    await run.vote("cab-ben")
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.COMPLETED
    assert run.founded


async def test_a_breach_rolls_back_every_plane_newest_ring_first_before_the_deadline(
    rollout: MakeRollout, world: Modelled
) -> None:
    world.outcome = lambda ring, _: (DEVICES[ring] - 2, 2) if ring == "CANARY" else (DEVICES[ring], 0)
    run = await rollout(planes=("a", "b"))
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.ROLLED_BACK
    undone = [effect.split()[1] for effect in world.effects if effect.startswith("roll_back")]
    assert undone == ["CANARY", "CANARY", "LAB", "LAB"]
    assert run.facts[-1].at - run.facts[0].at < timedelta(hours=24)
    assert run.founded


async def test_a_rejection_takes_lab_back_before_it_ends(rollout: MakeRollout, world: Modelled) -> None:
    run = await rollout(score=60)
    await run.forward(MINUTES)
    await run.vote("cab-anna", CabDecision.REJECTED, comment="not now")
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.REJECTED
    assert [effect.split()[1] for effect in world.effects if effect.startswith("assign")] == ["LAB"]
    assert run.types[-3:] == ["PLANE_ROLLED_BACK", "ROLLBACK_COMPLETED", "DEPLOYMENT_REJECTED"]
    assert run.founded


async def test_a_review_without_votes_reminds_escalates_lapses_and_opens_again(rollout: MakeRollout) -> None:
    run = await rollout(score=60)
    await run.forward(timedelta(hours=50))
    assert run.types[-3:] == ["REVIEW_REMINDED", "REVIEW_ESCALATED", "REVIEW_LAPSED"]
    message = signed(run.plan, OpenReview(), "pia-publisher", Role.PUBLISHER)
    outcome = await run.control("open_review", message)
    assert outcome.facts == ("CAB_SUBMITTED", "REVIEW_OPENED")
    await run.vote("cab-anna", CabDecision.REJECTED)
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.REJECTED
    assert run.founded


async def test_a_claim_held_by_another_deployment_ends_rejected_and_names_it(
    rollout: MakeRollout, world: Modelled
) -> None:
    world.holder = "d-other"
    run = await rollout()
    outcome = await run.submitted()
    assert (outcome.accepted, outcome.code, outcome.holder) == (False, "change_in_progress", "d-other")
    await run.forward()
    assert (await run.handle.result()).state is DeploymentState.REJECTED


async def test_quorum_wants_distinct_people(rollout: MakeRollout) -> None:
    run = await rollout(score=60, quorum=2)
    await run.forward(MINUTES)
    await run.vote("cab-anna")
    await run.vote("cab-anna")
    await run.forward(MINUTES)
    assert run.types.count("CAB_VOTED") == 1
    assert run.types.count("CAB_VOTE_REFUSED") == 1
    assert "CAB_APPROVED" not in run.types
    await run.vote("cab-ben")
    await run.forward(MINUTES)
    assert "CAB_APPROVED" in run.types
    assert run.founded
    await run.handle.terminate()


async def test_the_same_signal_twice_counts_once(rollout: MakeRollout) -> None:
    run = await rollout(score=60, quorum=2)
    await run.forward(MINUTES)
    review = next(fact for fact in reversed(run.facts) if fact.type == "REVIEW_OPENED")
    vote = CabVote(checkpoint=1, decision=CabDecision.APPROVED, pack_digest=review.pack_digest)
    for _ in range(2):
        await run.signal("cab_decision", vote, "cab-anna", Role.CAB_MEMBER, message_id="one-vote")
    await run.forward(MINUTES)
    assert run.types.count("CAB_VOTED") == 1
    assert "CAB_VOTE_REFUSED" not in run.types
    await run.handle.terminate()
