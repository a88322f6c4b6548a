"""From an HTTP answer, or none, to the error that says what to do about it (``domain.md`` §12).

=====================================  ==============================================
401                                    ``PlaneAuth``
403                                    ``PlanePermission``
404, 410                               ``PlaneNotFound``
409                                    ``PlaneConflict``
400, 405-407, 411-422, 431             ``PlaneInvalid``
408, 425, 500, 502-504, other 5xx      ``PlaneTransient``, or ``UnknownOutcome`` for an effect that is not idempotent
429                                    ``PlaneThrottled``
no connection                          ``PlaneTransient``: nothing was sent
timeout or loss after sending          ``PlaneTransient``, or ``UnknownOutcome`` for an effect that is not idempotent
anything else                          ``PlanePermanent``
=====================================  ==============================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpx

from eucora.domain.errors import (
    PlaneAuth,
    PlaneConflict,
    PlaneError,
    PlaneInvalid,
    PlaneNotFound,
    PlanePermanent,
    PlanePermission,
    PlaneThrottled,
    PlaneTransient,
    UnknownOutcome,
)

__all__ = ["Service", "Trouble", "error_of_exception", "error_of_response", "never_sent"]

_BY_STATUS: Final[dict[int, type[PlaneError]]] = {
    401: PlaneAuth,
    403: PlanePermission,
    404: PlaneNotFound,
    410: PlaneNotFound,
    409: PlaneConflict,
    400: PlaneInvalid,
    **dict.fromkeys(range(405, 408), PlaneInvalid),
    **dict.fromkeys(range(411, 423), PlaneInvalid),
    431: PlaneInvalid,
}
_PASSING: Final = {408, 425}
_TEXT_LIMIT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What a service says of an error: its own code if it has one, a text, and its request id."""

    code: str | None = None
    text: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service by name, and how its error answers are read; ``explain`` must not raise."""

    name: str
    explain: Callable[[httpx.Response], Trouble] = lambda _: Trouble()


def error_of_response(
    response: httpx.Response, service: Service, *, idempotent: bool, retry_after: timedelta | None
) -> PlaneError:
    """The error for an answer of 300 and above; the service's own code becomes the error's where it has one."""
    status = response.status_code
    trouble = service.explain(response)
    sentence = f"{service.name} answered {status}"
    if trouble.text:
        sentence += f": {trouble.text[:_TEXT_LIMIT]}"
    if status == 429:
        return PlaneThrottled(sentence, retry_after=retry_after, request_id=trouble.request_id)
    if status >= 500 or status in _PASSING:
        kind: type[PlaneError] = PlaneTransient if idempotent else UnknownOutcome
        return kind(sentence, request_id=trouble.request_id)
    kind = _BY_STATUS.get(status, PlanePermanent)
    return kind(sentence, code=trouble.code, request_id=trouble.request_id)


def error_of_exception(error: httpx.HTTPError, service: Service, *, idempotent: bool) -> PlaneError:
    """The error for a call that got no usable answer."""
    what = f"{service.name} did not answer: {type(error).__name__}"
    if never_sent(error):
        return PlaneTransient(f"{what}; nothing was sent")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return PlanePermanent(f"the request to {service.name} could not be made: {type(error).__name__}")
    if idempotent:
        return PlaneTransient(what)
    return UnknownOutcome(f"{what}; whether it did what was asked is not known")


def never_sent(error: Exception) -> bool:
    """Whether the request cannot have reached the service."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
