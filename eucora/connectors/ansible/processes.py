"""Operating system processes by identity: a process id is reused, a process id with its start time is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

__all__ = ["MARKER", "ProcessIdentity", "end_marked"]

MARKER = "EUCORA_ANSIBLE_JOB"
"""Environment variable that every process of a job inherits; Ansible's forks leave our session and process group."""

CLOCK_TOLERANCE = 2.0
"""Seconds by which the start time of one process may differ between two readings (the clock is adjusted in between)."""

GRACE = 3.0
"""Seconds between asking a process to end and ending it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """``started`` is in seconds since the epoch, as psutil tells it."""

    pid: int
    started: float

    @classmethod
    def current(cls) -> ProcessIdentity:
        return cls(pid=os.getpid(), started=psutil.Process().create_time())

    @property
    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.started) < CLOCK_TOLERANCE and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), if it is there."""
        if self.alive:
            try:
                psutil.Process(self.pid).terminate()
            except psutil.NoSuchProcess:
                return


def _marked(value: str) -> Iterator[psutil.Process]:
    own = os.getpid()
    for process in psutil.process_iter():
        if process.pid == own:
            continue
        try:
            if process.environ().get(MARKER) == value:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue


def end_marked(value: str) -> int:
    """End every process but this one whose environment carries the job's marker; returns how many there were.

    First politely; what is left after a few seconds is killed. No process is found by name, and none of another job
    or of another state folder is touched, because the marker names both.
    """
    ended = list(_marked(value))
    for process in ended:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs(ended, timeout=GRACE)
    for process in {*left, *_marked(value)}:  # also what was forked meanwhile
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return len(ended)
