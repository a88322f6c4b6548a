"""Work on an execution plane: each method does one thing through the port, once per attempt, and maps errors.

A forward effect asks the guard immediately before it acts; no answer means it does not act and is tried again. Keys
are derived from business facts, so an attempt that follows a lost answer finds what the first one did. Time is the
engine's: an attempt's ``started_time``, never this machine's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from temporalio import activity

from activities.errors import as_failures, heartbeating, not_yet
from activities.memberships import Memberships
from eucora.domain import gates
from eucora.domain.devices import Device, DeviceState, DeviceStatus
from eucora.domain.errors import NotFound, PlaneNotFound, PlanePermanent
from eucora.domain.facts import CohortSize, PlaneMembership, SiteCount
from eucora.domain.plan import Cohort
from eucora.domain.rings import CohortEmpty, Member, select
from eucora.domain.vocabulary import Operation, SiteClass
from eucora.evidence.canonical import canonical_json
from eucora.evidence.pack import EvidencePack, read_pack
from eucora.ports.blobs import BlobStore
from eucora.ports.guard import Guard
from eucora.ports.packs import Packs
from eucora.ports.plane import EffectKey, Package, Plane
from eucora.ports.progress import Progress
from models.messages import activities as a


class PlaneActivities:
    """Activities of the planes that this worker serves."""

    def __init__(
        self, planes: Mapping[str, Plane], *, guard: Guard, packs: Packs, progress: Progress, blobs: BlobStore
    ) -> None:
        self._planes = planes
        self._guard = guard
        self._packs = packs
        self._progress = progress
        self._blobs = blobs
        self._memberships = Memberships(blobs)

    @activity.defn
    async def resolve_cohorts(self, request: a.ResolveCohorts) -> a.Resolved:
        """Count the devices of every ring on the plane, as they would be chosen now."""
        with as_failures():
            async with heartbeating():
                plane = self._plane(request.plane)
                taken: set[str] = set()
                sizes: list[CohortSize] = []
                critical = False
                for ring in request.plan.rings:
                    for index, target in enumerate(ring.targets):
                        if target.plane != request.plane:
                            continue
                        field = f"rings.{ring.name}.targets[{index}].cohort"
                        candidates = await _candidates(plane, target.cohort, field)
                        members = select(
                            target.cohort,
                            candidates,
                            application_id=request.plan.application.id,
                            taken=taken,
                            field=field,
                        )
                        chosen = {member.device_id for member in members}
                        taken |= chosen
                        critical = critical or any(
                            device.critical_infrastructure for device in candidates if device.id in chosen
                        )
                        sizes.append(CohortSize(ring=ring.name, plane=request.plane, devices=len(members)))
        return a.Resolved(sizes=tuple(sizes), critical_infrastructure=critical)

    @activity.defn
    async def freeze_membership(self, request: a.FreezeMembership) -> a.MembershipResult:
        """Choose the ring's devices and store the list, each device with its why, under its digest."""
        with as_failures():
            stopped = await self._stopped(request.deployment_id, Operation.ASSIGN, request.plane, request.ring)
            if stopped is not None:
                return a.MembershipResult(stopped=stopped)
            async with heartbeating():
                taken: set[str] = set()
                for earlier in request.earlier:
                    taken.update(await self._memberships.load(earlier))
                field = f"rings.{request.ring}"
                candidates = await _candidates(self._plane(request.plane), request.cohort, field)
                members = select(
                    request.cohort, candidates, application_id=request.application_id, taken=taken, field=field
                )
                digest = await self._memberships.store(members)
        return a.MembershipResult(membership=_membership(request.plane, digest, members))

    @activity.defn
    async def publish(self, request: a.PlaneEffect) -> a.EffectDone:
        """Create or adopt the application's object on the plane."""
        with as_failures():
            stopped = await self._stopped(request.deployment_id, Operation.PUBLISH, request.plane, request.ring)
            if stopped is not None:
                return a.EffectDone(stopped=stopped)
            async with heartbeating():
                package = await self._package(request.pack_digest)
                key = _key(request, Operation.PUBLISH, request.revision)
                done = await self._plane(request.plane).publish(key, package, self._blobs)
        return a.EffectDone(object_id=done.object_id, request_id=done.request_id, adopted=done.adopted)

    @activity.defn
    async def assign(self, request: a.PlaneEffect) -> a.EffectDone:
        """Make the object required on the frozen members; later revisions give failed devices another attempt."""
        with as_failures():
            stopped = await self._stopped(request.deployment_id, Operation.ASSIGN, request.plane, request.ring)
            if stopped is not None:
                return a.EffectDone(stopped=stopped)
            async with heartbeating():
                plane = self._plane(request.plane)
                members = await self._memberships.load(request.membership_digest)
                if request.assignment_id:
                    # All members: a key stands for one target, and which of them failed may change before the next
                    # attempt. The plane gives another attempt only to those whose attempts are used up.
                    key = _key(request, Operation.RETRY, request.revision)
                    done = await plane.retry(key, request.assignment_id, tuple(members))
                else:
                    package = await self._package(request.pack_digest)
                    key = _key(request, Operation.ASSIGN, request.revision)
                    done = await plane.assign(key, request.object_id, package, tuple(members))
        return a.EffectDone(
            assignment_id=done.assignment_id, targeted=done.targeted, request_id=done.request_id, adopted=done.adopted
        )

    @activity.defn
    async def observe(self, request: a.ObservePlane) -> a.Observed:
        """Look once; return figures that cross the mark, or ask to be called again after the poll interval."""
        with as_failures():
            async with heartbeating():
                now = _now()
                members = await self._memberships.load(request.membership_digest)
                statuses = await _statuses(self._plane(request.plane), request.assignment_id)
                figures = gates.summarise(
                    members,
                    statuses,
                    started_at=request.started_at,
                    windows=request.windows,
                    max_attempts=request.max_attempts,
                    now=now,
                )
                await self._progress.observed(request.deployment_id, request.ring, request.plane, figures, now)
        if gates.crossed(request.mark, figures, now):
            return a.Observed(figures=figures)
        delay = request.poll_interval
        if request.mark.until is not None:
            delay = min(delay, max((request.mark.until - now).total_seconds(), 0.05))
        raise not_yet(f"{figures.succeeded} of {figures.targeted} succeeded, {figures.failed} failed", delay)

    @activity.defn
    async def pick_device(self, request: a.PickDevice) -> a.Picked:
        """Choose the first device by id that succeeded; wait while there is none."""
        with as_failures():
            async with heartbeating():
                members = await self._memberships.load(request.membership_digest)
                statuses = await _statuses(self._plane(request.plane), request.assignment_id)
        succeeded = sorted(
            status.device_id
            for status in statuses
            if status.state is DeviceState.SUCCEEDED and status.device_id in members
        )
        if not succeeded:
            raise not_yet("no device has succeeded yet", 1.0)
        return a.Picked(device_id=succeeded[0])

    @activity.defn
    async def roll_back(self, request: a.RollBack) -> a.RolledBack:
        """Take the release off the devices by the plane's strategy, and return when the plane shows every one clean."""
        with as_failures():
            stopped = await self._stopped(request.deployment_id, request.operation, request.plane, request.ring)
            if stopped is not None:
                return a.RolledBack(stopped=stopped)
            async with heartbeating():
                plane = self._plane(request.plane)
                package = await self._package(request.pack_digest)
                if request.device_id:
                    devices: tuple[str, ...] = (request.device_id,)
                else:
                    devices = tuple(await self._memberships.load(request.membership_digest))
                key = EffectKey(
                    deployment_id=request.deployment_id,
                    ring=request.ring,
                    plane=request.plane,
                    operation=request.operation,
                    revision=request.revision,
                )
                await plane.roll_back(key, request.strategy, request.object_id, package, devices)
                found = await plane.verify(request.object_id, package, devices)
        if not found.complete:
            remaining = ", ".join(found.remaining[:5])
            raise not_yet(
                f"{found.clean} of {found.targeted} devices are clean; still on {remaining}", request.poll_interval
            )
        return a.RolledBack(targeted=found.targeted, clean=found.clean)

    @activity.defn
    async def reinstall(self, request: a.Reinstall) -> a.Reinstalled:
        """Give one device the release again, and return when it stands.

        By an assignment of its own: a retry is for devices whose attempts are used up, not for those rolled back.
        """
        with as_failures():
            stopped = await self._stopped(request.deployment_id, Operation.REINSTALL, request.plane, request.ring)
            if stopped is not None:  # the rehearsal is half done: it goes on where it stands
                raise not_yet(f"held by {stopped.who}: {stopped.why}", request.poll_interval)
            async with heartbeating():
                plane = self._plane(request.plane)
                key = EffectKey(
                    deployment_id=request.deployment_id,
                    ring=request.ring,
                    plane=request.plane,
                    operation=Operation.REINSTALL,
                    revision=request.revision,
                )
                package = await self._package(request.pack_digest)
                done = await plane.assign(key, request.object_id, package, (request.device_id,))
                statuses = await _statuses(plane, done.assignment_id)
                gone = await plane.verify(request.object_id, package, (request.device_id,))
        state = next((status for status in statuses if status.device_id == request.device_id), None)
        if state is not None and state.state is DeviceState.FAILED and state.attempts >= request.max_attempts:
            with as_failures():
                sentence = f"{request.device_id} did not take the release again: {state.error or 'no reason given'}"
                raise PlanePermanent(sentence, code="reinstall_failed")
        if state is None or state.state is not DeviceState.SUCCEEDED or gone.complete:
            raise not_yet(f"{request.device_id} does not carry the release again yet", request.poll_interval)
        return a.Reinstalled(device_id=request.device_id)

    def _plane(self, name: str) -> Plane:
        plane = self._planes.get(name)
        if plane is None:
            known = ", ".join(sorted(self._planes)) or "none"
            raise NotFound(
                f"this worker serves no plane {name!r}; it serves: {known}", code="plane_unknown", field="planes"
            )
        return plane

    async def _package(self, pack_digest: str) -> Package:
        stored = await self._packs.load(pack_digest)
        return package_of(read_pack(canonical_json(stored.document), expected_digest=pack_digest))

    async def _stopped(self, deployment_id: str, operation: Operation, plane: str, ring: str) -> a.Stopped | None:
        stop = await self._guard.may_act(deployment_id, operation, plane, ring)
        if stop is None:
            return None
        return a.Stopped(kind=stop.kind, who=stop.who, why=stop.why, reference=stop.reference)


def package_of(pack: EvidencePack) -> Package:
    """Return what a plane needs to know of a release, from its sealed pack."""
    return Package(
        application=pack.application.name,
        version=pack.application.version,
        vendor=pack.application.vendor,
        artifact_sha256=pack.artifact.sha256,
        artifact_name=pack.artifact.file_name,
        artifact_size=pack.artifact.size,
        install_command=pack.installation.install_command,
        uninstall_command=pack.installation.uninstall_command,
        detection=dict(pack.installation.detection),
        settings=dict(pack.installation.settings),
    )


def _now() -> datetime:
    return activity.info().started_time


def _key(request: a.PlaneEffect, operation: Operation, revision: int) -> EffectKey:
    return EffectKey(
        deployment_id=request.deployment_id,
        ring=request.ring,
        plane=request.plane,
        operation=operation,
        revision=revision,
    )


def _membership(plane: str, digest: str, members: tuple[Member, ...]) -> PlaneMembership:
    counts = {name: sum(member.site_class is name for member in members) for name in SiteClass}
    return PlaneMembership(
        plane=plane,
        digest=digest,
        devices=len(members),
        sites=tuple(SiteCount(site_class=name, devices=count) for name, count in counts.items() if count),
    )


async def _candidates(plane: Plane, cohort: Cohort, field: str) -> tuple[Device, ...]:
    """Read a cohort's devices from the plane's inventory, each once: one may move to another page while it is read.

    Raises ``CohortEmpty`` (``cohort_unresolvable``) with the field.
    """
    try:
        if cohort.devices:
            return tuple({device.id: device for device in await plane.devices(cohort.devices)}.values())
        found: dict[str, Device] = {}
        cursor: str | None = None
        while True:
            page = await plane.inventory(cohort.group, cursor=cursor)
            found.update((device.id, device) for device in page.devices)
            cursor = page.next_cursor
            if cursor is None:
                return tuple(found.values())
    except PlaneNotFound as error:
        raise CohortEmpty(error.sentence, code="cohort_unresolvable", field=field) from error


async def _statuses(plane: Plane, assignment_id: str) -> list[DeviceStatus]:
    found: list[DeviceStatus] = []
    cursor: str | None = None
    while True:
        page = await plane.status(assignment_id, cursor=cursor, limit=10_000)
        found.extend(page.statuses)
        cursor = page.next_cursor
        if cursor is None:
            return found
