"""The planes of this installation, as far as the API may know them: names, connectors, what their manifests declare.

The API makes no call to a plane: a plane's credentials exist only on its own workers. A manifest is read where the
connector's settings happen to be at hand, and is unknown otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from eucora.connectors.registry import build, configured_planes
from eucora.domain.planning import PlaneFacts
from eucora.domain.vocabulary import RollbackStrategy
from eucora.settings import MissingSetting

__all__ = ["ConfiguredPlane", "load_planes"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredPlane:
    """A plane, its connector, and the rollback strategies of its manifest; empty when that is not at hand."""

    name: str
    connector: str
    strategies: tuple[RollbackStrategy, ...]

    @property
    def facts(self) -> PlaneFacts:
        """What planning asks."""
        return PlaneFacts(name=self.name, strategies=self.strategies)


async def load_planes(environment: Mapping[str, str]) -> dict[str, ConfiguredPlane]:
    """The planes of ``EUCORA_PLANES`` in ``environment``. Raises ``MissingSetting`` when that is malformed."""
    return {
        name: ConfiguredPlane(name=name, connector=connector, strategies=await _strategies(name, environment))
        for name, connector in configured_planes(environment).items()
    }


async def _strategies(plane: str, environment: Mapping[str, str]) -> tuple[RollbackStrategy, ...]:
    try:
        adapter = build(plane, environment)
    except MissingSetting as error:
        log.info("planes.manifest_unknown", plane=plane, reason=str(error))
        return ()
    try:
        return adapter.capabilities().rollback_strategies
    finally:
        await adapter.aclose()
