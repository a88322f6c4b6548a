"""Which error is worth another attempt, and what Temporal is told of it (``domain.md`` §12)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities import errors as mapping
from activities.errors import DEFECT_ATTEMPTS, LONGEST_FIELD, LONGEST_MESSAGE, as_failures, heartbeating, not_yet
from eucora.domain import errors as e
from eucora.runtime.client import DATA_CONVERTER

SENTENCE = "the plane says no"
LATER = timedelta(seconds=90)

TABLE: list[tuple[e.EucoraError, str, bool, timedelta | None, str]] = [
    (e.PlaneTransient(SENTENCE), "plane_transient", True, None, "TRANSIENT"),
    (e.PlaneThrottled(SENTENCE, retry_after=LATER), "plane_throttled", True, LATER, "TRANSIENT"),
    (e.PlaneThrottled(SENTENCE, retry_after=None), "plane_throttled", True, None, "TRANSIENT"),
    (e.UnknownOutcome(SENTENCE), "plane_unknown_outcome", True, None, "TRANSIENT"),
    (e.PlanePermanent(SENTENCE), "plane_permanent", False, None, "PERMANENT"),
    (e.PlaneNotFound(SENTENCE), "plane_not_found", False, None, "PERMANENT"),
    (e.PlaneConflict(SENTENCE), "plane_conflict", False, None, "PERMANENT"),
    (e.PlaneInvalid(SENTENCE, code="empty_target"), "empty_target", False, None, "PERMANENT"),
    (e.PlanePolicyViolation(SENTENCE), "plane_policy_violation", False, None, "POLICY_VIOLATION"),
    (e.PlaneAuth(SENTENCE), "plane_auth", False, None, "POLICY_VIOLATION"),
    (e.PlanePermission(SENTENCE), "plane_permission", False, None, "POLICY_VIOLATION"),
    (e.Unavailable(SENTENCE, retry_after=LATER), "unavailable", True, LATER, "TRANSIENT"),
    (e.InvalidInput(SENTENCE), "invalid_input", False, None, "PERMANENT"),
    (e.NotFound(SENTENCE), "not_found", False, None, "PERMANENT"),
    (e.Conflict(SENTENCE), "conflict", False, None, "PERMANENT"),
    (e.Refused(SENTENCE), "refused", False, None, "PERMANENT"),
    (e.Forbidden(SENTENCE), "forbidden", False, None, "PERMANENT"),
]


def raised(error: BaseException, cause: BaseException | None = None) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught, as_failures():
        raise error from cause
    return caught.value


def every_plane_error(known: type[e.PlaneError] = e.PlaneError) -> Iterator[type[e.PlaneError]]:
    yield known
    for below in known.__subclasses__():
        yield from every_plane_error(below)


async def told(failure: ApplicationError) -> Failure:
    """The failure as it enters the history."""
    encoded = Failure()
    await DATA_CONVERTER.encode_failure(failure, encoded)
    return encoded


@pytest.mark.parametrize(
    ("error", "code", "retried", "delay", "error_class"), TABLE, ids=lambda value: getattr(value, "code", None)
)
def test_each_error_becomes_its_failure(
    error: e.EucoraError, code: str, retried: bool, delay: timedelta | None, error_class: str
) -> None:
    failure = raised(error)
    assert (failure.type, failure.message, failure.non_retryable) == (code, SENTENCE, not retried)
    assert failure.next_retry_delay == delay
    assert failure.details == ({"error_class": error_class, "field": ""},)


def test_the_table_above_names_every_error_of_a_plane() -> None:
    assert set(every_plane_error()) - {type(error) for error, *_ in TABLE} == {e.PlaneError}


def test_the_field_at_fault_travels() -> None:
    failure = raised(e.InvalidInput(SENTENCE, field="rings.LAB.targets[0].cohort"))
    assert failure.details[0]["field"] == "rings.LAB.targets[0].cohort"


@pytest.mark.parametrize("letter", ["a", "ä", "\U0001f525"])
def test_messages_are_bounded_in_bytes(letter: str) -> None:
    failure = raised(e.PlanePermanent(letter * 5000, field="f" * 5000))
    assert LONGEST_MESSAGE - 4 < len(failure.message.encode()) <= LONGEST_MESSAGE
    assert failure.message == letter * len(failure.message), "no letter is cut in half"
    assert len(failure.details[0]["field"]) == LONGEST_FIELD


async def test_what_stands_below_an_error_does_not_enter_the_history() -> None:
    cause = RuntimeError("POST https://store.example/?sig=QUJD failed: " + "x" * 5000)
    encoded = await told(raised(e.PlaneTransient(SENTENCE), cause))
    assert not encoded.HasField("cause")
    assert len(encoded.message) <= LONGEST_MESSAGE
    assert "QUJD" not in str(encoded)


@pytest.mark.parametrize(
    "secret",
    [
        "https://store.example/blob?sv=1&sig=QUJDREVG",
        "Authorization: Bearer abc.QUJDREVG",
        "postgresql://eucora:QUJDREVG@127.0.0.1/eucora",
        "client_secret=QUJDREVG",
    ],
)
@pytest.mark.parametrize("make", [e.PlanePermanent, ValueError])
async def test_no_secret_is_in_what_temporal_keeps(make: type[Exception], secret: str) -> None:
    encoded = await told(raised(make(f"cannot reach {secret}")))
    assert ("cannot reach" in encoded.message) == (make is e.PlanePermanent), "nobody knows what stands in a bug's text"
    assert "QUJDREVG" not in str(encoded)


@pytest.mark.parametrize(("attempt", "final"), [(1, False), (DEFECT_ATTEMPTS - 1, False), (DEFECT_ATTEMPTS, True)])
def test_a_defect_is_tried_a_few_times_and_then_final_so_that_it_is_seen(attempt: int, final: bool) -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=attempt)
    failure = environment.run(raised, KeyError("windows"))
    assert (failure.type, failure.non_retryable) == ("defect", final)
    assert "KeyError" in failure.message
    assert "windows" not in failure.message


def test_a_failure_keeps_the_place_where_it_was_raised() -> None:
    def deep() -> None:
        raise e.PlanePermanent(SENTENCE)

    with pytest.raises(ApplicationError) as caught, as_failures():
        deep()
    assert "deep" in [entry.name for entry in caught.traceback]


def test_failures_of_temporal_and_cancellations_pass_untouched() -> None:
    benign = not_yet("wait", 3.0)
    assert raised(benign) is benign
    with pytest.raises(asyncio.CancelledError), as_failures():
        raise asyncio.CancelledError


def test_looking_again_is_benign_and_says_when() -> None:
    failure = not_yet("3 of 5 succeeded", 12.5)
    assert (failure.type, failure.message) == ("not_yet", "3 of 5 succeeded")
    assert failure.category is ApplicationErrorCategory.BENIGN
    assert failure.next_retry_delay == timedelta(seconds=12.5)
    assert not failure.non_retryable


class TestHeartbeating:
    async def test_beats_while_the_body_runs_and_stops_with_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mapping, "HEARTBEAT_EVERY", timedelta())
        env, beats, three = ActivityEnvironment(), [], asyncio.Event()

        def beat(*details: object) -> None:
            beats.append(details)
            if len(beats) == 3:
                three.set()

        env.on_heartbeat = beat

        async def body() -> int:
            async with heartbeating():
                await three.wait()
            return len(beats)

        stopped_at = await env.run(body)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(beats) == stopped_at
        assert beats[0] == ()

    async def test_an_error_of_the_body_passes(self) -> None:
        async def body() -> None:
            async with heartbeating():
                raise e.PlanePermanent(SENTENCE)

        with pytest.raises(e.PlanePermanent):
            await ActivityEnvironment().run(body)

    async def test_a_cancellation_reaches_the_body(self) -> None:
        env, began = ActivityEnvironment(), asyncio.Event()

        async def body() -> None:
            with as_failures():
                async with heartbeating():
                    began.set()
                    await asyncio.Event().wait()

        running = asyncio.ensure_future(env.run(body))
        await began.wait()
        env.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
