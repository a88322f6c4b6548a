"""One second try where it is safe, and the right error everywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog

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
from eucora.transport.errors import Service, Trouble
from eucora.transport.http import CORRELATION_HEADER, HttpClient, HttpOptions, retry_after

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SERVICE = Service(
    name="the example service",
    explain=lambda response: Trouble(code="their_code", text=response.text, request_id=response.headers.get("Request")),
)
Answer = httpx.Response | Exception


class Script:
    """A service that gives the answers of a list, the last one for ever, and what it was asked."""

    def __init__(self, *answers: Answer | Callable[[httpx.Request], httpx.Response]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.waits: list[float] = []

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def client(self, **options: object) -> HttpClient:
        return HttpClient(
            SERVICE,
            base_url="http://service.test",
            options=HttpOptions(**options),  # type: ignore[arg-type]  # fields by name
            transport=httpx.MockTransport(self.handle),
            sleep=self.sleep,
            now=lambda: NOW,
        )


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, text="why")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, PlanePermanent),
        (400, PlaneInvalid),
        (401, PlaneAuth),
        (403, PlanePermission),
        (404, PlaneNotFound),
        (408, PlaneTransient),
        (409, PlaneConflict),
        (410, PlaneNotFound),
        (413, PlaneInvalid),
        (418, PlaneInvalid),
        (422, PlaneInvalid),
        (423, PlanePermanent),
        (500, PlaneTransient),
        (503, PlaneTransient),
        (504, PlaneTransient),
    ],
)
async def test_an_answer_becomes_the_error_that_says_what_to_do(status: int, kind: type[PlaneError]) -> None:
    script = Script(answer(status, Request="r-1"))
    with pytest.raises(PlaneError) as caught:
        await script.client().read("GET", "/x")
    assert type(caught.value) is kind
    assert caught.value.request_id == "r-1"
    assert str(status) in caught.value.sentence
    assert len(script.requests) == 1


async def test_the_services_own_code_is_kept_where_the_error_is_final() -> None:
    with pytest.raises(PlaneNotFound) as final:
        await Script(answer(404)).client().read("GET", "/x")
    assert final.value.code == "their_code"
    with pytest.raises(PlaneTransient) as passing:
        await Script(answer(503)).client().read("GET", "/x")
    assert passing.value.code == "plane_transient"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_leaves_the_outcome_of_a_plain_effect_unknown(status: int) -> None:
    with pytest.raises(UnknownOutcome):
        await Script(answer(status)).client().effect("POST", "/x", idempotent=False)
    with pytest.raises(PlaneTransient) as caught:
        await Script(answer(status)).client().effect("POST", "/x", idempotent=True)
    assert not isinstance(caught.value, UnknownOutcome)


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("late"), httpx.ReadError("reset"), httpx.RemoteProtocolError("cut")]
)
async def test_an_effect_whose_answer_is_lost_is_not_sent_again(error: httpx.TransportError) -> None:
    plain, keyed = Script(error), Script(error)
    with pytest.raises(UnknownOutcome):
        await plain.client().effect("POST", "/x", idempotent=False)
    with pytest.raises(PlaneTransient) as caught:
        await keyed.client().effect("POST", "/x", idempotent=True)
    assert not isinstance(caught.value, UnknownOutcome)
    assert len(plain.requests) == len(keyed.requests) == 1


async def test_an_effect_that_never_left_is_sent_again() -> None:
    script = Script(httpx.ConnectError("refused"), answer(201))
    assert (await script.client().effect("POST", "/x", idempotent=False)).status_code == 201
    assert len(script.requests) == 2


async def test_an_effect_that_can_never_leave_is_transient_and_known_not_to_be_done() -> None:
    with pytest.raises(PlaneTransient) as caught:
        await Script(httpx.ConnectError("refused")).client().effect("POST", "/x", idempotent=False)
    assert not isinstance(caught.value, UnknownOutcome)
    assert "nothing was sent" in caught.value.sentence


async def test_a_reading_survives_a_broken_connection() -> None:
    script = Script(httpx.RemoteProtocolError("cut"), httpx.ReadError("reset"), answer(200))
    assert (await script.client().read("GET", "/x")).status_code == 200
    assert script.waits == [0.2, 0.4]


async def test_a_reading_is_tried_no_more_often_than_allowed() -> None:
    script = Script(httpx.ReadError("reset"))
    with pytest.raises(PlaneTransient):
        await script.client(attempts=4).read("GET", "/x")
    assert len(script.requests) == 4


async def test_a_reading_that_timed_out_is_not_tried_again() -> None:
    script = Script(httpx.ReadTimeout("late"))
    with pytest.raises(PlaneTransient):
        await script.client().read("GET", "/x")
    assert len(script.requests) == 1


async def test_a_throttled_call_waits_as_long_as_it_is_told() -> None:
    script = Script(answer(429, **{"Retry-After": "2.5"}), answer(201))
    assert (await script.client().effect("POST", "/x", idempotent=False)).status_code == 201
    assert script.waits == [2.5]


async def test_patience_ends_and_the_wait_is_passed_on() -> None:
    script = Script(answer(429, **{"Retry-After": "60"}))
    with pytest.raises(PlaneThrottled) as caught:
        await script.client().read("GET", "/x")
    assert caught.value.retry_after == timedelta(seconds=60)
    assert script.waits == []


async def test_patience_bounds_the_sum_of_waits() -> None:
    script = Script(answer(429, **{"Retry-After": "4"}))
    with pytest.raises(PlaneThrottled):
        await script.client(attempts=9, patience=timedelta(seconds=10)).read("GET", "/x")
    assert script.waits == [4.0, 4.0]


async def test_throttling_without_a_wait_is_tried_again_and_then_passed_on() -> None:
    script = Script(answer(429))
    with pytest.raises(PlaneThrottled) as caught:
        await script.client().read("GET", "/x")
    assert caught.value.retry_after is None
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3", timedelta(seconds=3)),
        ("0.5", timedelta(seconds=0.5)),
        ("-1", timedelta()),
        ("Mon, 02 Nov 2026 09:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 02 Nov 2026 08:00:00 GMT", timedelta()),
        ("inf", timedelta(days=1)),
        ("nan", None),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: timedelta | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": value}), now=NOW) == expected


async def test_an_upload_streams_anew_for_each_try() -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    script = Script(answer(429, **{"Retry-After": "1"}), answer(200))
    await script.client().upload("/blob", content)
    assert script.bodies == [b"onetwo", b"onetwo"]


async def test_the_correlation_id_of_the_task_goes_with_every_call() -> None:
    script = Script(answer(200))
    client = script.client()
    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        await client.read("GET", "/x")
    await client.read("GET", "/x")
    await client.read("GET", "/x", headers={CORRELATION_HEADER: "given"})
    assert [request.headers.get(CORRELATION_HEADER) for request in script.requests] == ["c-1", None, "given"]


async def test_a_cancelled_call_is_cancelled() -> None:
    entered = asyncio.Event()

    async def never(request: httpx.Request) -> httpx.Response:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    client = HttpClient(SERVICE, base_url="http://service.test", transport=httpx.MockTransport(never))
    task = asyncio.ensure_future(client.read("GET", "/x"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_the_service_says_is_bounded() -> None:
    with pytest.raises(PlaneInvalid) as caught:
        await Script(httpx.Response(422, text="x" * 10_000)).client().read("GET", "/x")
    assert len(caught.value.sentence) < 600
