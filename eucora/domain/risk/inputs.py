"""What is known about one factor, and on whose word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Basis(StrEnum):
    """Why a factor has its value (domain.md §2)."""

    MEASURED = "measured"
    ATTESTED = "attested"
    DECLARED = "declared"
    WORST_CASE = "worst_case"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorInput:
    """One statement about one factor of a model.

    Which of the four shapes it takes is decided by the factor's rubric:

    - keyed rubric: ``rubric_key`` is a row of the rubric;
    - banded rubric of counts: ``number`` (devices, issues, rollouts);
    - banded rubric of rates: ``number`` of ``out_of``; 0 of 0 says that there is nothing to take a rate of;
    - tag rubric: ``tags``, the empty tuple meaning that there are none;
    - counting rubric: ``number`` of things that are missing.

    ``flags`` are facts a banded rubric knows beside the number (``critical_infrastructure``,
    ``prior_security_breach``). A measured input names its evidence in ``evidence_reference``; an attested one names
    the person and the time (UTC). ``note`` says in a few words what was found; it stands in the rationale.
    """

    key: str
    basis: Basis
    rubric_key: str | None = None
    number: int | None = None
    out_of: int | None = None
    tags: tuple[str, ...] | None = None
    flags: tuple[str, ...] = ()
    attested_by: str | None = None
    attested_at: datetime | None = None
    evidence_reference: str | None = None
    note: str | None = None
