"""One worker's parts, no engine: real stores on Postgres, blobs in memory, a fake plane, time in the test's hands."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import psycopg
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.governance import GovernanceActivities
from activities.plane import PlaneActivities
from activities.record import RecordActivities
from eucora.domain.devices import Device
from eucora.domain.facts import DeploymentCreated
from eucora.domain.plan import RolloutPlan
from eucora.domain.vocabulary import RollbackStrategy
from eucora.evidence.pack import EvidencePack
from eucora.ports.packs import PackDocument
from eucora.ports.record import FactBatch
from eucora.signing.starts import start_digest
from eucora.store.claims import PostgresClaims
from eucora.store.engine import Database
from eucora.store.guard import PostgresGuard
from eucora.store.history import PostgresHistory
from eucora.store.packs import PostgresAssessments, PostgresPacks
from eucora.store.progress import PostgresProgress
from eucora.store.record import PostgresRecord
from eucora.store.submissions import PostgresSubmissions
from models.messages import activities as a
from tests.domain.builders import KEY, created, plan
from tests.evidence.builders import AUTHOR, Case
from tests.fakes.plane import START, FakePlane, FakeWorld, fake_devices

P = TypeVar("P")
R = TypeVar("R")

PLANE = "fake"
LATENCY = timedelta(minutes=5)
WINDOW = timedelta(hours=4)


class Site:
    """Activities of one deployment on their real stores. ``now`` is the engine's time, and the fake plane's clock."""

    def __init__(self, database: Database, case: Case, pack: EvidencePack) -> None:
        self.database, self.case, self.pack = database, case, pack
        self.now = START
        devices = (*fake_devices(6), *fake_devices(4, plane="can", group="canary"))
        self.world = FakeWorld(devices, clock=lambda: self.now, latency=LATENCY)
        self.plane = FakePlane(PLANE, self.world)
        self.env = ActivityEnvironment()
        self.packs = PostgresPacks(database)
        self.assessments = PostgresAssessments(database)
        self.records = PostgresRecord(database)
        base = plan(planes=(PLANE,), rings=2)
        self.plan: RolloutPlan = dataclasses.replace(
            base,
            deployment_id=f"d-{uuid4().hex[:8]}",
            correlation_id=str(uuid4()),
            pack_digest=pack.pack_digest,
            artifact_sha256=pack.artifact.sha256,
        )
        self.governance = GovernanceActivities(
            submissions=PostgresSubmissions(database),
            packs=self.packs,
            assessments=self.assessments,
            claims=PostgresClaims(database),
            history=PostgresHistory(database),
            blobs=case.blobs,
        )
        self.record = RecordActivities(self.records)
        self.planes = PlaneActivities(
            {PLANE: self.plane},
            guard=PostgresGuard(database),
            packs=self.packs,
            progress=PostgresProgress(database),
            blobs=case.blobs,
        )

    async def store_pack(self, pack: EvidencePack) -> str:
        """Store a pack as the API does; returns its digest."""
        document = PackDocument(
            pack_id="pack-1",
            version=pack.metadata.pack_version,
            pack_digest=pack.pack_digest,
            release_digest=pack.release_digest,
            author=AUTHOR,
            scope=self.plan.scope,
            document=pack.model_dump(mode="json", exclude_none=True),
        )
        await self.packs.store(document)
        return pack.pack_digest

    async def begin(self) -> DeploymentCreated:
        """Submit as the API does, and record the deployment's first fact: without a record nothing may act."""
        submissions = PostgresSubmissions(self.database)
        await submissions.register(self.plan.deployment_id, start_digest(self.plan, (KEY,)))
        first = created(self.plan)
        await self.records.append(FactBatch(deployment_id=self.plan.deployment_id, first_sequence=1, facts=(first,)))
        return first

    async def submitted(self, plan: RolloutPlan) -> a.SealEvidence:
        """Register a start as the API does, and return the request to seal its evidence."""
        await PostgresSubmissions(self.database).register(plan.deployment_id, start_digest(plan, (KEY,)))
        return a.SealEvidence(plan=plan, trusted_keys=(KEY,))

    async def run(self, function: Callable[[P], Awaitable[R]], request: P) -> R:
        """One attempt of an activity, started at ``now``."""
        self.env.info = dataclasses.replace(self.env.info, started_time=self.now)
        return await self.env.run(function, request)

    async def failure(self, function: Callable[[P], Awaitable[R]], request: P) -> ApplicationError:
        """One attempt that must fail; returns its failure as Temporal is told of it."""
        with pytest.raises(ApplicationError) as caught:
            await self.run(function, request)
        return caught.value

    async def freeze(self, ring: str = "LAB", earlier: tuple[str, ...] = ()) -> str:
        """Freeze a ring's membership; returns its digest."""
        order = [one.name for one in self.plan.rings].index(ring)
        found = await self.run(
            self.planes.freeze_membership,
            a.FreezeMembership(
                deployment_id=self.plan.deployment_id,
                application_id=self.plan.application.id,
                ring=ring,
                order=order,
                plane=PLANE,
                cohort=self.plan.rings[order].targets[0].cohort,
                earlier=earlier,
            ),
        )
        assert found.membership is not None
        return found.membership.digest

    def effect(self, membership: str = "", **changes: object) -> a.PlaneEffect:
        values: dict[str, object] = {
            "deployment_id": self.plan.deployment_id,
            "ring": "LAB",
            "plane": PLANE,
            "revision": 1,
            "pack_digest": self.plan.pack_digest,
            "membership_digest": membership,
            "max_attempts": 3,
        }
        return a.PlaneEffect.model_validate(values | changes)

    async def assigned(self) -> Assigned:
        """LAB, frozen, published and assigned at ``now``."""
        membership = await self.freeze()
        published = await self.run(self.planes.publish, self.effect(membership))
        done = await self.run(self.planes.assign, self.effect(membership, object_id=published.object_id))
        return Assigned(membership, published.object_id, done.assignment_id, self.now)

    def roll_back(self, on: Assigned, **changes: object) -> a.RollBack:
        values: dict[str, object] = {
            "deployment_id": self.plan.deployment_id,
            "ring": "LAB",
            "plane": PLANE,
            "operation": "roll_back",
            "revision": 1,
            "strategy": RollbackStrategy.ASSIGNMENT_REMOVE,
            "pack_digest": self.plan.pack_digest,
            "object_id": on.object_id,
            "membership_digest": on.membership,
            "poll_interval": 30.0,
        }
        return a.RollBack.model_validate(values | changes)

    def reinstall(self, on: Assigned, device_id: str, **changes: object) -> a.Reinstall:
        values: dict[str, object] = {
            "deployment_id": self.plan.deployment_id,
            "ring": "LAB",
            "plane": PLANE,
            "revision": 1,
            "pack_digest": self.plan.pack_digest,
            "object_id": on.object_id,
            "device_id": device_id,
            "max_attempts": 3,
            "poll_interval": 30.0,
        }
        return a.Reinstall.model_validate(values | changes)


@dataclasses.dataclass(frozen=True)
class Assigned:
    """What stands on the plane."""

    membership: str
    object_id: str
    assignment_id: str
    at: datetime


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[EventDict]]:
    """What was logged, as events; nothing is rendered."""
    with capture_logs() as events:
        yield events


@pytest.fixture
async def site(module_database_url: str) -> AsyncIterator[Site]:
    database = Database.at(module_database_url, pool_size=5)
    case = Case()
    pack = await case.assemble()
    made = Site(database, case, pack)
    await made.store_pack(pack)
    await made.begin()
    yield made
    await database.close()


def device(number: int, **changes: object) -> Device:
    values: dict[str, object] = {"id": f"x-{number:03d}", "name": f"X-{number:03d}", "site": "berlin", "groups": ("x",)}
    return Device(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def owner(module_owner_database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(module_owner_database_url, autocommit=True) as connection:
        yield connection


def stop_the_line(owner: psycopg.Connection[tuple[object, ...]], site: Site, *, plane: str = "") -> str:
    """Stop this deployment on a plane, or on all; returns the stop's id."""
    stop_id = f"stop-{site.plan.deployment_id}"
    owner.execute(
        "INSERT INTO line_stop (id, tenant, plane, application_id, deployment_id, stopped_by, why, stopped_at,"
        " released_by, release_why) VALUES (%s, 'default', %s, '', %s, 'olga-ops', 'a worm', %s, '', '')",
        [stop_id, plane, site.plan.deployment_id, site.now],
    )
    return stop_id
