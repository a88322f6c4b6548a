"""Planes and their connectors on the wire."""

from __future__ import annotations

from pydantic import Field

from models.wire.base import Answer

__all__ = ["ConnectorView"]


class ConnectorView(Answer):
    """A plane and the connector in front of it."""

    plane: str
    connector: str
    rollback_strategies: list[str] = Field(description="empty when the connector's manifest is not at hand here")
