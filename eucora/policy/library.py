"""One place to find what ships."""

from __future__ import annotations

from eucora.policy.risk_models import (
    DEFAULT_RISK_MODEL,
    shipped_blast_radius_classes,
    shipped_risk_models,
    shipped_trust_maturity,
)

__all__ = [
    "DEFAULT_RISK_MODEL",
    "shipped_blast_radius_classes",
    "shipped_risk_models",
    "shipped_trust_maturity",
]
