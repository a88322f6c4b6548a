"""What can go wrong with the local stack.

StackError
├── NotInstalled     a server this machine needs is missing; the message says how to get it
├── AlreadyRunning   another process runs the stack of this folder
└── ServiceFailed    a service ended, or did not become ready; carries the end of its log
"""

from pathlib import Path

__all__ = ["AlreadyRunning", "NotInstalled", "ServiceFailed", "StackError"]

LOG_LINES = 15


class StackError(Exception):
    """The local stack cannot do what was asked; the message is for a person."""


class NotInstalled(StackError):
    """A program the stack needs is not on this machine."""


class AlreadyRunning(StackError):
    """Another process runs the stack in the same folder."""


class ServiceFailed(StackError):
    """A service ended or did not become ready in time."""

    def __init__(self, service: str, problem: str, log: Path) -> None:
        self.service = service
        self.log = log
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        ending = "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"
        super().__init__(f"{service} {problem}; the end of its log, {log}:\n{ending}")
