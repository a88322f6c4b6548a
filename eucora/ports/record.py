"""The port of the record: appends a deployment's facts and keeps its projection, in one transaction.

Contract, held by ``tests/store/test_record.py``:

- A batch continues the stream where it stands: its first fact has the sequence ``head + 1``.
- Appending again what is stored already counts as success and changes nothing, also when only the beginning of the
  batch is stored (the rest is appended) and also when both attempts run at the same time.
- A batch that differs from what is stored, or leaves a gap, is refused whole with :class:`StreamConflict`; nothing of
  it is stored. The stored facts are the truth: a caller that lost its own memory of them reads them with
  :meth:`Record.read`.
- Facts, chain and projection are committed together or not at all; when ``append`` returned they are durable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from eucora.domain.errors import Conflict
from eucora.domain.facts import Fact

__all__ = ["AppendResult", "FactBatch", "Record", "StreamConflict"]


class StreamConflict(Conflict):
    """The stream holds other facts at these sequences, or ends before the batch begins: read it and decide again."""

    code = "stream_conflict"

    def __init__(self, stream: str, *, sequence: int, head: int, why: str) -> None:
        super().__init__(f"{stream} stands at {head}: {why} at sequence {sequence}; read the stream and decide again.")
        self.stream = stream
        self.sequence = sequence
        self.head = head


@dataclass(frozen=True, slots=True, kw_only=True)
class FactBatch:
    """Facts of one deployment, in order. ``first_sequence`` is the sequence of the first one and counts from 1."""

    deployment_id: str
    first_sequence: int
    facts: tuple[Fact, ...]

    def __post_init__(self) -> None:
        if self.first_sequence < 1 or not self.facts:
            raise ValueError(
                f"a batch holds facts and begins at 1 or later, not {len(self.facts)} at {self.first_sequence}"
            )

    @property
    def last_sequence(self) -> int:
        """Sequence of the last fact."""
        return self.first_sequence + len(self.facts) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendResult:
    """Where the stream stands now: ``sequence`` and ``hash`` (hex) of its head; ``appended`` facts were new."""

    sequence: int
    hash: str
    appended: int


@runtime_checkable
class Record(Protocol):
    """The append-only trail of deployments. See the module for the contract."""

    async def append(self, batch: FactBatch) -> AppendResult:
        """Store the batch and update the projection.

        Raises ``StreamConflict``, ``Conflict`` (code ``correlation_id_taken``, first batch only), ``Unavailable``.
        """
        ...

    async def read(self, deployment_id: str, *, after: int = 0) -> tuple[Fact, ...]:
        """The stored facts with a sequence above ``after``, in order; empty for an unknown deployment.

        Raises ``Unavailable``.
        """
        ...
