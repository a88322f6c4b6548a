"""What one process of the API holds: made once in the lifespan, handed to routes by ``deps.py``, closed in order."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from api.plan_policy import plan_policy
from api.planes import ConfiguredPlane, load_planes
from api.security_log import SecurityLog
from api.temporal_gateway import TemporalGateway
from eucora import __version__
from eucora.blobs import open_store
from eucora.domain.planning import PlanPolicy
from eucora.identity.principal import IdentityProvider
from eucora.ports.blobs import BlobStore
from eucora.ports.packs import Packs
from eucora.ports.signer import ArtifactVerifier
from eucora.runtime.client import connect
from eucora.settings import Settings
from eucora.signing.keys import load_private_key
from eucora.signing.trusted_signers import load_trusted_signers
from eucora.store.engine import Database
from eucora.store.packs import PostgresPacks

__all__ = ["Clock", "Services", "open_services"]

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Adapters and policy of this process."""

    settings: Settings
    identity: IdentityProvider
    database: Database
    packs: Packs
    blobs: BlobStore
    verifier: ArtifactVerifier
    gateway: TemporalGateway
    planes: dict[str, ConfiguredPlane]
    policy: PlanPolicy
    security: SecurityLog
    version: str = __version__
    clock: Clock = field(default=utc_now)


@asynccontextmanager
async def open_services(
    settings: Settings, *, identity: IdentityProvider, client: Client | None = None
) -> AsyncIterator[Services]:
    """Build, yield, close. Neither Postgres nor Temporal needs to be up: both are connected to on first use.

    ``client`` replaces the Temporal client of the environment (tests). Raises ``MissingSetting``, ``KeyFileInvalid``.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(identity.aclose)
        key = load_private_key(settings.require_claims_key_file())
        database = Database.at(settings.require_database_url(), pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        planes = await load_planes(os.environ)
        yield Services(
            settings=settings,
            identity=identity,
            database=database,
            packs=PostgresPacks(database),
            blobs=open_store(settings.blob_url),
            verifier=load_trusted_signers(settings.trusted_signers_file),
            gateway=TemporalGateway(
                client or await connect(lazy=True),
                key=key,
                task_queue=settings.task_queue,
                wait=timedelta(seconds=settings.temporal_wait_seconds),
            ),
            planes=planes,
            policy=plan_policy(planes, development=settings.is_development),
            security=SecurityLog(database),
        )
