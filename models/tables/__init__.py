"""Rows of our database: data, no behaviour. Only ``eucora.store`` reads and writes them."""

from __future__ import annotations

from models.tables.access import ChangeClaimTable, IdempotencyKeyTable, SubmissionTable
from models.tables.deployments import DeploymentTable, HoldTable, PlaneRunTable, RingRunTable
from models.tables.governance import (
    EvidencePackTable,
    LineStopTable,
    PolicyDocumentTable,
    RiskAssessmentTable,
    RiskModelTable,
)
from models.tables.record import EventTable, StreamHeadTable
from models.tables.reviews import CabRequestTable, CabVoteTable

__all__ = [
    "CabRequestTable",
    "CabVoteTable",
    "ChangeClaimTable",
    "DeploymentTable",
    "EventTable",
    "EvidencePackTable",
    "HoldTable",
    "IdempotencyKeyTable",
    "LineStopTable",
    "PlaneRunTable",
    "PolicyDocumentTable",
    "RingRunTable",
    "RiskAssessmentTable",
    "RiskModelTable",
    "StreamHeadTable",
    "SubmissionTable",
]
