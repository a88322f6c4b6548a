"""Counts the attempts of a plane's activities by outcome: an interceptor for the workers of plane queues."""

from __future__ import annotations

import asyncio
from typing import Any

import temporalio.worker
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from eucora.domain.vocabulary import ErrorClass
from eucora.observability import Metrics

__all__ = ["CountingInterceptor"]


class CountingInterceptor(temporalio.worker.Interceptor):
    """Counts for one plane; ``activities/errors.py`` says which failures there are."""

    def __init__(self, metrics: Metrics, *, plane: str) -> None:
        self._metrics = metrics
        self._plane = plane

    def intercept_activity(
        self,
        next: temporalio.worker.ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _Activity(next, self._metrics, self._plane)


class _Activity(temporalio.worker.ActivityInboundInterceptor):
    def __init__(
        self,
        next: temporalio.worker.ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
        metrics: Metrics,
        plane: str,
    ) -> None:
        super().__init__(next)
        self._metrics = metrics
        self._plane = plane

    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:  # noqa: A002
        outcome = "ok"
        try:
            return await super().execute_activity(input)
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            operation = activity.info().activity_type
            self._metrics.plane_operation(plane=self._plane, operation=operation, outcome=outcome)


def _outcome(error: BaseException) -> str:
    """A word of a closed set: labels must not grow with codes that vendors choose."""
    if isinstance(error, (asyncio.CancelledError, CancelledError)):
        return "cancelled"
    if not isinstance(error, ApplicationError):
        return "defect"
    if error.category is ApplicationErrorCategory.BENIGN:
        return "not_yet"
    classes = [detail.get("error_class") for detail in error.details if isinstance(detail, dict)]
    return next((one.value.lower() for one in ErrorClass if one.value in classes), "defect")
