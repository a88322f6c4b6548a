"""Risk: a model that is data, an exact and explained score, and the inputs it is made from (domain.md §2)."""

from __future__ import annotations

from eucora.domain.risk.engine import FactorAssessment, RiskAssessment, Score, assess, rederive, score_values
from eucora.domain.risk.errors import (
    AttestedBySubmitter,
    DeclaredBetterThanMeasured,
    InvalidFactorInput,
    InvalidRiskModel,
)
from eucora.domain.risk.evidence import (
    CohortFacts,
    HistoryFacts,
    Provenance,
    RiskEvidence,
    Signing,
    SupplyChainFacts,
    VulnerabilityFacts,
    inputs_from_evidence,
)
from eucora.domain.risk.inputs import Basis, FactorInput
from eucora.domain.risk.model import RiskFactor, RiskModel, ScoreLabel
from eucora.domain.risk.parsing import parse_model

__all__ = [
    "AttestedBySubmitter",
    "Basis",
    "CohortFacts",
    "DeclaredBetterThanMeasured",
    "FactorAssessment",
    "FactorInput",
    "HistoryFacts",
    "InvalidFactorInput",
    "InvalidRiskModel",
    "Provenance",
    "RiskAssessment",
    "RiskEvidence",
    "RiskFactor",
    "RiskModel",
    "Score",
    "ScoreLabel",
    "Signing",
    "SupplyChainFacts",
    "VulnerabilityFacts",
    "assess",
    "inputs_from_evidence",
    "parse_model",
    "rederive",
    "score_values",
]
