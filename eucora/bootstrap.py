"""The only place that builds adapters (``style.md`` §6.11): what a process needs, made once, closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from activities.governance import GovernanceActivities
from activities.plane import PlaneActivities
from activities.record import RecordActivities
from eucora import __version__
from eucora.blobs import open_store
from eucora.connectors import registry
from eucora.domain.errors import InvalidInput
from eucora.observability import Metrics
from eucora.ports.blobs import BlobStore
from eucora.ports.plane import Plane
from eucora.settings import MissingSetting, Settings
from eucora.store.claims import PostgresClaims
from eucora.store.engine import Database
from eucora.store.guard import PostgresGuard
from eucora.store.history import PostgresHistory
from eucora.store.packs import PostgresAssessments, PostgresPacks
from eucora.store.progress import PostgresProgress
from eucora.store.record import PostgresRecord
from eucora.store.submissions import PostgresSubmissions

__all__ = ["Core", "core_activities", "plane_activities", "unknown_queue"]

Activities = list[Callable[..., Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What a worker process holds: the database, the store of blobs, and how to build its planes."""

    database: Database
    blobs: BlobStore
    planes: tuple[str, ...]
    build_plane: Callable[[str], Plane]
    metrics: Metrics = field(default_factory=lambda: Metrics(component="worker", version=__version__))

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Core]:
        """Build, yield, close. Raises ``MissingSetting`` naming what is not configured, or not so that it can be."""
        database_url = settings.require_database_url()
        async with AsyncExitStack() as stack:
            try:
                database = Database.at(database_url, pool_size=settings.database_pool_size)
                blobs = open_store(settings.blob_url)
            except InvalidInput as wrong:
                raise MissingSetting(wrong.sentence) from None
            stack.push_async_callback(database.close)
            built: dict[str, Plane] = {}

            def build(name: str) -> Plane:
                if name not in built:
                    built[name] = registry.build(name, environment)
                    stack.push_async_callback(built[name].aclose)
                return built[name]

            yield cls(
                database=database,
                blobs=blobs,
                planes=tuple(registry.configured_planes(environment)),
                build_plane=build,
            )


def core_activities(core: Core) -> Activities:
    """Activities of the core queue: the record, and governance."""
    record = RecordActivities(PostgresRecord(core.database), core.metrics)
    governance = GovernanceActivities(
        submissions=PostgresSubmissions(core.database),
        packs=PostgresPacks(core.database),
        assessments=PostgresAssessments(core.database),
        claims=PostgresClaims(core.database),
        history=PostgresHistory(core.database),
        blobs=core.blobs,
    )
    return [
        record.record,
        governance.seal_evidence,
        governance.reseal_evidence,
        governance.claim_change,
        governance.release_change,
        governance.assess_risk,
    ]


def plane_activities(core: Core, plane: str) -> Activities:
    """Activities of one plane's queue; only here is the plane's credential read."""
    planes = PlaneActivities(
        {plane: core.build_plane(plane)},
        guard=PostgresGuard(core.database),
        packs=PostgresPacks(core.database),
        progress=PostgresProgress(core.database),
        blobs=core.blobs,
    )
    return [
        planes.resolve_cohorts,
        planes.freeze_membership,
        planes.publish,
        planes.assign,
        planes.observe,
        planes.pick_device,
        planes.roll_back,
        planes.reinstall,
    ]


def unknown_queue(name: str, known: tuple[str, ...]) -> MissingSetting:
    """Return the error for a queue that no configured plane has."""
    return MissingSetting(
        f"there is no queue {name!r}; queues here: {', '.join(known)} (see {registry.PLANES_VARIABLE})"
    )
