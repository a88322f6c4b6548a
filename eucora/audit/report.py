"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem", "VerifyReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The first thing that does not hold. ``stream`` is empty and ``sequence`` 0 when it is about the file itself."""

    stream: str
    sequence: int
    type: str
    why: str

    def __str__(self) -> str:
        if not self.stream:
            return self.why
        what = f"{self.stream} event {self.sequence}" if self.sequence else self.stream
        return f"{what} ({self.type}): {self.why}" if self.type else f"{what}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """``ok`` or the first problem, with what was read until then.

    ``decided`` events were decided again, ``assessments`` derived again, ``packs`` hashed again. ``whole`` says that
    the file claims to hold the whole record and not a part that somebody chose.
    """

    ok: bool
    streams: int
    events: int
    decided: int
    assessments: int
    packs: int
    whole: bool
    first_problem: Problem | None = None
