"""Rubrics: how a statement about a factor becomes a value in [0, 1].

Four kinds, all of them data (domain.md §2): keyed rows, bands of a number, sets of tags, a count over a denominator.
Every outcome a rubric can have is a ``Level`` computed once when the model is read; resolving is a look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from eucora.domain.risk.errors import InvalidFactorInput
from eucora.domain.risk.inputs import FactorInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One outcome of a rubric, with what it contributes to the score under its factor's weight."""

    key: str
    title: str
    value: Decimal
    contribution: Decimal
    value_text: str
    contribution_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRubric:
    """Rows by name."""

    rows: Mapping[str, Level]
    worst: Level

    def levels(self) -> tuple[Level, ...]:
        return tuple(self.rows.values())

    def resolve(self, entry: FactorInput) -> Level:
        """The level of ``entry``. Raises ``InvalidFactorInput`` for another shape or an unknown row."""
        if entry.rubric_key is None or entry.number is not None or entry.out_of is not None:
            _refuse(entry, f"needs rubric_key alone, one of {', '.join(self.rows)}")
        if entry.tags is not None or entry.flags:
            _refuse(entry, "has neither tags nor flags")
        level = self.rows.get(entry.rubric_key)
        if level is None:
            _refuse(entry, f"has no row '{entry.rubric_key}'; its rows are {', '.join(self.rows)}")
        return level

    def describe(self, entry: FactorInput) -> str:
        """The quantity behind the level in words; a row needs none beside its title."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A band of a banded rubric: it holds for numbers below its bound, and for the bound itself when ``inclusive``.

    The bound is ``numerator / denominator``; it is ``None`` for the last band, which holds for every number.
    ``flagged`` is the level when the rubric's flag is set.
    """

    level: Level
    flagged: Level | None
    numerator: int | None
    denominator: int
    inclusive: bool

    def holds(self, number: int, out_of: int) -> bool:
        """Whether ``number / out_of`` lies in the band; compared in whole numbers, never as a float."""
        if self.numerator is None:
            return True
        left, right = number * self.denominator, self.numerator * out_of
        return left < right or (self.inclusive and left == right)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandedRubric:
    """Bands of a count, or of a rate when ``rate`` is set, in ascending order.

    ``absent`` is the level of 0 of 0 (no past rollout); without it 0 of 0 is refused. ``flag`` names the one fact
    that changes the outcome.
    """

    bands: tuple[Band, ...]
    worst: Level
    unit: str
    rate: bool
    absent: Level | None
    flag: str | None
    flagged_absent: Level | None

    def levels(self) -> tuple[Level, ...]:
        pairs = [*((band.level, band.flagged) for band in self.bands), (self.absent, self.flagged_absent)]
        return tuple(level for pair in pairs for level in pair if level is not None)

    def resolve(self, entry: FactorInput) -> Level:
        """The level of ``entry``. Raises ``InvalidFactorInput`` for another shape, a number out of range or a flag."""
        number, out_of = self._quantity(entry)
        flagged = False
        for flag in entry.flags:
            if flag != self.flag:
                _refuse(entry, f"has no flag '{flag}'")
            flagged = True
        if self.rate and out_of == 0:
            level = self.flagged_absent if flagged else self.absent
            if level is None:
                _refuse(entry, "has no rate of 0 out of 0")
            return level
        band = next(band for band in self.bands if band.holds(number, out_of))
        return band.flagged if flagged and band.flagged is not None else band.level

    def describe(self, entry: FactorInput) -> str:
        return f"{entry.number} of {entry.out_of} {self.unit}" if self.rate else f"{entry.number} {self.unit}"

    def _quantity(self, entry: FactorInput) -> tuple[int, int]:
        if entry.rubric_key is not None or entry.tags is not None:
            _refuse(entry, "is banded by number and has neither rubric_key nor tags")
        number, out_of = entry.number, entry.out_of
        if self.rate:
            if number is None or out_of is None or not 0 <= number <= out_of:
                _refuse(entry, f"is a rate and needs number and out_of ({self.unit}) with 0 ≤ number ≤ out_of")
            return number, out_of
        if number is None or number < 0 or out_of is not None:
            _refuse(entry, f"is a count of {self.unit} and needs number alone, at least 0")
        return number, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRubric:
    """Sets of tags, the first set that shares a tag with the input decides; ``other`` for any other tag."""

    sets: tuple[tuple[frozenset[str], Level], ...]
    other: Level
    none: Level
    worst: Level

    def levels(self) -> tuple[Level, ...]:
        return (*(level for _, level in self.sets), self.other, self.none)

    def resolve(self, entry: FactorInput) -> Level:
        """The level of ``entry``; letter case of a tag does not matter. Raises ``InvalidFactorInput``."""
        if entry.tags is None or entry.rubric_key is not None or entry.number is not None or entry.out_of is not None:
            _refuse(entry, "needs tags alone (an empty list says there are none)")
        if entry.flags:
            _refuse(entry, "has no flags")
        tags = {tag.strip().casefold() for tag in entry.tags}
        if "" in tags:
            _refuse(entry, "has a blank tag")
        if not tags:
            return self.none
        return next((level for members, level in self.sets if not members.isdisjoint(tags)), self.other)

    def describe(self, entry: FactorInput) -> str:
        tags = sorted({tag.strip().casefold() for tag in entry.tags or ()})
        return f"tags {', '.join(tags)}" if tags else "no tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRubric:
    """A count over a denominator: ``number / out_of_all``; a greater count counts as the whole."""

    steps: tuple[Level, ...]
    worst: Level
    unit: str

    def levels(self) -> tuple[Level, ...]:
        return self.steps

    def resolve(self, entry: FactorInput) -> Level:
        """The level of ``entry``. Raises ``InvalidFactorInput`` for another shape or a negative number."""
        number = entry.number
        if number is None or number < 0 or entry.out_of is not None or entry.rubric_key is not None:
            _refuse(entry, f"is a count of {self.unit} and needs number alone, at least 0")
        if entry.tags is not None or entry.flags:
            _refuse(entry, "has neither tags nor flags")
        return self.steps[min(number, len(self.steps) - 1)]

    def describe(self, entry: FactorInput) -> str:
        return f"{entry.number} of {len(self.steps) - 1} {self.unit}"


Rubric = KeyedRubric | BandedRubric | TagRubric | CountRubric


def _refuse(entry: FactorInput, reason: str) -> NoReturn:
    raise InvalidFactorInput(f"{entry.key} {reason}.", factor=entry.key)
