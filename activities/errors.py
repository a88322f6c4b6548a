"""Domain errors as Temporal failures: the one place that says which error is worth another attempt (``domain.md`` §12).

    PlaneThrottled(retry_after)   retried after the delay the plane asked for
    PlaneTransient, Unavailable   retried by the policy's back-off; UnknownOutcome too, and the adapter looks before it
    acts every other EucoraError       not retried; its code is the failure's type, its sentence the message

Messages are bounded, because a failure is kept in the workflow's mutable state (4 KiB, ``temporal.md`` §12).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from eucora.domain.errors import EucoraError, PlaneError, PlaneThrottled, PlaneTransient, Unavailable
from eucora.domain.vocabulary import ErrorClass

LONGEST_MESSAGE = 1000
HEARTBEAT_EVERY = timedelta(seconds=5)


@contextmanager
def as_failures() -> Iterator[None]:
    """Turn ``EucoraError`` raised inside into ``ApplicationError`` with code, sentence, field and error class."""
    try:
        yield
    except EucoraError as error:
        raise failure_of(error) from error


def failure_of(error: EucoraError) -> ApplicationError:
    """Return the failure for one error."""
    retried = isinstance(error, (PlaneTransient, Unavailable))
    delay = error.retry_after if isinstance(error, (PlaneThrottled, Unavailable)) else None
    error_class = error.error_class if isinstance(error, PlaneError) else ErrorClass.PERMANENT
    if retried:
        error_class = ErrorClass.TRANSIENT
    return ApplicationError(
        error.sentence[:LONGEST_MESSAGE],
        {"error_class": error_class.value, "field": error.field or ""},
        type=error.code,
        non_retryable=not retried,
        next_retry_delay=delay,
    )


def not_yet(what: str, delay: float) -> ApplicationError:
    """Return the benign failure that says: look again after ``delay`` seconds. Waiting this way costs no history."""
    return ApplicationError(
        what, type="not_yet", next_retry_delay=timedelta(seconds=delay), category=ApplicationErrorCategory.BENIGN
    )


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Heartbeat while the body runs, so that a dead worker is noticed and a cancellation arrives."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_EVERY.total_seconds())

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
