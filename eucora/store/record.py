"""The record on Postgres: facts, chain and projection in one transaction, in two round trips.

The first locks the head of the stream and reads where it stands. The second inserts the events (which advances the
head, see ``migrations/versions/0001_record.sql``), writes the rows that changed, and commits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple, cast

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from eucora.domain.errors import Conflict
from eucora.domain.facts import DeploymentCreated, Fact, PlaneObserved
from eucora.domain.rollout import begin, evolve, fold
from eucora.domain.state import RolloutState
from eucora.ports.record import AppendResult, FactBatch, StreamConflict
from eucora.store import projection, statements
from eucora.store.chain import GENESIS, Draft, Event, chain, deployment_stream, draft, fact_of
from eucora.store.engine import Database
from models.messages.codec import state_from_text, state_to_text

__all__ = ["PostgresRecord"]

REMEMBERED_STATES = 1024
"""Deployments whose newest state is kept in memory, so that it is not read and parsed again for every batch."""

Connection = AsyncConnection[tuple[object, ...]]


class _Head(NamedTuple):
    month: date
    length: int
    hash: str


class PostgresRecord:
    """``eucora.ports.record.Record`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._states = _States(REMEMBERED_STATES)

    async def append(self, batch: FactBatch) -> AppendResult:
        stream = deployment_stream(batch.deployment_id)
        async with self._database.driver() as connection:
            head, state = await self._open(connection, stream, batch.deployment_id)
            correlation_id = _correlation_id(batch, state, stream, head)
            drafts = [draft(fact, correlation_id=correlation_id) for fact in batch.facts]
            known = await _stored(connection, stream, batch, drafts, head)
            if known == len(drafts):
                return AppendResult(sequence=head.length, hash=head.hash, appended=0)
            new = batch.facts[known:]
            events = chain(stream, drafts[known:], after=head.length, previous=head.hash)
            after = _fold(state, new)
            writes = list(
                _writes(state, after, {event.sequence: fact for event, fact in zip(events, new, strict=True)})
            )
            try:
                async with connection.pipeline():
                    await connection.execute(
                        statements.INSERT_EVENTS, _event_arrays(stream, head.month, after.plan.scope.tenant, events)
                    )
                    for statement, row in writes:
                        await connection.execute(statement, statements.parameters(row))
                    await connection.commit()
            except UniqueViolation as error:
                if error.diag.constraint_name != "deployment_correlation_id_key":
                    raise
                sentence = f"The correlation id {correlation_id} belongs to another deployment; send another one."
                raise Conflict(sentence, code="correlation_id_taken", field="correlation_id") from error
        self._states.put(stream, events[-1].hash, after)
        return AppendResult(sequence=events[-1].sequence, hash=events[-1].hash, appended=len(events))

    async def read(self, deployment_id: str, *, after: int = 0) -> tuple[Fact, ...]:
        async with self._database.driver() as connection:
            return await _read(connection, deployment_stream(deployment_id), after)

    async def _open(self, connection: Connection, stream: str, deployment_id: str) -> tuple[_Head, RolloutState | None]:
        """Lock the stream and return where it stands with the fold of its facts, None when it has none."""
        remembered = self._states.known(stream)
        async with connection.pipeline():
            opened = await connection.execute(statements.OPEN_STREAM, {"stream": stream})
            stored = None if remembered else await connection.execute(statements.READ_STATE, {"id": deployment_id})
            row = await opened.fetchone()
            found = None if stored is None else await stored.fetchone()
        if row is None:
            raise RuntimeError("open_stream answers with one row")
        head = _Head(*cast("tuple[date, int, str]", row))
        if head.length == 0:
            return head, None
        state = self._states.get(stream, head.hash)
        if state is not None:
            return head, state
        if found is None:
            found = await (await connection.execute(statements.READ_STATE, {"id": deployment_id})).fetchone()
        state = _folded(found, head)
        # What is projected may be of another head or of another release: the record is what counts.
        return head, state if state is not None else fold(await _read(connection, stream, 0))


class _States:
    """The newest state of some streams, each under the hash of the head that it folds; the least used goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._states: OrderedDict[str, tuple[str, RolloutState]] = OrderedDict()

    def known(self, stream: str) -> bool:
        return stream in self._states

    def get(self, stream: str, head_hash: str) -> RolloutState | None:
        entry = self._states.get(stream)
        if entry is None or entry[0] != head_hash:
            return None
        self._states.move_to_end(stream)
        return entry[1]

    def put(self, stream: str, head_hash: str, state: RolloutState) -> None:
        if state.final:
            self._states.pop(stream, None)
            return
        self._states[stream] = (head_hash, state)
        self._states.move_to_end(stream)
        while len(self._states) > self._size:
            self._states.popitem(last=False)


def _correlation_id(batch: FactBatch, state: RolloutState | None, stream: str, head: _Head) -> str:
    if state is not None:
        return state.plan.correlation_id
    first = batch.facts[0]
    if batch.first_sequence != 1 or not isinstance(first, DeploymentCreated):
        raise StreamConflict(stream, sequence=batch.first_sequence, head=head.length, why="the batch does not begin it")
    if first.plan.deployment_id != batch.deployment_id:
        raise StreamConflict(stream, sequence=1, head=head.length, why="the plan is of another deployment")
    return first.plan.correlation_id


async def _stored(connection: Connection, stream: str, batch: FactBatch, drafts: Sequence[Draft], head: _Head) -> int:
    """How many of the batch's first facts are stored already, exactly as given. Raises ``StreamConflict``."""
    if batch.first_sequence > head.length + 1:
        raise StreamConflict(stream, sequence=batch.first_sequence, head=head.length, why="there is a gap")
    count = min(batch.last_sequence, head.length) - batch.first_sequence + 1
    if count == 0:
        return 0
    span = {"stream": stream, "first": batch.first_sequence, "last": batch.first_sequence + count - 1}
    rows = cast("list[tuple[str, str]]", await (await connection.execute(statements.READ_HASHES, span)).fetchall())
    previous = rows[0][0] if rows else GENESIS
    expected = chain(stream, drafts[:count], after=batch.first_sequence - 1, previous=previous)
    for index, event in enumerate(expected):
        if index >= len(rows) or rows[index][1] != event.hash:
            raise StreamConflict(stream, sequence=event.sequence, head=head.length, why="another fact is stored")
    return count


def _folded(row: tuple[object, ...] | None, head: _Head) -> RolloutState | None:
    """The projected state if it is of this head and can be read, else None."""
    if row is None or row[0] != head.length:
        return None
    try:
        return state_from_text(cast("str", row[1]))
    except ValueError:
        return None


async def _read(connection: Connection, stream: str, after: int) -> tuple[Fact, ...]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statements.READ_EVENTS, {"stream": stream, "after": after})
        return tuple([fact_of(row) async for row in cursor])


def _fold(state: RolloutState | None, facts: Sequence[Fact]) -> RolloutState:
    for fact in facts:
        if state is None:
            if not isinstance(fact, DeploymentCreated):
                raise TypeError(f"a deployment's stream begins with DEPLOYMENT_CREATED, not {fact.type}")
            state = begin(fact)
        else:
            state = evolve(state, fact)
    if state is None:
        raise ValueError("no facts to fold")
    return state


def _event_arrays(stream: str, month: date, tenant: str, events: Sequence[Event]) -> dict[str, Any]:
    drafts = [event.draft for event in events]
    return {
        "month": month,
        "stream": stream,
        "tenant": tenant,
        "correlation_id": drafts[0].correlation_id,
        "sequence": [event.sequence for event in events],
        "type": [one.type for one in drafts],
        "actor": [one.actor for one in drafts],
        "role": [one.role for one in drafts],
        "at": [one.at for one in drafts],
        "ring": [one.ring for one in drafts],
        "plane": [one.plane for one in drafts],
        "payload": [one.payload for one in drafts],
        "error_class": [one.error_class for one in drafts],
        "previous_hash": [event.previous_hash for event in events],
        "hash": [event.hash for event in events],
    }


def _writes(
    before: RolloutState | None, after: RolloutState, facts: dict[int, Fact]
) -> Iterable[tuple[str, projection.Row]]:
    """The statements that bring the projection from one state to the next, rows that did not change left out."""
    last = next(reversed(facts.values()))
    yield statements.UPSERT_DEPLOYMENT, projection.deployment_row(after, last=last, state_json=state_to_text(after))
    for statement, rows in (
        (statements.UPSERT_RING, projection.ring_rows),
        (statements.UPSERT_PLANE, projection.plane_rows),
        (statements.UPSERT_HOLD, projection.hold_rows),
        (statements.UPSERT_REVIEW, projection.review_rows),
    ):
        old = rows(before) if before is not None else {}
        for key, row in rows(after).items():
            if old.get(key) != row:
                yield statement, row
    if before is not None:
        kept = projection.hold_rows(after)
        for key, row in projection.hold_rows(before).items():
            if key not in kept:
                yield statements.DELETE_HOLD, row
    for fact in facts.values():
        if isinstance(fact, PlaneObserved):
            where = {"deployment_id": after.plan.deployment_id, "ring": fact.ring, "plane": fact.plane}
            yield statements.OBSERVE, {**where, **projection.live_row(fact.figures), "observed_at": fact.at}
    for row in projection.vote_rows(after, facts):
        yield statements.INSERT_VOTE, row
