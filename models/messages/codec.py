"""Facts, states and risk assessments as plain JSON values, and back.

One form for each value, so that equal values have equal bytes: times are RFC 3339 in UTC with six decimals and ``Z``,
a float with an integral value is written as an integer (as canonical JSON does), enumerations are their values,
tuples are lists. Reading gives back an equal object, and writing that one gives the same JSON again. Reading ignores
unknown members and fills missing ones with their defaults, because facts of older and newer releases are read for
ever.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from eucora.domain.facts import Fact
from eucora.domain.gates import Figures
from eucora.domain.plan import RolloutPlan
from eucora.domain.risk import RiskAssessment
from eucora.domain.state import RolloutState

__all__ = [
    "assessment_from_json",
    "assessment_to_json",
    "fact_from_json",
    "fact_to_json",
    "figures_to_json",
    "plan_to_json",
    "state_from_text",
    "state_to_text",
    "time_from_text",
    "time_to_text",
]

_FACT: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Field(discriminator="type")])
_STATE: TypeAdapter[RolloutState] = TypeAdapter(RolloutState)
_PLAN: TypeAdapter[RolloutPlan] = TypeAdapter(RolloutPlan)
_FIGURES: TypeAdapter[Figures] = TypeAdapter(Figures)
_ASSESSMENT: TypeAdapter[RiskAssessment] = TypeAdapter(RiskAssessment)

_LARGEST_INTEGER = 2.0**53


def fact_to_json(fact: Fact) -> dict[str, Any]:
    """A fact as a JSON object, its ``type`` included.

    Raises ``ValueError`` for a value that is not of its field's type, a time without a zone, NaN and infinity.
    """
    return _object(_FACT.dump_python(fact, warnings="error"))


def fact_from_json(value: dict[str, Any]) -> Fact:
    """The fact that :func:`fact_to_json` wrote. Raises ``pydantic.ValidationError`` (a ``ValueError``)."""
    return _FACT.validate_python(value)


def plan_to_json(plan: RolloutPlan) -> dict[str, Any]:
    """A plan as a JSON object. Raises ``ValueError`` for a time without a zone, NaN, infinity."""
    return _object(_PLAN.dump_python(plan, warnings="error"))


def state_to_text(state: RolloutState) -> str:
    """A state as JSON text for our own storage: fast, read by :func:`state_from_text`; not the form that is hashed."""
    return _STATE.dump_json(state).decode()


def state_from_text(text: str) -> RolloutState:
    """The state that :func:`state_to_text` wrote. Raises ``pydantic.ValidationError`` (a ``ValueError``)."""
    return _STATE.validate_json(text)


def figures_to_json(figures: Figures) -> dict[str, Any]:
    """Figures of one plane as a JSON object."""
    return _object(_FIGURES.dump_python(figures, warnings="error"))


def assessment_to_json(assessment: RiskAssessment) -> dict[str, Any]:
    """A risk assessment with its inputs as a JSON object."""
    return _object(_ASSESSMENT.dump_python(assessment, warnings="error"))


def assessment_from_json(value: dict[str, Any]) -> RiskAssessment:
    """The assessment that :func:`assessment_to_json` wrote. Raises ``pydantic.ValidationError`` (a ``ValueError``)."""
    return _ASSESSMENT.validate_python(value)


def time_to_text(value: datetime) -> str:
    """``2025-11-03T08:15:00.000000Z``. Raises ``ValueError`` for a time without a zone."""
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def time_from_text(text: str) -> datetime:
    """The aware UTC time that :func:`time_to_text` wrote. Raises ``ValueError``."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return value.astimezone(UTC)


def _object(value: Any) -> dict[str, Any]:
    plain = _plain(value)
    if not isinstance(plain, dict):
        raise TypeError(f"expected an object, not {type(plain).__name__}")
    return plain


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case str():  # an enumeration's member too: it becomes its bare value
            return str(value)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime():
            return time_to_text(value)
        case float():
            return _number(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form here")


def _number(value: float) -> float | int:
    if value - value != 0:
        raise ValueError(f"{value} has no JSON form")
    return int(value) if value.is_integer() and abs(value) < _LARGEST_INTEGER else value
