"""The score of a deployment: exact, explained, and re-derivable from what is stored (domain.md §2).

``assess`` is a pure function of the model, the inputs and the submitter. A ``RiskAssessment`` keeps the last two, so
that ``rederive`` gives the same assessment byte for byte as long as the model's version exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from typing import NamedTuple

from eucora.domain.errors import InvalidInput
from eucora.domain.risk.errors import AttestedBySubmitter, DeclaredBetterThanMeasured, InvalidFactorInput
from eucora.domain.risk.exact import HUNDRED, ONE, PLACES, ZERO, add, canonical, half_up, multiply, places
from eucora.domain.risk.inputs import Basis, FactorInput
from eucora.domain.risk.model import RiskFactor, RiskModel
from eucora.domain.risk.rubrics import Level

_ORDER = (Basis.MEASURED, Basis.ATTESTED, Basis.DECLARED)
_NO_OFFSET = timedelta(0)


class Score(NamedTuple):
    """``raw`` is exact, in [0, 100]; ``rounded`` is ``raw`` rounded half up."""

    raw: Decimal
    rounded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAssessment:
    """One factor of an assessment. ``level`` is the rubric's row that applied; the numbers are canonical decimals.

    ``contribution`` is weight times value; ``rationale`` is one sentence or two that name the evidence.
    """

    key: str
    title: str
    level: str
    value: str
    weight: str
    contribution: str
    basis: Basis
    rationale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAssessment:
    """The score and how it came about.

    ``score`` is the rounded score that every rule uses, ``raw_score`` the exact one as a canonical decimal.
    ``factors`` stand in the model's order; ``inputs`` in the order of factor, then measured, attested, declared.
    """

    model_id: str
    model_version: str
    score: int
    raw_score: str
    label: str
    factors: tuple[FactorAssessment, ...]
    submitter: str
    inputs: tuple[FactorInput, ...]


def score_values(model: RiskModel, values: Mapping[str, Decimal]) -> Score:
    """The score of bare values in [0, 1], one for each factor: ``clamp(0, 100, Σ weight x value)``.

    Raises:
        InvalidInput: a factor is missing or unknown, or a value lies outside [0, 1] or has over six decimal places.
    """
    if values.keys() != model.factor_by_key.keys():
        sentence = f"The values must be those of {', '.join(model.factor_by_key)}."
        raise InvalidInput(sentence, code="invalid_factor_values", field="values")
    for key, value in values.items():
        if not value.is_finite() or not ZERO <= value <= ONE or places(value) > PLACES:
            sentence = f"The value of {key} must lie in [0, 1], with at most {PLACES} decimal places."
            raise InvalidInput(sentence, code="invalid_factor_values", field=key)
    return _total(multiply(factor.weight, values[factor.key]) for factor in model.factors)


def assess(model: RiskModel, inputs: Sequence[FactorInput], *, submitter: str) -> RiskAssessment:
    """Assess a deployment under ``model`` (domain.md §2). The order of ``inputs`` does not matter.

    For each factor the measured value counts; without one, the attested value; without either, the rubric's worst
    value. A declaration alone therefore never lowers a score: it stands as ``declared`` only where it names the worst
    value itself. A factor that must always be measured takes its worst value when it was not, attested or not.

    Raises:
        DeclaredBetterThanMeasured: a declaration is better than the measurement of the same factor.
        AttestedBySubmitter: ``submitter`` attested a factor.
        InvalidFactorInput: unknown factor, two inputs of one factor on the same basis, a shape the rubric does not
            take, a measurement without its evidence, an attestation without who and when (UTC).
    """
    if not submitter.strip():
        sentence = "A risk assessment needs the submitter, who may not attest."
        raise InvalidInput(sentence, code="missing_submitter", field="submitter")
    stated_by_key: dict[str, list[FactorInput]] = {}
    for entry in inputs:
        if entry.key not in model.factor_by_key:
            sentence = f"{entry.key} is not a factor of {model.model_id}: {', '.join(model.factor_by_key)}."
            raise InvalidFactorInput(sentence, factor=entry.key)
        _check_word(entry, submitter)
        stated = stated_by_key.setdefault(entry.key, [])
        if any(other.basis is entry.basis for other in stated):
            raise InvalidFactorInput(f"{entry.key} has two {entry.basis} inputs.", factor=entry.key)
        stated.append(entry)
    levels: list[Level] = []
    factors: list[FactorAssessment] = []
    ordered: list[FactorInput] = []
    for factor in model.factors:
        stated = sorted(stated_by_key.get(factor.key, ()), key=_rank)
        level, basis, rationale = _decide(factor, stated)
        ordered += stated
        levels.append(level)
        factors.append(
            FactorAssessment(
                key=factor.key,
                title=factor.title,
                level=level.key,
                value=level.value_text,
                weight=factor.weight_text,
                contribution=level.contribution_text,
                basis=basis,
                rationale=rationale,
            )
        )
    score = _total(level.contribution for level in levels)
    return RiskAssessment(
        model_id=model.model_id,
        model_version=model.version,
        score=score.rounded,
        raw_score=canonical(score.raw),
        label=model.label_of(score.rounded),
        factors=tuple(factors),
        submitter=submitter,
        inputs=tuple(ordered),
    )


def rederive(model: RiskModel, assessment: RiskAssessment) -> RiskAssessment:
    """Assess again from what ``assessment`` keeps; equal to it unless somebody changed one of the two.

    Raises:
        InvalidInput: ``model`` is not the model and version the assessment was made with.
    """
    if (model.model_id, model.version) != (assessment.model_id, assessment.model_version):
        sentence = (
            f"The assessment was made with {assessment.model_id} {assessment.model_version}, "
            f"not with {model.model_id} {model.version}."
        )
        raise InvalidInput(sentence, code="other_risk_model", field="model_version")
    return assess(model, assessment.inputs, submitter=assessment.submitter)


def _rank(entry: FactorInput) -> int:
    return _ORDER.index(entry.basis)


def _total(contributions: Iterable[Decimal]) -> Score:
    raw = ZERO
    for contribution in contributions:
        raw = add(raw, contribution)
    raw = min(HUNDRED, max(ZERO, raw))
    return Score(raw, half_up(raw))


def _check_word(entry: FactorInput, submitter: str) -> None:
    """Whether the basis of ``entry`` carries what gives it weight: evidence, or a person other than the submitter."""
    if entry.basis is Basis.ATTESTED:
        if entry.attested_by is None or not entry.attested_by.strip():
            raise InvalidFactorInput(f"{entry.key} is attested, but not by whom.", factor=entry.key)
        if entry.attested_at is None or entry.attested_at.utcoffset() != _NO_OFFSET:
            raise InvalidFactorInput(f"{entry.key} is attested and needs the time, in UTC.", factor=entry.key)
        if entry.attested_by.strip().casefold() == submitter.strip().casefold():
            raise AttestedBySubmitter(factor=entry.key, person=entry.attested_by)
        return
    if entry.attested_by is not None or entry.attested_at is not None:
        raise InvalidFactorInput(f"{entry.key} is {entry.basis} and names who attested it.", factor=entry.key)
    if entry.basis is Basis.MEASURED and (entry.evidence_reference is None or not entry.evidence_reference.strip()):
        raise InvalidFactorInput(f"{entry.key} is measured, but names no evidence.", factor=entry.key)
    if entry.basis is Basis.WORST_CASE:
        raise InvalidFactorInput(f"{entry.key}: worst_case is a conclusion, not an input.", factor=entry.key)


def _decide(factor: RiskFactor, stated: Sequence[FactorInput]) -> tuple[Level, Basis, str]:
    """The level of ``factor``, its basis and the rationale, from at most one input of each basis."""
    measured = attested = declared = None
    for entry in stated:
        # Every input is resolved, also one that loses: a malformed statement must not pass because of a better one.
        resolved = (entry, factor.rubric.resolve(entry))
        if entry.basis is Basis.MEASURED:
            measured = resolved
        elif entry.basis is Basis.ATTESTED:
            attested = resolved
        else:
            declared = resolved
    if measured is not None and declared is not None and declared[1].value < measured[1].value:
        raise DeclaredBetterThanMeasured(
            factor=factor.key, declared=declared[1].value_text, measured=measured[1].value_text
        )
    chosen = measured or (None if factor.always_measured else attested)
    if chosen is not None:
        entry, level = chosen
        rationale = f"{_finding(factor, entry, level)}, {_word(entry)}."
        for other in (attested, declared):
            if other is not None and other is not chosen and other[1] is not level:
                rationale += f" {other[0].basis.capitalize()} as {other[1].value_text}; the {entry.basis} value counts."
        return level, entry.basis, rationale
    worst = factor.rubric.worst
    if declared is not None and declared[1].value == worst.value and not factor.always_measured:
        entry, level = declared
        return level, Basis.DECLARED, f"{_finding(factor, entry, level)}, declared by the submitter: the worst value."
    lack = "Not measured, as it must be" if factor.always_measured else "Neither measured nor attested"
    return worst, Basis.WORST_CASE, f"{lack}{_claims(attested, declared)}: the worst value applies ({worst.title})."


def _finding(factor: RiskFactor, entry: FactorInput, level: Level) -> str:
    """What was found: the rubric's title with the number behind it and the note."""
    details = "; ".join(part for part in (factor.rubric.describe(entry), entry.note) if part)
    return f"{level.title} ({details})" if details else level.title


def _word(entry: FactorInput) -> str:
    """On whose word: the evidence, or the person and the time."""
    if entry.basis is Basis.ATTESTED and entry.attested_at is not None:
        at = entry.attested_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        on = f" on {entry.evidence_reference}" if entry.evidence_reference else ""
        return f"attested by {entry.attested_by} at {at}{on}"
    return f"measured from {entry.evidence_reference}"


def _claims(*claims: tuple[FactorInput, Level] | None) -> str:
    """The statements that do not suffice, as an insertion: `` (declared as 0.2)``."""
    made = ", ".join(f"{claim[0].basis} as {claim[1].value_text}" for claim in claims if claim is not None)
    return f" ({made})" if made else ""
