"""Effects by key, the ledger that shows them, and the command that prints it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eucora.connectors.ansible import effects, jobs, ledger
from eucora.connectors.ansible.effects import Carried, Request
from eucora.connectors.ansible.jobs import JobKind
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.translate import HostResult, Outcome
from eucora.domain.errors import PlaneConflict, PlaneNotFound
from eucora.domain.vocabulary import Operation
from eucora.ports.plane import EffectKey
from tests.connectors.ansible.worlds import key, wheel

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
REQUEST: Request = {"devices": ["a"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "ansible")
    store.prepare()
    return store


def carry_out(store: Store, effect: EffectKey, work: Callable[[], Carried], *, request: Request = REQUEST) -> Carried:
    with store.change() as connection:
        return effects.carry_out_once(connection, effect, request, work, correlation_id="corr-1", at=AT)


def must_not_run() -> Carried:
    pytest.fail("carried out a second time")


def install(store: Store, effect: EffectKey) -> str:
    """Record an installation on one host."""
    package, _ = wheel("1.0.0")
    with store.change() as connection:
        effects.keep_object(connection, "object-1", package, at=AT)
        job_id = jobs.create(
            connection, JobKind.INSTALL, object_id="object-1", application="Greeter", devices=("a",), allowed=3, at=AT
        )
    carry_out(store, effect, lambda: Carried(outcome={"job_id": job_id}, job_id=job_id))
    return job_id


def test_the_first_answer_is_everyones_answer(store: Store) -> None:
    effect = key(Operation.PUBLISH)
    first = carry_out(store, effect, lambda: Carried(outcome={"object_id": "o"}))
    assert carry_out(store, effect, must_not_run) == first
    (entry,) = ledger.read_ledger(store.path.parent)
    assert (entry.key, entry.received, entry.applied) == (str(effect), 2, 1)
    assert entry.correlation_id == "corr-1"


def test_keys_that_differ_in_anything_are_effects_of_their_own(store: Store) -> None:
    effect = key(Operation.PUBLISH)
    others = [
        replace(effect, deployment_id="dep-2"),
        replace(effect, ring="CANARY"),
        replace(effect, plane="other"),
        replace(effect, operation=Operation.ASSIGN),
        replace(effect, revision=2),
    ]
    for one in (effect, *others):
        carry_out(store, one, lambda: Carried(outcome={}))
    assert [entry.received for entry in ledger.read_ledger(store.path.parent)] == [1] * 6


def test_one_key_stands_for_one_request(store: Store) -> None:
    carry_out(store, key(Operation.ASSIGN), lambda: Carried(outcome={}))
    with pytest.raises(PlaneConflict) as caught:
        carry_out(store, key(Operation.ASSIGN), must_not_run, request={"devices": ["a", "b"]})
    assert caught.value.code == "key_reused"


def test_an_effect_that_cannot_be_carried_out_is_not_recorded(store: Store) -> None:
    def refuse() -> Carried:
        raise PlaneNotFound("no such object")

    with pytest.raises(PlaneNotFound):
        carry_out(store, key(Operation.ASSIGN), refuse)
    assert ledger.read_ledger(store.path.parent) == ()


@pytest.mark.parametrize(("changed", "applied"), [(0, 1), (1, 1), (2, 2)])
def test_a_host_changed_twice_for_one_key_is_a_duplicate(store: Store, changed: int, applied: int) -> None:
    effect = key(Operation.ASSIGN)
    job_id = install(store, effect)
    for _ in range(changed):
        with store.change() as connection:
            connection.execute("UPDATE job_device SET state = 'in_progress'")  # as if it had not been recorded
            jobs.begin_batch(connection, jobs.get(connection, job_id), limit=1, at=AT)
            result = HostResult(host="a", outcome=Outcome.CHANGED)
            jobs.record(connection, job_id, result, retry_after=timedelta(0), at=AT)
    entries = ledger.read_ledger(store.path.parent)
    assert [(entry.applied, entry.plays) for entry in entries] == [(applied, changed)]
    assert bool(ledger.duplicates(entries)) == (applied > 1)


def test_an_object_is_kept_once_and_read_back(store: Store) -> None:
    package, _ = wheel("1.0.0")
    with store.change() as connection:
        assert not effects.keep_object(connection, "object-1", package, at=AT)
        assert effects.keep_object(connection, "object-1", package, at=AT)
        assert effects.object_of(connection, "object-1") == package
        with pytest.raises(PlaneNotFound) as caught:
            effects.object_of(connection, "object-2")
    assert caught.value.code == "unknown_object"


class TestCommand:
    def test_prints_every_effect_as_json(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        install(store, key(Operation.ASSIGN))
        assert ledger.main(["--state", str(store.path.parent.parent), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["plane"], report["duplicates"]) == ("ansible", 0)
        assert [effect["operation"] for effect in report["effects"]] == ["assign"]

    def test_a_duplicate_is_its_exit_status(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        install(store, key(Operation.ASSIGN))
        with store.change() as connection:
            connection.execute("UPDATE job_device SET changes = 2")
        assert ledger.main(["--state", str(store.path.parent.parent)]) == 1
        assert "applied 2" in capsys.readouterr().out

    def test_of_a_plane_that_has_no_ledger_is_empty(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main(["--state", str(tmp_path), "--plane", "none"]) == 0
        assert capsys.readouterr().out == ""
        assert ledger.main(["--state", str(tmp_path), "--plane", "none", "--end-jobs"]) == 0
        assert "0 processes" in capsys.readouterr().out
