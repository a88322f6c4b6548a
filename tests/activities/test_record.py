"""The record: what the workflow decided, appended once; what cannot be appended is final."""

from __future__ import annotations

from datetime import timedelta

from eucora.domain import facts as f
from eucora.domain.vocabulary import HoldKind
from models.messages import activities as a
from tests.activities.conftest import Site
from tests.domain.builders import START


def held(minutes: int, why: str = "look") -> f.DeploymentHeld:
    at = START + timedelta(minutes=minutes)
    return f.DeploymentHeld(at=at, actor="olga-ops", kind=HoldKind.OPERATOR, why=why, reference="")


def batch(site: Site, first: int, *facts: f.Fact) -> a.RecordFacts:
    return a.RecordFacts(deployment_id=site.plan.deployment_id, first_sequence=first, facts=facts)


async def test_facts_are_appended_and_read_back(site: Site) -> None:
    assert (await site.run(site.record.record, batch(site, 2, held(1), held(2)))).sequence == 3
    assert (await site.records.read(site.plan.deployment_id, after=1)) == (held(1), held(2))


async def test_the_same_batch_again_counts_as_success(site: Site) -> None:
    request = batch(site, 2, held(1))
    assert await site.run(site.record.record, request) == await site.run(site.record.record, request)
    assert len(await site.records.read(site.plan.deployment_id)) == 2


async def test_other_facts_at_the_same_place_are_refused_for_good(site: Site) -> None:
    await site.run(site.record.record, batch(site, 2, held(1)))
    failure = await site.failure(site.record.record, batch(site, 2, held(1, why="another")))
    assert (failure.type, failure.non_retryable) == ("stream_conflict", True)


async def test_a_gap_is_refused_for_good(site: Site) -> None:
    failure = await site.failure(site.record.record, batch(site, 5, held(1)))
    assert (failure.type, failure.non_retryable) == ("stream_conflict", True)
