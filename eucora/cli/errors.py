"""What ends a command: an error with a code, a sentence, and the field at fault where there is one.

CliError
├── ApiRefused       the API answered with a problem (RFC 9457)
├── ApiUnreachable   no answer came
├── NotSignedIn      no identity to call the API with
└── Stopped          the command cannot go on for a reason of its own
"""

from __future__ import annotations

from typing import Any

from models.wire.problems import Problem

__all__ = ["ApiRefused", "ApiUnreachable", "CliError", "NotSignedIn", "Stopped"]


class CliError(Exception):
    """Ends the command with status 1. ``code`` is stable; ``sentence`` is for a person."""

    code = "failed"

    def __init__(self, sentence: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        if code is not None:
            self.code = code

    @property
    def text(self) -> str:
        """The sentence, with code and field behind it."""
        where = f", field {self.field}" if self.field else ""
        return f"{self.sentence} [{self.code}{where}]"

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {"error": {"code": self.code, "sentence": self.sentence, "field": self.field}}


class Stopped(CliError):
    """The command cannot go on; the sentence says what to do."""

    code = "stopped"


class NotSignedIn(CliError):
    """Nobody is signed in, or the token no longer holds."""

    code = "not_signed_in"


class ApiUnreachable(CliError):
    """The API did not answer."""

    code = "api_unreachable"


class ApiRefused(CliError):
    """The API said no; ``problem`` is its answer and ``retry_after`` seconds after which another try makes sense."""

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        super().__init__(problem.detail, code=problem.code, field=problem.field)
        self.problem = problem
        self.retry_after = retry_after

    @property
    def text(self) -> str:
        """The sentence, what holds the change, every further field at fault, and when to try again."""
        lines = [super().text]
        if self.problem.holder:
            lines.append(f"  held by {self.problem.holder}")
        lines += [f"  {error.field}: {error.detail} [{error.code}]" for error in self.problem.errors[1:]]
        if self.retry_after is not None:
            lines.append(f"  try again in {self.retry_after:.0f} s")
        if self.problem.status >= 500:
            lines.append(f"  correlation id {self.problem.correlation_id}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The problem as the API gave it."""
        return {"error": {**super().as_json()["error"], **self.problem.model_dump(mode="json", exclude_none=True)}}
