"""Lists for terminals of any width: whole columns are left out before an id or a state would be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

__all__ = ["Listing"]

LEAST_PROSE = 24
"""Cells that a column of sentences keeps at least; it goes on in further lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """At least one row, by column; every row has the columns of the first.

    ``leave`` names columns in the order in which a narrow terminal does without them; the others always stay, and where
    even they do not fit they go on in further lines. ``prose`` names the column of sentences.
    """

    rows: Sequence[dict[str, Text]]
    leave: Sequence[str]
    prose: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = {name: max(cell_len(name), *(row[name].cell_len for row in self.rows)) for name in self.rows[0]}
        if self.prose:
            widths[self.prose] = min(widths[self.prose], LEAST_PROSE)
        fits = False
        for name in (*self.leave, ""):
            fits = sum(widths.values()) + len(widths) - 1 <= options.max_width
            if fits or not name:
                break
            del widths[name]
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for name in widths:
            table.add_column(name, overflow="fold", no_wrap=fits and name != self.prose)
        for row in self.rows:
            table.add_row(*(row[name] for name in widths))
        yield table
