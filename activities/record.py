"""The only writer of a deployment's facts and projection."""

from __future__ import annotations

from temporalio import activity

from activities.errors import as_failures
from eucora.observability import Metrics
from eucora.ports.record import FactBatch, Record
from models.messages import activities as a


class RecordActivities:
    """Appends facts to the record, and counts what is new in it."""

    def __init__(self, record: Record, metrics: Metrics | None = None) -> None:
        self._record = record
        self._metrics = metrics

    @activity.defn
    async def record(self, request: a.RecordFacts) -> a.Recorded:
        """Store facts and projection in one transaction; the same batch again counts as success."""
        with as_failures():
            result = await self._record.append(
                FactBatch(
                    deployment_id=request.deployment_id, first_sequence=request.first_sequence, facts=request.facts
                )
            )
        if self._metrics is not None:
            for fact in request.facts[len(request.facts) - result.appended :]:
                self._metrics.fact_recorded(fact_type=fact.type)
        return a.Recorded(sequence=result.sequence)
