"""What a process has counted can be scraped: new facts, and attempts on planes by outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.errors import failure_of, not_yet
from activities.record import RecordActivities
from eucora.domain.errors import PlanePolicyViolation, PlaneThrottled
from eucora.observability import Metrics
from eucora.ports.record import AppendResult, FactBatch
from eucora.runtime.counting import CountingInterceptor
from eucora.runtime.health import serve_metrics
from eucora.stack.ports import choose
from models.messages import activities as a
from tests.store.histories import small


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(component="worker", version="1")


def counted(metrics: Metrics, name: str) -> list[str]:
    lines = metrics.exposition()[0].decode().splitlines()
    return [line.removeprefix(name) for line in lines if line.startswith(f"{name}{{")]


class Ending(ActivityInboundInterceptor):
    """An activity that ends as it is told."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        if self.error is not None:
            raise self.error
        return "done"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (not_yet("3 of 5", 1), "not_yet"),
        (failure_of(PlaneThrottled("later", retry_after=None)), "transient"),
        (failure_of(PlanePolicyViolation("no", code="no")), "policy_violation"),
        (asyncio.CancelledError(), "cancelled"),
        (ApplicationError("of another making", {"error_class": "a vendor's words"}), "defect"),
        (ZeroDivisionError(), "defect"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_an_attempt_on_a_plane_is_counted_by_its_outcome(
    metrics: Metrics, error: BaseException | None, outcome: str
) -> None:
    chain = CountingInterceptor(metrics, plane="sim").intercept_activity(Ending(error))
    passed: list[BaseException | None] = []

    async def attempt() -> None:
        try:
            assert await chain.execute_activity(ExecuteActivityInput(fn=print, args=[], executor=None, headers={}))
            passed.append(None)
        except BaseException as raised:  # noqa: BLE001 - a cancellation too
            passed.append(raised)

    await ActivityEnvironment().run(attempt)
    assert passed == [error], "what the activity ended with goes on as it is"
    operation = ActivityEnvironment.default_info().activity_type
    labels = f'{{operation="{operation}",outcome="{outcome}",plane="sim"}} 1.0'
    assert counted(metrics, "eucora_plane_operations_total") == [labels]


class Stored:
    """A record that holds the first facts of a batch already."""

    def __init__(self, already: int) -> None:
        self.already = already

    async def append(self, batch: FactBatch) -> AppendResult:
        return AppendResult(sequence=batch.last_sequence, hash="", appended=len(batch.facts) - self.already)


@pytest.mark.parametrize("already", [0, 2, 3])
async def test_only_facts_that_are_new_are_counted(metrics: Metrics, already: int) -> None:
    facts = small()[:3]
    record = activity_of(RecordActivities(Stored(already), metrics))  # type: ignore[arg-type]
    await ActivityEnvironment().run(record, a.RecordFacts(deployment_id="d-1", first_sequence=1, facts=facts))
    found = sorted(counted(metrics, "eucora_facts_recorded_total"))
    assert found == sorted(f'{{type="{fact.type}"}} 1.0' for fact in facts[already:])


def activity_of(activities: RecordActivities) -> Any:
    assert activity._Definition.must_from_callable(activities.record).name == "record"
    return activities.record


async def test_metrics_are_served_on_a_port_of_their_own(metrics: Metrics) -> None:
    metrics.fact_recorded(fact_type="RING_PROMOTED")
    port = choose({"metrics": 0}, say=lambda _: None)["metrics"]
    async with serve_metrics("127.0.0.1", port, metrics), httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert 'eucora_facts_recorded_total{type="RING_PROMOTED"} 1.0' in answer.text
        assert (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == 404
