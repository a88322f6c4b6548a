"""Projections, governance, access and the record.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from eucora.store.migrations.scripts import run_scripts

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts("0001_tables.sql", "0001_record.sql", "0001_grants.sql")
