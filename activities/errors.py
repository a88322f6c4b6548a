"""Domain errors as Temporal failures: the one place that says which error is worth another attempt (``domain.md`` §12).

    PlaneThrottled(retry_after)   retried after the delay the plane asked for
    PlaneTransient, Unavailable   retried by the policy's back-off; UnknownOutcome too: the adapter looks before it acts
    every other EucoraError       not retried; its code is the failure's type, its sentence the message
    any other exception           a defect or a disk: retried, its class is the failure's type

A failure is kept in the workflow's mutable state (4 KiB, ``temporal.md`` §12) and in its history for good. So messages
are bounded and redacted, and the exceptions below them, whose texts are a vendor's or a driver's, go to the log alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError

from eucora.domain.errors import EucoraError, PlaneError, PlaneThrottled, PlaneTransient, Unavailable
from eucora.domain.vocabulary import ErrorClass
from eucora.observability import redact_text

LONGEST_MESSAGE = 1000
"""Bytes of UTF-8 kept of a failure's message."""
LONGEST_FIELD = 200
HEARTBEAT_EVERY = timedelta(seconds=2)
DEFECT_ATTEMPTS = 5
"""Attempts of an activity that fails on a bug, before the failure is final and becomes a fact or stops its workflow."""

log = structlog.get_logger(__name__)


@contextmanager
def as_failures() -> Iterator[None]:
    """Turn what is raised inside into ``ApplicationError``: code, sentence, field and error class, and no cause.

    Failures of Temporal's own and cancellations pass as they are.
    """
    try:
        yield
    except FailureError:
        raise
    except EucoraError as error:
        log.warning("activity.refused", code=error.code, exc_info=None if error.__cause__ is None else error)
        raise failure_of(error).with_traceback(error.__traceback__) from None
    except Exception as error:
        log.exception("activity.defect", type=type(error).__name__)
        raise _defect(error).with_traceback(error.__traceback__) from None


def failure_of(error: EucoraError) -> ApplicationError:
    """Return the failure for one error."""
    retried = isinstance(error, (PlaneTransient, Unavailable))
    delay = error.retry_after if isinstance(error, (PlaneThrottled, Unavailable)) else None
    error_class = error.error_class if isinstance(error, PlaneError) else ErrorClass.PERMANENT
    if retried:
        error_class = ErrorClass.TRANSIENT
    return ApplicationError(
        _bounded(error.sentence, LONGEST_MESSAGE),
        {"error_class": error_class.value, "field": _bounded(error.field or "", LONGEST_FIELD)},
        type=error.code,
        non_retryable=not retried,
        next_retry_delay=delay,
    )


def _defect(error: Exception) -> ApplicationError:
    """A bug of ours: tried a few times, because a bad moment can look like one, then final, so that it is seen.

    Its text stays in the log: nobody knows what stands in it.
    """
    last = activity.in_activity() and activity.info().attempt >= DEFECT_ATTEMPTS
    return ApplicationError(
        f"a defect of eucora ({type(error).__name__}); the worker's log has the rest",
        {"error_class": (ErrorClass.PERMANENT if last else ErrorClass.TRANSIENT).value, "field": ""},
        type="defect",
        non_retryable=last,
    )


def _bounded(text: str, size: int) -> str:
    return redact_text(text).encode(errors="replace")[:size].decode(errors="ignore")


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
            await asyncio.sleep(HEARTBEAT_EVERY.total_seconds())  # most activities end before the first one
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # a cancellation of the activity that comes here is not swallowed
