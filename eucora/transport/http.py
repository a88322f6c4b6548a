"""One HTTP client for all connectors: correlation ids, timeouts, and a bounded second try.

Retries have one owner, Temporal (``domain.md`` §12). What is retried here ends well below a call's time limit:

- 429, of any call: it was not handled. The wait is ``Retry-After`` (RFC 9110 §10.2.3) where given.
- a connection that could not be made, of any call; one that broke, of a call that changes nothing.

Everything else leaves as a ``PlaneError`` (``errors.py``). An effect whose answer is lost is never sent again here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from eucora.transport.errors import Service, error_of_exception, error_of_response, never_sent

__all__ = ["CORRELATION_HEADER", "HttpClient", "HttpOptions", "bound_correlation_id", "retry_after"]

CORRELATION_HEADER: Final = "X-Correlation-ID"
MIB: Final = 1024 * 1024


def bound_correlation_id() -> str | None:
    """The correlation id that logging has bound for this task, if any."""
    value = structlog.contextvars.get_contextvars().get("correlation_id")
    return None if value is None else str(value)


def retry_after(response: httpx.Response, *, now: datetime) -> timedelta | None:
    """How long the answer asks to wait: seconds, maybe fractional, or an HTTP date; None when absent or unreadable."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return timedelta(seconds=max(0.0, min(seconds, 86_400.0))) if seconds == seconds else None  # noqa: PLR0124 - NaN


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Limits of a client. ``attempts`` counts tries of one call, ``patience`` bounds the sum of waits between them."""

    connect_timeout: timedelta = timedelta(seconds=5)
    answer_timeout: timedelta = timedelta(seconds=30)
    attempts: int = 3
    patience: timedelta = timedelta(seconds=10)
    first_wait: timedelta = timedelta(milliseconds=200)
    """Wait before the second try when the service names none; doubles with each try."""
    connections: int = 8
    headers: Mapping[str, str] = field(default_factory=dict)


class _Again(Exception):
    """This try failed in a way that may be tried again, after ``wait`` if the service named one."""

    def __init__(self, cause: Exception, wait: timedelta | None) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.wait = wait


class HttpClient:
    """Sends requests of one service and turns every failure into a ``PlaneError``. Reuses its connections."""

    def __init__(
        self,
        service: Service,
        *,
        base_url: str,
        options: HttpOptions | None = None,
        correlation_id: Callable[[], str | None] = bound_correlation_id,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service = service
        self._options = options or HttpOptions()
        self._correlation_id = correlation_id
        self._sleep = sleep
        self._now = now
        limit = self._options.connections
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=dict(self._options.headers),
            timeout=httpx.Timeout(
                self._options.answer_timeout.total_seconds(), connect=self._options.connect_timeout.total_seconds()
            ),
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def read(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a call that changes nothing; ``arguments`` are httpx's. Returns an answer below 300 only."""
        return await self._send(method, path, changes=False, idempotent=True, arguments=arguments)

    async def effect(self, method: str, path: str, *, idempotent: bool, **arguments: Any) -> httpx.Response:
        """Send a call that changes something.

        ``idempotent`` says whether the service applies it once however often it is sent. Where it does not, a lost
        answer is ``UnknownOutcome``: look by marker before sending it again.
        """
        return await self._send(method, path, changes=True, idempotent=idempotent, arguments=arguments)

    async def upload(self, path: str, content: Callable[[], AsyncIterable[bytes]], **arguments: Any) -> httpx.Response:
        """PUT content that ``content`` streams anew for each try; putting the same bytes twice changes nothing."""
        return await self._send("PUT", path, changes=True, idempotent=True, arguments=arguments, content=content)

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        await self._client.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        changes: bool,
        idempotent: bool,
        arguments: dict[str, Any],
        content: Callable[[], AsyncIterable[bytes]] | None = None,
    ) -> httpx.Response:
        tries = AsyncRetrying(
            retry=retry_if_exception_type(_Again), stop=self._stop, wait=self._wait, sleep=self._sleep, reraise=True
        )
        try:
            async for attempt in tries:
                with attempt:
                    body = {} if content is None else {"content": content()}
                    return await self._once(
                        method, path, changes=changes, idempotent=idempotent, arguments={**arguments, **body}
                    )
        except _Again as again:
            raise again.cause from again.cause.__cause__
        raise AssertionError("tenacity ends with a result or an exception")

    def _wait(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        named = failure.wait if isinstance(failure, _Again) else None
        pause = self._options.first_wait * 2 ** (state.attempt_number - 1) if named is None else named
        return pause.total_seconds()

    def _stop(self, state: RetryCallState) -> bool:
        waits = timedelta(seconds=state.idle_for + state.upcoming_sleep)
        return state.attempt_number >= self._options.attempts or waits > self._options.patience

    async def _once(
        self, method: str, path: str, *, changes: bool, idempotent: bool, arguments: dict[str, Any]
    ) -> httpx.Response:
        headers = dict(arguments.pop("headers", {}))
        if (correlation_id := self._correlation_id()) is not None:
            headers.setdefault(CORRELATION_HEADER, correlation_id)
        try:
            response = await self._client.request(method, path, headers=headers, **arguments)
        except httpx.HTTPError as error:
            mapped = error_of_exception(error, self._service, idempotent=idempotent)
            mapped.__cause__ = error
            broken = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
            if broken and (not changes or never_sent(error)):
                raise _Again(mapped, None) from mapped
            raise mapped from error
        if response.status_code < 300:
            return response
        pause = retry_after(response, now=self._now())
        refused = error_of_response(response, self._service, idempotent=idempotent, retry_after=pause)
        if response.status_code == 429:
            raise _Again(refused, pause)
        raise refused
