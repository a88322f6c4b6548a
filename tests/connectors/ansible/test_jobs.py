"""Jobs in the ledger: which hosts are due, who plays them, and what a result changes. No play, no clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eucora.connectors.ansible import jobs
from eucora.connectors.ansible.jobs import JobKind
from eucora.connectors.ansible.processes import ProcessIdentity
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.translate import HostResult, Outcome
from eucora.domain.errors import PlaneNotFound, PlanePermanent

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = timedelta(minutes=15)
DEAD = ProcessIdentity(pid=2**22 + 7, started=1.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prepare()
    return store


@pytest.fixture
def ledger(store: Store) -> Iterator[sqlite3.Connection]:
    with store.change() as connection:
        connection.execute("INSERT INTO object VALUES ('object-1', '{}', ?)", (AT.isoformat(),))
        yield connection


def job(ledger: sqlite3.Connection, *devices: str, kind: JobKind = JobKind.INSTALL, application: str = "editor") -> str:
    return jobs.create(ledger, kind, object_id="object-1", application=application, devices=devices, allowed=3, at=AT)


def play(ledger: sqlite3.Connection, job_id: str, *, limit: int = 10, at: datetime = AT) -> jobs.Batch:
    return jobs.begin_batch(ledger, jobs.get(ledger, job_id), limit=limit, at=at)


def end(ledger: sqlite3.Connection, job_id: str, device: str, outcome: Outcome, *, at: datetime = AT) -> None:
    jobs.record(ledger, job_id, HostResult(host=device, outcome=outcome), retry_after=LATER, at=at)


def shown(ledger: sqlite3.Connection, job_id: str) -> dict[str, tuple[str, int]]:
    rows = jobs.statuses(ledger, job_id, after=None, limit=100)
    return {row.device_id: (row.state.value, row.attempts) for row in rows}


def test_every_host_is_due_until_it_has_a_result(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "b", "a")
    assert jobs.due(ledger, job_id, at=AT) == ("a", "b")
    assert play(ledger, job_id).devices == ("a", "b")
    end(ledger, job_id, "a", Outcome.CHANGED)
    assert jobs.due(ledger, job_id, at=AT) == ("b",)
    assert [unfinished.job_id for unfinished in jobs.unfinished(ledger, at=AT)] == [job_id]
    end(ledger, job_id, "b", Outcome.OK)
    assert jobs.unfinished(ledger, at=AT) == ()
    assert shown(ledger, job_id) == {"a": ("succeeded", 1), "b": ("succeeded", 1)}


def test_batches_are_limited_and_fewest_attempts_come_first(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a", "b", "c")
    assert play(ledger, job_id, limit=2).devices == ("a", "b")
    end(ledger, job_id, "a", Outcome.FAILED)
    end(ledger, job_id, "b", Outcome.OK)
    assert play(ledger, job_id, limit=1).devices == ("c",)


def test_a_failure_is_final_after_the_attempts_allowed_and_retry_gives_one_more(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a")
    for attempt in (1, 2, 3):
        assert jobs.due(ledger, job_id, at=AT) == ("a",)
        play(ledger, job_id)
        end(ledger, job_id, "a", Outcome.FAILED)
        assert shown(ledger, job_id) == {"a": ("failed", attempt)}
    assert jobs.due(ledger, job_id, at=AT) == ()
    jobs.allow_another(ledger, job_id, ("a",))
    assert shown(ledger, job_id) == {"a": ("in_progress", 3)}
    play(ledger, job_id)
    end(ledger, job_id, "a", Outcome.FAILED)
    assert jobs.due(ledger, job_id, at=AT) == ()
    assert shown(ledger, job_id) == {"a": ("failed", 4)}


def test_retry_leaves_a_success_alone_and_refuses_a_host_of_another_job(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a")
    play(ledger, job_id)
    end(ledger, job_id, "a", Outcome.OK)
    jobs.allow_another(ledger, job_id, ("a",))
    assert jobs.due(ledger, job_id, at=AT) == ()
    with pytest.raises(PlaneNotFound, match="'b'"):
        jobs.allow_another(ledger, job_id, ("b",))


@pytest.mark.parametrize("silence", [Outcome.UNREACHABLE, Outcome.NO_RESULT])
def test_silence_is_unknown_uses_no_attempt_and_is_tried_again_later(
    ledger: sqlite3.Connection, silence: Outcome
) -> None:
    job_id = job(ledger, "a")
    play(ledger, job_id)
    end(ledger, job_id, "a", silence)
    assert shown(ledger, job_id) == {"a": ("unknown", 0)}
    assert jobs.due(ledger, job_id, at=AT + LATER - timedelta(seconds=1)) == ()
    assert jobs.due(ledger, job_id, at=AT + LATER) == ("a",)


def test_a_second_word_on_the_same_play_is_ignored(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a")
    play(ledger, job_id)
    end(ledger, job_id, "a", Outcome.CHANGED)
    end(ledger, job_id, "a", Outcome.CHANGED)
    end(ledger, job_id, "a", Outcome.FAILED)
    assert shown(ledger, job_id) == {"a": ("succeeded", 1)}
    (changes,) = ledger.execute("SELECT changes FROM job_device").fetchone()
    assert changes == 1


def test_a_later_command_takes_over_what_an_earlier_one_has_not_done(ledger: sqlite3.Connection) -> None:
    first = job(ledger, "a", "b", "c")
    play(ledger, first, limit=1)
    end(ledger, first, "a", Outcome.OK)
    job(ledger, "a", "b", kind=JobKind.UNINSTALL)
    assert jobs.due(ledger, first, at=AT) == ("c",)
    assert shown(ledger, first) == {"a": ("succeeded", 1), "b": ("unknown", 0), "c": ("in_progress", 0)}


def test_another_application_and_a_detection_take_nothing_over(ledger: sqlite3.Connection) -> None:
    first = job(ledger, "a")
    job(ledger, "a", application="viewer")
    job(ledger, "a", kind=JobKind.DETECT)
    assert jobs.due(ledger, first, at=AT) == ("a",)


def test_a_host_is_played_by_one_living_process_at_a_time(ledger: sqlite3.Connection) -> None:
    first = job(ledger, "a", "b")
    assert jobs.take(ledger, first, ProcessIdentity.current()) is not None
    play(ledger, first)
    second = job(ledger, "b", "c", kind=JobKind.UNINSTALL)
    assert play(ledger, second) == jobs.Batch(devices=("c",), waiting=1)
    end(ledger, first, "b", Outcome.OK)
    assert play(ledger, second).devices == ("b", "c")


def test_a_dead_process_blocks_nobody(ledger: sqlite3.Connection) -> None:
    first = job(ledger, "a")
    jobs.take(ledger, first, DEAD)
    play(ledger, first)
    second = job(ledger, "a", kind=JobKind.UNINSTALL)
    assert play(ledger, second).devices == ("a",)


def test_a_detection_waits_for_what_earlier_commands_have_yet_to_do(ledger: sqlite3.Connection) -> None:
    uninstall = job(ledger, "a", kind=JobKind.UNINSTALL)
    detection = job(ledger, "a", "b", kind=JobKind.DETECT)
    assert play(ledger, detection) == jobs.Batch(devices=("b",), waiting=1)
    play(ledger, uninstall)
    end(ledger, uninstall, "a", Outcome.CHANGED)
    assert "a" in play(ledger, detection).devices


def test_a_job_has_one_process(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a")
    mine = jobs.take(ledger, job_id, ProcessIdentity.current())
    assert mine is not None
    assert jobs.take(ledger, job_id, DEAD) is None
    jobs.release(ledger, job_id)
    again = jobs.take(ledger, job_id, DEAD)
    assert again is not None
    assert (again.starts, again.running) == (2, False)
    assert jobs.take(ledger, job_id, ProcessIdentity.current()) is not None


def test_a_play_that_cannot_be_run_leaves_its_hosts_silent(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a", "b")
    play(ledger, job_id, limit=1)
    end(ledger, job_id, "a", Outcome.OK)
    jobs.give_up(ledger, job_id, "the disk is full", retry_after=LATER, at=AT)
    assert shown(ledger, job_id) == {"a": ("succeeded", 1), "b": ("unknown", 0)}
    assert jobs.due(ledger, job_id, at=AT) == ()
    assert jobs.due(ledger, job_id, at=AT + LATER) == ("b",)


def test_a_removed_assignment_plays_no_host_any_more(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "a", "b")
    play(ledger, job_id, limit=1)
    jobs.remove(ledger, job_id, at=AT)
    end(ledger, job_id, "a", Outcome.CHANGED)  # the play that was under way ends well, and that is the truth
    assert jobs.due(ledger, job_id, at=AT + LATER) == ()
    assert shown(ledger, job_id) == {"a": ("succeeded", 1), "b": ("unknown", 0)}
    assert jobs.get(ledger, job_id).removed


def test_a_detection_counts_a_host_without_an_answer_as_not_clean(ledger: sqlite3.Connection) -> None:
    job_id = job(ledger, "carries", "clean", "silent", kind=JobKind.DETECT)
    play(ledger, job_id)
    for device, carries in {"carries": True, "clean": False}.items():
        result = HostResult(host=device, outcome=Outcome.OK, carries=carries)
        jobs.record(ledger, job_id, result, retry_after=LATER, at=AT)
    end(ledger, job_id, "silent", Outcome.UNREACHABLE)
    assert jobs.not_clean(ledger, job_id) == ("carries", "silent")
    jobs.forget(ledger, job_id)
    with pytest.raises(PlaneNotFound):
        jobs.get(ledger, job_id)


def test_a_job_of_another_kind_is_no_assignment(ledger: sqlite3.Connection) -> None:
    with pytest.raises(PlaneNotFound) as caught:
        jobs.get(ledger, job(ledger, "a", kind=JobKind.UNINSTALL), kind=JobKind.INSTALL)
    assert caught.value.code == "unknown_assignment"


def test_a_change_that_raises_leaves_nothing(store: Store, ledger: sqlite3.Connection) -> None:
    ledger.execute("COMMIT")

    def change() -> None:
        with store.change() as connection:
            job(connection, "a")
            raise KeyError

    with pytest.raises(KeyError):
        change()
    ledger.execute("BEGIN IMMEDIATE")
    assert jobs.unfinished(ledger, at=AT) == ()


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    store.prepare()
    with store.change() as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(PlanePermanent) as caught:
        store.prepare()
    assert caught.value.code == "ledger_version"
