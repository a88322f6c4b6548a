"""The shipped risk models, blast-radius classes and trust maturity (domain.md §2, §4)."""

from __future__ import annotations

from functools import cache

from eucora.domain.classification import (
    BlastRadiusPolicy,
    TrustMaturity,
    parse_blast_radius_policy,
    parse_trust_maturity,
)
from eucora.domain.risk import RiskModel, parse_model
from eucora.policy.documents import shipped_document

DEFAULT_RISK_MODEL = "v1.0"
_RISK_MODELS = (DEFAULT_RISK_MODEL, "deployment-8", "quality-5")


def shipped_risk_models() -> dict[str, RiskModel]:
    """The shipped risk models by model id: ``v1.0`` (the default), ``deployment-8`` and ``quality-5``."""
    return {name: _risk_model(name) for name in _RISK_MODELS}


@cache
def shipped_blast_radius_classes() -> BlastRadiusPolicy:
    """The shipped blast-radius classes with their quorum, and the rules of the classifier."""
    return parse_blast_radius_policy(shipped_document("blast-radius"))


@cache
def shipped_trust_maturity() -> TrustMaturity:
    """The shipped table of thresholds per trust level; off by default."""
    return parse_trust_maturity(shipped_document("trust-maturity"))


@cache
def _risk_model(name: str) -> RiskModel:
    return parse_model(shipped_document(f"risk-model-{name}"))
