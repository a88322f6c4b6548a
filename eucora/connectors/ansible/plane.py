"""The execution plane: the port's promises, kept with a ledger, jobs and plays."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeVar

from eucora.connectors.ansible import content, effects, errors, jobs
from eucora.connectors.ansible.effects import Carried, LedgerEntry, Request
from eucora.connectors.ansible.inventory import Inventory, InventoryReader
from eucora.connectors.ansible.jobs import JobKind
from eucora.connectors.ansible.settings import AnsibleSettings
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.supervisor import Supervisor
from eucora.domain.devices import Device
from eucora.domain.errors import PlaneError, PlaneInvalid, PlanePermanent, PlaneTransient
from eucora.domain.vocabulary import RollbackStrategy
from eucora.observability import correlation_id
from eucora.ports.plane import (
    ArtifactReader,
    Assignment,
    Capabilities,
    DevicePage,
    EffectKey,
    Package,
    PlaneHealth,
    PlaneObject,
    RollbackReceipt,
    StatusPage,
    Verification,
)

__all__ = ["AnsiblePlane"]

Result = TypeVar("Result")

LOOK_SECONDS = 0.1
"""How often a running detection is looked at, in the ledger."""
REMAINING_SHOWN = 20


class AnsiblePlane:
    """A :class:`eucora.ports.plane.Plane`. ``clock`` gives the time of what is recorded (UTC)."""

    def __init__(
        self,
        settings: AnsibleSettings,
        *,
        inventory: InventoryReader | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = settings.plane
        self._settings = settings
        self._clock = clock
        self._store = Store(settings.state)
        self._inventory = inventory or InventoryReader(settings)
        self._supervisor = Supervisor(settings, self._store)
        self._prepared = False

    def capabilities(self) -> Capabilities:
        return Capabilities(
            plane=self.name,
            rollback_strategies=(RollbackStrategy.PLAYBOOK,),
            idempotent_creates=True,
            max_attempts=self._settings.max_attempts,
            requests_per_second=50.0,
            concurrency=4,
        )

    async def health(self) -> PlaneHealth:
        started = monotonic()
        if importlib.util.find_spec("ansible_runner") is None:
            return PlaneHealth(healthy=False, sentence="ansible-runner is not installed; install eucora[ansible].")
        try:
            inventory = await self._read_inventory()
            await self._call(lambda: self._read(lambda connection: connection.execute("SELECT 1 FROM job LIMIT 1")))
        except PlaneError as error:
            return PlaneHealth(healthy=False, sentence=error.sentence)
        return PlaneHealth(
            healthy=True,
            sentence=f"The inventory has {len(inventory.hosts)} hosts.",
            latency=timedelta(seconds=monotonic() - started),
        )

    async def inventory(self, group: str, *, cursor: str | None = None, limit: int = 1000) -> DevicePage:
        inventory = await self._read_inventory()
        rest = [host for host in inventory.members(group) if cursor is None or host > cursor]
        page = tuple(inventory.hosts[host] for host in rest[:limit])
        return DevicePage(devices=page, next_cursor=page[-1].id if len(rest) > limit else None)

    async def devices(self, device_ids: tuple[str, ...]) -> tuple[Device, ...]:
        return (await self._read_inventory()).require(device_ids)

    async def publish(self, key: EffectKey, package: Package, artifact: ArtifactReader) -> PlaneObject:
        _check(package)
        request: Request = {"package": json.dumps(asdict(package), sort_keys=True)}
        before = await self._answered(key, request)
        if before is None:
            await content.bring(self._settings.state, package, artifact)
            object_id = _object_id(package)

            def carry_out(connection: sqlite3.Connection) -> Carried:
                adopted = effects.keep_object(connection, object_id, package, at=self._clock())
                return Carried(outcome={"object_id": object_id, "request_id": object_id, "adopted": adopted})

            before = await self._once(key, request, carry_out)
        return PlaneObject(**before.outcome)

    async def assign(self, key: EffectKey, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Assignment:
        carried = await self._command(key, JobKind.INSTALL, object_id, package, device_ids)
        return Assignment(
            assignment_id=carried.outcome["job_id"],
            targeted=carried.outcome["targeted"],
            request_id=carried.outcome["job_id"],
        )

    async def retry(self, key: EffectKey, assignment_id: str, device_ids: tuple[str, ...]) -> Assignment:
        if not device_ids:
            raise errors.empty_target()

        def carry_out(connection: sqlite3.Connection) -> Carried:
            job = jobs.get(connection, assignment_id, kind=JobKind.INSTALL)
            if job.removed:
                raise errors.unknown_assignment(assignment_id)
            targeted = jobs.allow_another(connection, job.job_id, _distinct(device_ids))
            return Carried(outcome={"job_id": job.job_id, "targeted": targeted}, job_id=job.job_id)

        carried = await self._once(key, {"assignment": assignment_id, "devices": sorted(set(device_ids))}, carry_out)
        await self._call(lambda: self._supervisor.ensure_running(assignment_id))
        return Assignment(
            assignment_id=assignment_id,
            targeted=carried.outcome["targeted"],
            request_id=f"{assignment_id}/{key.revision}",
        )

    async def status(self, assignment_id: str, *, cursor: str | None = None, limit: int = 1000) -> StatusPage:
        """Read the ledger; also starts what a kill has cut off, and silent hosts whose time has come."""
        await self._prepare()

        def look() -> StatusPage:
            self._read(lambda connection: jobs.get(connection, assignment_id, kind=JobKind.INSTALL))
            self._supervisor.ensure_running(assignment_id)
            rows = self._read(
                lambda connection: jobs.statuses(connection, assignment_id, after=cursor, limit=limit + 1)
            )
            page = rows[:limit]
            more = page[-1].device_id if len(rows) > limit else None
            return StatusPage(statuses=page, as_of=self._clock(), next_cursor=more)

        return await self._call(look)

    async def unassign(self, key: EffectKey, assignment_id: str) -> None:
        def carry_out(connection: sqlite3.Connection) -> Carried:
            job = jobs.get(connection, assignment_id, kind=JobKind.INSTALL)
            jobs.remove(connection, job.job_id, at=self._clock())
            return Carried(outcome={})

        await self._once(key, {"assignment": assignment_id}, carry_out)

    async def roll_back(
        self, key: EffectKey, strategy: RollbackStrategy, object_id: str, package: Package, device_ids: tuple[str, ...]
    ) -> RollbackReceipt:
        if strategy is not RollbackStrategy.PLAYBOOK:
            raise PlaneInvalid(
                f"This plane rolls back by playbook, not by {strategy.value}.", code="strategy_unsupported"
            )
        carried = await self._command(key, JobKind.UNINSTALL, object_id, package, device_ids)
        return RollbackReceipt(targeted=carried.outcome["targeted"], request_id=carried.outcome["job_id"])

    async def verify(self, object_id: str, package: Package, device_ids: tuple[str, ...]) -> Verification:
        """Run the application on each host, once earlier commands are through; a host without an answer is not clean.

        Raises ``PlaneTransient(code="detection_timeout")`` when that takes longer than ``run_timeout``.
        """
        if not device_ids:
            return Verification(targeted=0, clean=0)
        devices = await self._target(object_id, package, device_ids)
        job_id = await self._call(lambda: self._start_detection(object_id, package, devices))
        try:
            async with asyncio.timeout(self._settings.run_timeout):
                while await self._call(lambda: self._detecting(job_id)):  # noqa: ASYNC110 - a ledger in a file has no event
                    await asyncio.sleep(LOOK_SECONDS)
            remaining = await self._call(lambda: self._read(lambda connection: jobs.not_clean(connection, job_id)))
        except TimeoutError:
            raise PlaneTransient("The detection is not done.", code="detection_timeout") from None
        finally:
            # Shielded: a cancelled activity must not leave the detection running.
            await asyncio.shield(self._call(lambda: self._drop(job_id)))
        return Verification(
            targeted=len(devices), clean=len(devices) - len(remaining), remaining=remaining[:REMAINING_SHOWN]
        )

    async def resume(self) -> tuple[str, ...]:
        """Take up every job that has a host to be played now, whatever cut it off; returns their ids."""
        await self._prepare()
        return await self._call(self._resume)

    async def ledger(self) -> tuple[LedgerEntry, ...]:
        """Every effect that this plane ever received."""
        await self._prepare()
        return await self._call(lambda: self._read(effects.ledger))

    async def aclose(self) -> None:
        """End the plays that this worker started; what they had not done stays due, for the next worker to take up."""
        if self._prepared:
            await self._call(self._supervisor.close)

    async def _command(
        self, key: EffectKey, kind: JobKind, object_id: str, package: Package, device_ids: tuple[str, ...]
    ) -> Carried:
        """Create the key's job once and see that it runs."""
        if not device_ids:
            raise errors.empty_target()
        request: Request = {"object": object_id, "devices": sorted(set(device_ids))}
        carried = await self._answered(key, request)
        if carried is None:
            devices = await self._target(object_id, package, device_ids)
            if kind is JobKind.INSTALL:
                await self._require_content(package)

            def carry_out(connection: sqlite3.Connection) -> Carried:
                job_id = jobs.create(
                    connection,
                    kind,
                    object_id=object_id,
                    application=package.application,
                    devices=devices,
                    allowed=self._settings.max_attempts,
                    correlation_id=correlation_id(),
                    at=self._clock(),
                )
                return Carried(outcome={"job_id": job_id, "targeted": len(devices)}, job_id=job_id)

            carried = await self._once(key, request, carry_out)
        job_id = carried.outcome["job_id"]
        await self._call(lambda: self._supervisor.ensure_running(job_id))
        return carried

    async def _target(self, object_id: str, package: Package, device_ids: tuple[str, ...]) -> tuple[str, ...]:
        await self._prepare()
        published = await self._call(lambda: self._read(lambda connection: effects.object_of(connection, object_id)))
        if published != package:
            raise PlaneInvalid(
                f"Object {object_id!r} was published from another package; publish this one.", code="object_mismatch"
            )
        return tuple(device.id for device in (await self._read_inventory()).require(_distinct(device_ids)))

    async def _require_content(self, package: Package) -> None:
        path = content.path_of(self._settings.state, package.artifact_sha256, package.artifact_name)
        if not await asyncio.to_thread(path.is_file):
            raise PlanePermanent("The artifact left the content cache; publish it again.", code="content_missing")

    def _start_detection(self, object_id: str, package: Package, devices: tuple[str, ...]) -> str:
        with self._store.change() as connection:
            return jobs.create(
                connection,
                JobKind.DETECT,
                object_id=object_id,
                application=package.application,
                devices=devices,
                allowed=1,
                correlation_id=correlation_id(),
                at=self._clock(),
            )

    def _resume(self) -> tuple[str, ...]:
        unfinished = self._read(lambda connection: jobs.unfinished(connection, at=self._clock()))
        for job in unfinished:
            self._supervisor.ensure_running(job.job_id)
        return tuple(job.job_id for job in unfinished)

    def _detecting(self, job_id: str) -> bool:
        """See that the detection, and what it waits for, run; returns whether to look again."""
        return job_id in self._resume() or self._read(lambda connection: jobs.get(connection, job_id)).running

    def _drop(self, job_id: str) -> None:
        self._supervisor.stop(job_id)
        with self._store.change() as connection:
            jobs.forget(connection, job_id)

    async def _read_inventory(self) -> Inventory:
        await self._prepare()
        return await self._inventory.read()

    async def _answered(self, key: EffectKey, request: Request) -> Carried | None:
        await self._prepare()

        def look() -> Carried | None:
            with self._store.change() as connection:
                return effects.answered(connection, key, request, at=self._clock())

        return await self._call(look)

    async def _once(
        self, key: EffectKey, request: Request, carry_out: Callable[[sqlite3.Connection], Carried]
    ) -> Carried:
        await self._prepare()

        def change() -> Carried:
            with self._store.change() as connection:
                return effects.carry_out_once(
                    connection,
                    key,
                    request,
                    lambda: carry_out(connection),
                    correlation_id=correlation_id(),
                    at=self._clock(),
                )

        return await self._call(change)

    def _read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._store.read() as connection:
            return query(connection)

    async def _prepare(self) -> None:
        if not self._prepared:
            await self._call(self._store.prepare)
            self._prepared = True

    async def _call(self, work: Callable[[], Result]) -> Result:
        """Do blocking work in a thread; the ledger's troubles become ``PlaneTransient``."""
        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise errors.ledger_unavailable(error) from error
        except OSError as error:
            raise PlaneTransient(
                f"The connector's state folder does not serve: {error}", code="state_unavailable"
            ) from error


def _object_id(package: Package) -> str:
    """Objects are content-addressed: the same package is the same object, whoever publishes it."""
    digest = hashlib.sha256(json.dumps(asdict(package), sort_keys=True).encode()).hexdigest()
    return f"object-{digest[:32]}"


def _check(package: Package) -> None:
    missing = [
        name
        for name, value in {
            "install_command": package.install_command,
            "uninstall_command": package.uninstall_command,
            "detection.command": package.detection.get("command", ""),
        }.items()
        if not value.strip()
    ]
    if missing:
        raise PlaneInvalid(
            f"An Ansible plane needs {', '.join(missing)}; add it to the package.",
            code="package_incomplete",
            field=missing[0],
        )


def _distinct(device_ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(device_ids))
