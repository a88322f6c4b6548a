"""What the risk engine refuses, and how to mend it.

    InvalidInput
    ├── InvalidRiskModel             mend the model's document
    └── InvalidFactorInput           mend the input of the factor that is named
        ├── DeclaredBetterThanMeasured   withdraw the declaration, or bring better evidence
        └── AttestedBySubmitter          let somebody else attest

Write ``except InvalidFactorInput`` to answer a submitter; its ``factor`` says which statement to mend.
"""

from __future__ import annotations

from eucora.domain.errors import InvalidInput


class InvalidRiskModel(InvalidInput):
    """A risk model's document breaks a rule of domain.md §2; ``field`` is the path in the document."""

    code = "invalid_risk_model"


class InvalidFactorInput(InvalidInput):
    """An input does not fit its factor. ``field`` is the factor's key, ``factor`` the same for readers of code."""

    code = "invalid_factor_input"

    def __init__(self, sentence: str, *, factor: str) -> None:
        super().__init__(sentence, field=factor)
        self.factor = factor


class DeclaredBetterThanMeasured(InvalidFactorInput):
    """The submitter declared a lower value than the evidence gives (domain.md §2)."""

    code = "declared_better_than_measured"

    def __init__(self, *, factor: str, declared: str, measured: str) -> None:
        super().__init__(
            f"{factor}: the declared value {declared} is better than the measured value {measured}; "
            "a declaration cannot improve on evidence.",
            factor=factor,
        )
        self.declared = declared
        self.measured = measured


class AttestedBySubmitter(InvalidFactorInput):
    """The submitter attested their own factor (domain.md §2)."""

    code = "attested_by_submitter"

    def __init__(self, *, factor: str, person: str) -> None:
        super().__init__(
            f"{factor}: {person} submitted the deployment and cannot attest it; somebody else must.", factor=factor
        )
        self.person = person
