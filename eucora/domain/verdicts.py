"""What judging a message comes to: facts, or a refusal with a code and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from eucora.domain import facts as f


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a message changes nothing: a stable code, and a sentence that says what to do."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The facts that a message comes to, and the refusal when it was refused (its fact is among them)."""

    facts: tuple[f.Fact, ...]
    refusal: Refusal | None = None


Verdict = tuple[f.Fact, ...] | Refusal
