"""A risk model: the rules of the score, as data (domain.md §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from eucora.domain.risk.rubrics import Rubric


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFactor:
    """One factor. ``always_measured``: neither an attestation nor a declaration replaces the measurement."""

    key: str
    title: str
    weight: Decimal
    weight_text: str
    rubric: Rubric
    always_measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLabel:
    """The word for scores up to and including ``at_most``."""

    at_most: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskModel:
    """A model, read and checked by ``parse_model``; build it with nothing else.

    ``model_id`` names the model, ``version`` is ``vMAJOR.MINOR``. ``threshold`` is the highest rounded score that
    needs no approval by the CAB; ``labels`` ascend and end at 100. ``factor_by_key`` indexes ``factors``.
    """

    model_id: str
    version: str
    title: str
    factors: tuple[RiskFactor, ...]
    threshold: int
    labels: tuple[ScoreLabel, ...]
    factor_by_key: Mapping[str, RiskFactor]

    def label_of(self, score: int) -> str:
        """The word for a rounded ``score`` in 0..100."""
        return next(label.label for label in self.labels if score <= label.at_most)
