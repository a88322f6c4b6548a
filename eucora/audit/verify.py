"""Verification of an export with no server: hashes, chains, folds, decisions, documents (``domain.md`` §8).

Every event is hashed again. Every deployment's stream is folded and decided again with the functions that made it
(``eucora.domain.audit``). Every risk assessment is derived again from its inputs, every evidence pack hashed again.
The first thing that does not hold is named and ends the verification. One stream is in memory at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from eucora.audit.documents import Documents
from eucora.audit.lines import FORMAT, parse_line, split_event
from eucora.audit.report import Problem, VerifyReport
from eucora.domain.audit import first_unfounded
from eucora.domain.facts import DeploymentCreated, EvidenceResealed, EvidenceSealed, Fact, RiskAssessed
from eucora.evidence.canonical import canonical_json, sha256_hex
from eucora.store.chain import GENESIS, MEMBERS, deployment_stream, fact_of

__all__ = ["verify", "verify_file"]

_DEPLOYMENT = deployment_stream("")
_MEMBERS = frozenset(MEMBERS)


def verify_file(path: Path) -> VerifyReport:
    """Verify an export file. Raises ``OSError`` when it cannot be read."""
    with path.open("rb") as file:
        return verify(file)


def verify(lines: Iterable[bytes]) -> VerifyReport:
    """Verify the lines of an export, each with its line end."""
    run = _Verification()
    problem: Problem | None = None
    for number, line in enumerate(lines, 1):
        try:
            problem = run.line(line, number)
        except (ValueError, KeyError, TypeError) as error:
            problem = _of_file(f"line {number} is not a line of an export: {error}")
        if problem is not None:
            break
    if problem is None:
        problem = run.end()
    return VerifyReport(
        ok=problem is None,
        streams=run.streams,
        events=run.events,
        decided=run.decided,
        assessments=run.documents.assessments,
        packs=run.documents.packs,
        whole=run.whole,
        first_problem=problem,
    )


class _Verification:
    """One pass over the lines; every method returns the problem that it finds, or None."""

    def __init__(self) -> None:
        self.streams = 0
        self.events = 0
        self.decided = 0
        self.whole = False
        self.documents = Documents()
        self._content = hashlib.sha256()
        self._finished = False
        self._seen: set[str] = set()
        self._stream = ""
        self._sequence = 0
        self._hash = GENESIS
        self._facts: list[Fact] = []

    def line(self, line: bytes, number: int) -> Problem | None:
        if self._finished:
            return _of_file(f"line {number} stands behind the footer")
        if (found := split_event(line)) is not None and number > 1:
            self._content.update(line)
            return self._event(*found)
        value = parse_line(line)
        if number == 1:
            self._content.update(line)
            return self._header(value)
        if "footer" in value:
            return self._footer(value["footer"])
        self._content.update(line)
        if "head" in value:
            return self._head(value["head"])
        if "document" in value:
            return self.documents.read(value["kind"], value["digest"], value["document"])
        if "event" in value:
            return self._event(canonical_json(value["event"]), value["hash"])
        return _of_file(f"line {number} says nothing that an export says")

    def end(self) -> Problem | None:
        return None if self._finished else _of_file("the file ends without a footer: it was cut short")

    def _header(self, value: dict[str, Any]) -> Problem | None:
        if value.get("format") != FORMAT:
            return _of_file(f"this is no export of format {FORMAT}")
        self.whole = value.get("whole") is True
        return None

    def _event(self, raw: bytes, claimed: str) -> Problem | None:
        event = json.loads(raw)
        if event.keys() != _MEMBERS:
            return _of_file(f"an event has the members {', '.join(sorted(event))}")
        stream, sequence = event["stream"], event["sequence"]

        def problem(why: str) -> Problem:
            return Problem(stream=stream, sequence=sequence, type=event["type"], why=why)

        # The writer's bytes are canonical already; others of the same content are taken, too.
        if sha256_hex(raw) != claimed and sha256_hex(canonical_json(event)) != claimed:
            return problem("its content does not have its hash")
        if stream != self._stream:
            if self._stream:
                return problem(f"the head of {self._stream} is missing before it")
            if stream in self._seen:
                return problem("its stream was complete before")
            self._stream, self._sequence, self._hash, self._facts = stream, 0, GENESIS, []
            self._seen.add(stream)
        if sequence != self._sequence + 1:
            return problem(f"event {self._sequence + 1} is missing before it")
        if event["previous_hash"] != self._hash:
            return problem("it does not carry the hash of the event before it")
        self._sequence, self._hash = sequence, claimed
        self.events += 1
        if stream.startswith(_DEPLOYMENT):
            try:
                self._facts.append(fact_of(event))
            except ValueError as error:
                return problem(f"it is no fact of a deployment: {_short(error)}")
            return self._identity(event, problem)
        return None

    def _identity(self, event: dict[str, Any], problem: Any) -> Problem | None:
        """Every event of a stream belongs to the deployment that its first fact names."""
        first = self._facts[0]
        if not isinstance(first, DeploymentCreated):
            found: Problem = problem("a deployment's stream begins with DEPLOYMENT_CREATED")
            return found
        wrong = ""
        if event["stream"] != deployment_stream(first.plan.deployment_id):
            wrong = f"the plan is of deployment {first.plan.deployment_id}"
        elif event["correlation_id"] != first.plan.correlation_id:
            wrong = f"the deployment has the correlation id {first.plan.correlation_id}"
        return problem(wrong) if wrong else None

    def _head(self, head: dict[str, Any]) -> Problem | None:
        stream, length = head["stream"], head["length"]
        if not self._stream:
            if stream in self._seen:
                return Problem(stream=stream, sequence=0, type="", why="its head stands twice")
            self._seen.add(stream)
            self._sequence, self._hash, self._facts = 0, GENESIS, []
        elif stream != self._stream:
            return Problem(stream=self._stream, sequence=0, type="", why=f"its head is missing before that of {stream}")
        self._stream = ""
        self.streams += 1
        if (length, head["hash"]) != (self._sequence, self._hash):
            why = f"its head is at event {length}, its events end at {self._sequence}: the tail was cut or replaced"
            return Problem(stream=stream, sequence=self._sequence, type="", why=why)
        return self._decide_again(stream) if self._facts else None

    def _decide_again(self, stream: str) -> Problem | None:
        facts, self._facts = self._facts, []
        unfounded = _first_unfounded(facts)
        if unfounded is not None:
            index, why = unfounded
            return Problem(stream=stream, sequence=index + 1, type=facts[index].type, why=why)
        self.decided += len(facts)
        first = facts[0]
        if not isinstance(first, DeploymentCreated):
            raise TypeError("a founded stream begins with DEPLOYMENT_CREATED")
        for sequence, fact in enumerate(facts, 1):
            if isinstance(fact, RiskAssessed | EvidenceSealed | EvidenceResealed):
                self.documents.cite(stream, sequence, fact, submitter=first.plan.requester)
        return None

    def _footer(self, footer: dict[str, Any]) -> Problem | None:
        self._finished = True
        if self._stream:
            return Problem(stream=self._stream, sequence=0, type="", why="its head is missing")
        if footer["sha256"] != self._content.hexdigest():
            return _of_file("the lines do not have the SHA-256 in the footer: a line was changed, added or removed")
        if (footer["streams"], footer["events"]) != (self.streams, self.events):
            counted = f"{self.streams} streams and {self.events} events"
            return _of_file(
                f"the record holds {footer['streams']} streams and {footer['events']} events, not {counted}"
            )
        return self.documents.missing()


def _first_unfounded(facts: Sequence[Fact]) -> tuple[int, str] | None:
    """Index and reason of the first fact that does not follow; also for facts that the decider cannot even take."""
    try:
        found = first_unfounded(facts)
    except Exception as error:  # noqa: BLE001 - made-up facts may break the decider anywhere, and that is the finding
        why = f"the decider cannot take it: {type(error).__name__}: {_short(error)}"
        return next(
            count - 1 for count in range(1, len(facts) + 1) if count == len(facts) or _breaks(facts[:count])
        ), why
    return None if found is None else (found.index, found.why)


def _breaks(facts: Sequence[Fact]) -> bool:
    try:
        first_unfounded(facts)
    except Exception:  # noqa: BLE001 - see above
        return True
    return False


def _of_file(why: str) -> Problem:
    return Problem(stream="", sequence=0, type="", why=why)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:299] + "…"
