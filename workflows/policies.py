"""Every timeout and retry policy by name. Retries of activities have one owner, and it is here (``domain.md`` §12).

Activities raise ``ApplicationError`` with the code of a domain error as type; what cannot be helped by trying again is
raised non-retryable by ``activities/errors.py``. So no policy here lists error types.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy


class Options(TypedDict):
    """Options of an activity on a queue."""

    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy


FOR_EVER = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=30)
)
"""A rollout waits for a database or a plane that is down, and goes on when it is back."""

RECORD: Options = {
    "start_to_close_timeout": timedelta(seconds=10),
    "heartbeat_timeout": None,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=10)
    ),
}
"""Facts and projection: one short transaction. Never a local activity: its facts would not be in history before they
are stored, and a worker killed in between would store others at the same place (ADR 0005)."""

DATABASE: Options = {
    "start_to_close_timeout": timedelta(minutes=2),
    "heartbeat_timeout": None,
    "retry_policy": FOR_EVER,
}
"""Reads and single transactions of the core worker; sealing re-hashes an artifact, hence minutes."""

RESOLVE: Options = {
    "start_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": timedelta(seconds=15),
    "retry_policy": FOR_EVER,
}
"""Reading a plane's inventory, page by page."""

EFFECT: Options = {
    "start_to_close_timeout": timedelta(hours=2),
    "heartbeat_timeout": timedelta(seconds=15),
    "retry_policy": FOR_EVER,
}
"""One effect on a plane; an upload may take an hour, a worker that died is missed within a quarter of a minute."""

OBSERVE: Options = {
    "start_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": timedelta(seconds=6),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
}
"""One look at a plane; the wait between looks is the benign error's own delay, which costs no history.
A look that a dead worker began is missed soon: it only reads, so looking twice does no harm."""
