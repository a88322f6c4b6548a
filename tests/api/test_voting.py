"""Votes through the API: recorded, refused by the workflow's rules, kept without a worker, too late."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.engine import Engine
from tests.api.service import problem

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def in_review(engine: Engine) -> dict[str, Any]:
    """A deployment of Petra's, packaged by Pia, whose first review takes votes."""
    submitted = await engine.submit(await engine.pack(attested=False))
    assert submitted.status_code == 201, submitted.text
    return await engine.review(submitted.json()["deployment_id"])


async def vote(
    engine: Engine, review: dict[str, Any], actor: str, decision: str = "approve", **changes: Any
) -> httpx.Response:
    key = changes.pop("key", False)
    body = {"pack_digest": review["evidence_pack"], "comment": "looked at it", **changes}
    return await engine.service.as_(actor).post(f"/cab/{review['id']}/{decision}", body, key=key)


async def test_an_approval_with_a_condition_is_recorded_and_lets_the_rollout_go_on(engine: Engine) -> None:
    async with engine.workers():
        review = await in_review(engine)
        answer = await vote(engine, review, "cab-anna", conditions={"min_success_rate": 98.5, "max_ring": "CANARY"})
        voted = answer.json()
        assert (answer.status_code, voted["outcome"], voted["decision"]) == (200, "accepted", "CONDITIONAL")
        seen = await engine.service.as_("cab-ben").get(voted["location"].removeprefix("/api/v1"))
        assert seen.json()["conditions"]["max_ring"] == 1
        ended = await engine.until(review["deployment_id"], "COMPLETED", "ROLLED_BACK", "REJECTED", "FAILED")
    assert ended["state"] == "COMPLETED", ended["reason"]
    late = await vote(engine, review, "cab-ben")
    assert problem(late)[:2] == (409, "review_closed")
    (event,) = await engine.service.refusals("review_closed")
    assert (event["type"], event["actor"]) == ("CAB_VOTE_REFUSED", "cab-ben")


async def test_votes_that_the_rules_forbid_are_refused_and_change_nothing(engine: Engine) -> None:
    async with engine.workers():
        review = await in_review(engine)
        other = await vote(engine, review, "cab-anna", pack_digest="0" * 64)
        assert problem(other) == (409, "stale_digest", "pack_digest")
        backwards = await vote(engine, review, "cab-anna", conditions={"not_after": "2020-01-01T00:00:00Z"})
        assert problem(backwards) == (422, "conditions_invalid", "conditions.not_after")
        unchanged = await engine.review(review["deployment_id"])
        assert unchanged["status"] == "open"
        assert [one["outcome"] for one in unchanged["votes"]] == ["refused", "refused"]
        assert (await vote(engine, review, "cab-anna", "reject")).status_code == 200
        again = await vote(engine, review, "cab-anna")
        assert problem(again)[0] == 409
        assert problem(again)[1] in ("vote_twice", "review_closed")
        ended = await engine.until(review["deployment_id"], "REJECTED")
    assert ended["reason"]["code"] == "cab_rejected"


async def test_nobody_votes_twice(engine: Engine) -> None:
    vpn = {"name": "Acme VPN", "version": "1.3.0", "vendor": "Acme", "category": "network", "support_tier": "t1"}
    pack = await engine.service.as_("packager-pia").seal(
        application=vpn,
        rollback_plan={"strategies": [{"plane": engine.plane, "strategy": "playbook"}], "steps": ["remove it"]},
        rollout_plan={"planes": [engine.plane], "target_ring": "CANARY"},
    )
    async with engine.workers():
        submitted = await engine.submit(pack)
        assert submitted.json()["quorum"] == 3, submitted.text
        review = await engine.review(submitted.json()["deployment_id"])
        first = await vote(engine, review, "cab-anna", key="v1")
        assert first.status_code == 200, first.text
        repeated = await vote(engine, review, "cab-anna", key="v1")
        assert repeated.json() == first.json(), "the same request, not another vote"
        assert problem(await vote(engine, review, "cab-anna"))[:2] == (409, "vote_twice")
        assert problem(await vote(engine, review, "cab-anna", "reject", key="v1"))[:2] == (409, "vote_twice")
        assert (await engine.review(review["deployment_id"]))["status"] == "open"


async def test_the_submitter_and_the_author_cannot_vote(engine: Engine) -> None:
    """At the API their roles stop them; here somebody with every role asks, and the workflow says no."""
    async with engine.workers():
        review = await in_review(engine)
        identity = engine.service.identity
        for actor, code in (("publisher-petra", "vote_by_submitter"), ("packager-pia", "vote_by_author")):
            known = identity._people[actor]
            identity._people[actor] = identity._people["cab-anna"].__class__(
                actor=actor, name=known.name, roles=(*known.roles, *identity._people["cab-anna"].roles)
            )
            assert problem(await vote(engine, review, actor))[:2] == (409, code)


async def test_a_vote_without_a_worker_is_kept_and_counts_when_one_starts(engine: Engine) -> None:
    async with engine.workers():
        review = await in_review(engine)
    answer = await vote(engine, review, "cab-anna", "reject")
    kept = answer.json()
    assert (answer.status_code, kept["outcome"]) == (202, "pending")
    assert answer.headers["location"] == kept["location"]
    place = kept["location"].removeprefix("/api/v1")
    assert problem(await engine.service.as_("cab-anna").get(place))[:2] == (404, "vote_not_recorded")
    async with engine.workers():
        await engine.until(review["deployment_id"], "REJECTED")
    judged = await engine.service.as_("cab-anna").get(place)
    assert judged.json()["outcome"] == "accepted"


async def test_controls_are_carried_out_or_refused_at_once(engine: Engine) -> None:
    petra, ops = engine.service.as_("publisher-petra"), engine.service.as_("ops-olga")
    async with engine.workers():
        review = await in_review(engine)
        path = f"/deployments/{review['deployment_id']}"
        held = await ops.post(f"{path}/hold", {"why": "patch day"}, key="h1")
        assert held.status_code == 200, held.text
        assert held.json()["facts"] == ["DEPLOYMENT_HELD"]
        assert (await ops.post(f"{path}/hold", {"why": "patch day"}, key="h1")).json() == held.json()
        assert problem(await petra.post(f"{path}/hold", {"why": "me too"}))[:2] == (409, "already_held")
        shown = (await petra.get(path)).json()
        assert [(hold["kind"], hold["who"], hold["why"]) for hold in shown["holds"]] == [
            ("operator", "ops-olga", "patch day")
        ]
        assert (await petra.post(f"{path}/release", {"why": "done"})).status_code == 200
        assert problem(await petra.post(f"{path}/promote", {"why": "now"}))[:2] == (409, "gate_not_passed")
        assert problem(await petra.post(f"{path}/publish", {}))[:2] == (409, "already_published")
        assert problem(await petra.post(f"{path}/cancel", {"why": "no"}))[:2] == (409, "too_late_to_cancel")
        wrong = await ops.post(f"{path}/retry", {"why": "again", "planes": ["moon"]})
        assert problem(wrong) == (422, "plane_unknown", "planes")
        opened = await petra.post("/cab/submit", {"deployment_id": review["deployment_id"]})
        assert (opened.status_code, opened.json()["facts"]) == (200, ["CAB_SUBMITTED"])
        assert (await ops.post(f"{path}/roll-back", {"why": "no"})).status_code == 200
        ended = await engine.until(review["deployment_id"], "ROLLED_BACK")
        assert ended["rings"][0]["planes"][0]["status"] == "rolled_back"
    assert problem(await ops.post(f"{path}/hold", {"why": "wait"}))[:2] == (409, "deployment_final")


async def test_without_a_worker_a_control_is_answered_with_try_again(engine: Engine) -> None:
    async with engine.workers():
        review = await in_review(engine)
    answer = await engine.service.as_("ops-olga").post(
        f"/deployments/{review['deployment_id']}/hold", {"why": "patch day"}
    )
    assert problem(answer)[:2] == (503, "no_worker")
    assert int(answer.headers["retry-after"]) >= 1
