"""What the demo shows and what it found out: one track for each scenario, and claims that are true or false."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from eucora.cli import render
from eucora.cli.context import Output
from eucora.cli.watch import summary_line
from models.wire.cab import ReviewView
from models.wire.deployments import DeploymentView

__all__ = ["Board", "Claim", "Track"]

LAST_NOTES = 6
LINE_SECONDS = 3.0
"""Where lines are printed, figures of one deployment are printed at most this often; a new state or ring always is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that must be true, and whether it is."""

    scenario: str
    sentence: str
    true: bool


@dataclass(slots=True)
class Track:
    """One scenario as it is seen now."""

    letter: str
    title: str
    view: DeploymentView | None = None
    review: ReviewView | None = None
    note: str = "waits for the stack"


@dataclass(slots=True)
class Board:
    """Shared by the scenarios' threads; drawn by the main one, or printed line by line where nobody looks live."""

    output: Output
    live: bool
    tracks: dict[str, Track] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lasting: list[str] = field(default_factory=list)
    """Notes that stay on the screen to the end."""
    begun: float = field(default_factory=time.monotonic)
    _lines: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def elapsed(self) -> float:
        """Seconds since the board was made."""
        return time.monotonic() - self.begun

    def say(self, sentence: str, *, lasting: bool = False) -> None:
        """A step of the whole demo; one that is ``lasting`` is still to be seen at its end."""
        with self._lock:
            (self.lasting if lasting else self.notes).append(sentence)
            self._print({"note": sentence}, sentence)

    def track(self, letter: str, title: str) -> Track:
        """The track of a scenario."""
        with self._lock:
            self.tracks[letter] = Track(letter, title)
            return self.tracks[letter]

    def note(self, track: Track, sentence: str) -> None:
        """What a scenario does now."""
        with self._lock:
            track.note = sentence
            self._print({"scenario": track.letter, "note": sentence}, f"{track.letter}  {sentence}")

    def seen(self, track: Track, view: DeploymentView, review: ReviewView | None) -> None:
        """How a scenario's deployment stands now."""
        with self._lock:
            track.view, track.review = view, review
            ring = render.running_ring(view)
            standing = f"{view.state.value} {ring.name if ring else ''} {review.id if review else ''}"
            line = summary_line(view, review)
            before = self._lines.get(track.letter, ("", "", 0.0))
            if standing == before[0] and (line == before[1] or self.elapsed - before[2] < LINE_SECONDS):
                return
            self._lines[track.letter] = (standing, line, self.elapsed)
            value = {"scenario": track.letter, "deployment": view.id, "state": view.state.value, "standing": line}
            self._print(value, f"{track.letter}  {line}")

    def claim(self, scenario: str, sentence: str, *, true: bool) -> bool:
        """Write down a claim; returns whether it is true."""
        with self._lock:
            self.claims.append(Claim(scenario=scenario, sentence=sentence, true=true))
        return true

    def _print(self, value: dict[str, Any], line: str) -> None:
        if self.output.as_json:
            self.output.line({"at": round(self.elapsed, 1), **value})
        elif not self.live:
            print(f"[{self.elapsed:6.1f} s] {line}", flush=True)

    def draw(self) -> RenderableType:
        """The whole screen."""
        now = datetime.now(UTC)
        with self._lock:
            head = Text(f"eucora demo  {self.elapsed:5.0f} s", style="bold")
            parts: list[RenderableType] = [head, *(Text(f"  {note}") for note in self.lasting)]
            parts += [Text(f"  {note}", style="dim") for note in self.notes[-LAST_NOTES:]]
            for track in self.tracks.values():
                parts += [Text(), *self._draw_track(track, now)]
        return Group(*parts)

    @staticmethod
    def _draw_track(track: Track, now: datetime) -> list[RenderableType]:
        head = Text.assemble((f"{track.letter}  ", "bold"), (track.title, "bold"), "  ")
        if track.view is None:
            return [head, Text(f"   {track.note}", style="dim")]
        head.append_text(render.styled(track.view.state.value))
        if track.view.risk is not None:
            head.append(f"  score {track.view.risk.score} ({track.view.risk.tier})", style="dim")
        lines: list[RenderableType] = [head]
        ring = render.running_ring(track.view)
        if ring is not None:
            for plane in ring.planes:
                row = Text(f"   {ring.name:<11}{plane.plane:<12} ")
                lines.append(row.append_text(render.bar(plane)).append("  ").append_text(render.plane_figures(plane)))
        waiting = render.waits_for(track.view, track.review, now=now)
        lines.append(Text(f"   {waiting or track.view.reason.sentence}", style="yellow" if waiting else "dim"))
        lines.append(Text(f"   {track.note}", style="dim"))
        return lines
