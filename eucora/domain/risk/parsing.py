"""Reading a risk model from a plain mapping; the shipped documents show every field (``eucora/policy/data``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from eucora.domain.documents import Document
from eucora.domain.risk.errors import InvalidRiskModel
from eucora.domain.risk.exact import HUNDRED, ONE, PLACES, ZERO, add, canonical, multiply, places
from eucora.domain.risk.model import RiskFactor, RiskModel, ScoreLabel
from eucora.domain.risk.rubrics import Band, BandedRubric, CountRubric, KeyedRubric, Level, Rubric, TagRubric

_VERSION = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HIGHEST_SCORE = 100
_HIGHEST_BOUND = Decimal(10**12)
_HIGHEST_COUNT = 1000


def parse_model(document: Mapping[str, object]) -> RiskModel:
    """Read and check a risk model (domain.md §2).

    The weights sum to 100, every value a rubric can give lies in [0, 1], bands and labels ascend, the version is
    ``vMAJOR.MINOR``. A model whose id is itself a version, as the default's, carries that version.

    Raises:
        InvalidRiskModel: with the path of the field at fault.
    """
    top = Document(document, error=InvalidRiskModel)
    top.only("model_id", "version", "title", "threshold", "labels", "factors")
    model_id = _matching(top, "model_id", _MODEL_ID, "lower-case letters, digits, dots and hyphens")
    version = _matching(top, "version", _VERSION, "vMAJOR.MINOR, such as v1.0")
    if _VERSION.fullmatch(model_id) and model_id != version:
        top.refuse(f"must be {model_id}, as the id says", "version")
    factors = tuple(_factor(entry) for entry in top.children("factors"))
    factor_by_key = {factor.key: factor for factor in factors}
    if len(factor_by_key) != len(factors):
        top.refuse("must have different keys", "factors")
    total = ZERO
    for factor in factors:
        total = add(total, factor.weight)
    if total != HUNDRED:
        top.refuse(f"must have weights that sum to 100, not {canonical(total)}", "factors")
    threshold = top.integer("threshold")
    if threshold > _HIGHEST_SCORE:
        top.refuse("must be at most 100", "threshold")
    return RiskModel(
        model_id=model_id,
        version=version,
        title=top.text("title"),
        factors=factors,
        threshold=threshold,
        labels=_labels(top),
        factor_by_key=factor_by_key,
    )


def _factor(document: Document) -> RiskFactor:
    document.only("key", "title", "weight", "always_measured", "rubric")
    weight = document.number("weight")
    if not ZERO < weight <= HUNDRED or places(weight) > PLACES:
        document.refuse(f"must be over 0, at most 100, with at most {PLACES} decimal places", "weight")
    rubric = document.child("rubric")
    kind = rubric.text("kind")
    reader = _KINDS.get(kind)
    if reader is None:
        rubric.refuse(f"must be one of {', '.join(_KINDS)}", "kind")
    return RiskFactor(
        key=_matching(document, "key", _KEY, "snake_case"),
        title=document.text("title"),
        weight=weight,
        weight_text=canonical(weight),
        rubric=reader(rubric, weight),
        always_measured=document.flag("always_measured"),
    )


def _keyed(document: Document, weight: Decimal) -> KeyedRubric:
    document.only("kind", "rows")
    rows: dict[str, Level] = {}
    for entry in document.children("rows"):
        entry.only("key", "title", "value")
        level = _level(entry, weight)
        if level.key in rows:
            entry.refuse("appears twice", "key")
        rows[level.key] = level
    return KeyedRubric(rows=rows, worst=_worst(rows.values()))


def _bands(document: Document, weight: Decimal) -> BandedRubric:
    document.only("kind", "measure", "unit", "bands", "absent", "flag")
    measure = document.text("measure")
    if measure not in {"count", "rate"}:
        document.refuse("must be count or rate", "measure")
    flag, flagged = _flag(document, weight)
    entries = document.children("bands")
    bands: list[Band] = []
    previous: tuple[Decimal, bool] | None = None
    for entry in entries:
        entry.only("key", "title", "value", "below", "at_most")
        bound, inclusive = _bound(entry, last=entry is entries[-1])
        level = _level(entry, weight)
        if bound is not None:
            if not ZERO <= bound <= (ONE if measure == "rate" else _HIGHEST_BOUND) or places(bound) > PLACES:
                entry.refuse(f"has a bound outside what can be measured, or with over {PLACES} decimal places")
            if previous is not None and (bound, inclusive) <= previous:
                entry.refuse("must have a higher bound than the band before it")
            previous = (bound, inclusive)
        numerator, denominator = (None, 1) if bound is None else bound.as_integer_ratio()
        bands.append(
            Band(
                level=level,
                flagged=flagged(level),
                numerator=numerator,
                denominator=denominator,
                inclusive=inclusive,
            )
        )
    absent = None
    if document.has("absent"):
        if measure != "rate":
            document.refuse("belongs to rates: a count of 0 is a number like any other", "absent")
        row = document.child("absent")
        row.only("key", "title", "value")
        absent = _level(row, weight)
    rubric = BandedRubric(
        bands=tuple(bands),
        worst=bands[0].level,
        unit=document.text("unit"),
        rate=measure == "rate",
        absent=absent,
        flag=flag,
        flagged_absent=None if absent is None else flagged(absent),
    )
    return replace(rubric, worst=_worst(rubric.levels()))


def _bound(entry: Document, *, last: bool) -> tuple[Decimal | None, bool]:
    below, at_most = entry.has("below"), entry.has("at_most")
    if last:
        if below or at_most:
            entry.refuse("is the last band and must be open: neither below nor at_most")
        return None, False
    if below == at_most:
        entry.refuse("needs either below or at_most")
    return entry.number("at_most" if at_most else "below"), at_most


def _flag(document: Document, weight: Decimal) -> tuple[str | None, Callable[[Level], Level | None]]:
    """The rubric's flag and what it makes of a level: another value outright, or the level's times a multiplier."""
    if not document.has("flag"):
        return None, lambda _: None
    entry = document.child("flag")
    entry.only("key", "title", "value", "multiply")
    key = _matching(entry, "key", _KEY, "snake_case")
    title = entry.text("title")
    if entry.has("value") == entry.has("multiply"):
        entry.refuse("needs either value or multiply")
    if entry.has("value"):
        level = _level(entry, weight)

        def replaced(base: Level) -> Level:
            if level.value < base.value:
                entry.refuse(f"must not improve on {base.key}: a flag only makes a value worse", "value")
            return level

        return key, replaced
    multiplier = entry.number("multiply")
    if not ONE <= multiplier <= HUNDRED or places(multiplier) > PLACES:
        entry.refuse(f"must be at least 1 and at most 100, with at most {PLACES} decimal places", "multiply")

    def multiplied(base: Level) -> Level:
        value = min(ONE, multiply(base.value, multiplier))
        if places(value) > PLACES:
            entry.refuse(f"gives {canonical(value)}, more than {PLACES} decimal places", "multiply")
        return _build(
            key=f"{base.key}_{key}",
            title=f"{base.title}, {title} (×{canonical(multiplier)}, at most 1)",
            value=value,
            weight=weight,
        )

    return key, multiplied


def _tags(document: Document, weight: Decimal) -> TagRubric:
    document.only("kind", "sets", "other", "none")
    sets: list[tuple[frozenset[str], Level]] = []
    for entry in document.children("sets"):
        entry.only("key", "title", "value", "tags")
        level = _level(entry, weight)
        if sets and level.value > sets[-1][1].value:
            entry.refuse("must not be worse than the set before it: the first set that matches decides", "value")
        sets.append((frozenset(tag.strip().casefold() for tag in entry.texts("tags")), level))
    rest: dict[str, Level] = {}
    for name in ("other", "none"):
        row = document.child(name)
        row.only("key", "title", "value")
        rest[name] = _level(row, weight)
    return TagRubric(
        sets=tuple(sets),
        other=rest["other"],
        none=rest["none"],
        worst=_worst([*(level for _, level in sets), *rest.values()]),
    )


def _count(document: Document, weight: Decimal) -> CountRubric:
    document.only("kind", "unit", "out_of")
    out_of, unit = document.integer("out_of", lowest=1), document.text("unit")
    steps: list[Level] = []
    if out_of > _HIGHEST_COUNT or 10**PLACES % out_of:
        document.refuse(f"must be at most {_HIGHEST_COUNT} and divide a million: every value is exact", "out_of")
    share = multiply(Decimal(10**PLACES // out_of), Decimal((0, (1,), -PLACES)))
    for number in range(out_of + 1):
        value = multiply(Decimal(number), share)
        title = f"{number} of {out_of} {unit}"
        steps.append(_build(key=f"{number}_of_{out_of}", title=title, value=value, weight=weight))
    return CountRubric(steps=tuple(steps), worst=steps[-1], unit=unit)


_KINDS: dict[str, Callable[[Document, Decimal], Rubric]] = {
    "keyed": _keyed,
    "bands": _bands,
    "tags": _tags,
    "count": _count,
}


def _level(document: Document, weight: Decimal) -> Level:
    """The level of a row: ``key``, ``title``, ``value``; the caller says which further fields a row has."""
    value = document.number("value")
    if not ZERO <= value <= ONE or places(value) > PLACES:
        document.refuse(f"must lie in [0, 1], with at most {PLACES} decimal places", "value")
    key = _matching(document, "key", _KEY, "snake_case")
    return _build(key=key, title=document.text("title"), value=value, weight=weight)


def _build(*, key: str, title: str, value: Decimal, weight: Decimal) -> Level:
    contribution = multiply(weight, value)
    return Level(
        key=key,
        title=title,
        value=value,
        contribution=contribution,
        value_text=canonical(value),
        contribution_text=canonical(contribution),
    )


def _worst(levels: Iterable[Level]) -> Level:
    """The level of the highest value; the first of several, so that the document's order decides."""
    return max(levels, key=lambda level: level.value)


def _labels(top: Document) -> tuple[ScoreLabel, ...]:
    labels: list[ScoreLabel] = []
    for entry in top.children("labels"):
        entry.only("at_most", "label")
        at_most = entry.integer("at_most")
        if labels and at_most <= labels[-1].at_most:
            entry.refuse("must be higher than in the label before it", "at_most")
        labels.append(ScoreLabel(at_most=at_most, label=entry.text("label")))
    if labels[-1].at_most != _HIGHEST_SCORE:
        top.refuse("must end at 100", "labels")
    return tuple(labels)


def _matching(document: Document, name: str, pattern: re.Pattern[str], expected: str) -> str:
    text = document.text(name)
    if not pattern.fullmatch(text):
        document.refuse(f"must be {expected}", name)
    return text
