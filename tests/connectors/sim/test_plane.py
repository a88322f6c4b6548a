"""What is the ``sim`` connector's own, beyond the contract of ``Plane``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from eucora.connectors.sim import build
from eucora.domain.errors import PlaneAuth, PlaneConflict, PlaneInvalid, PlaneTransient, UnknownOutcome
from eucora.domain.vocabulary import Operation
from eucora.ports.plane import EffectKey, Plane
from tests.contracts.plane_harness import Bytes, example_package
from tests.fakes.fleet_server import FleetServer, running_fleet

PACKAGE = example_package()
PLANES = "sim-windows=keyed,sim-mac=naive"


def key(plane: str, operation: Operation) -> EffectKey:
    return EffectKey(deployment_id="dep-9", ring="LAB", plane=plane, operation=operation)


def adapter(fleet: FleetServer, plane: str, **environment: str) -> Plane:
    return build(plane, {"EUCORA_FLEET_URL": fleet.url, "EUCORA_FLEET_PLANES": PLANES, **environment})


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[FleetServer]:
    async with running_fleet(tmp_path / "fleet.db", *PLANES.split(","), devices=4_000) as fleet:
        yield fleet


@pytest.fixture(params=["sim-windows", "sim-mac"])
async def plane(request: pytest.FixtureRequest, fleet: FleetServer) -> AsyncIterator[Plane]:
    plane = adapter(fleet, request.param)
    yield plane
    await plane.aclose()


async def published(plane: Plane) -> str:
    return (await plane.publish(key(plane.name, Operation.PUBLISH), PACKAGE, Bytes())).object_id


async def test_the_status_of_two_thousand_devices_takes_two_requests(plane: Plane) -> None:
    everyone = tuple(device.id for device in (await plane.inventory("all", limit=2_000)).devices)
    assignment = await plane.assign(key(plane.name, Operation.ASSIGN), await published(plane), PACKAGE, everyone)
    first = await plane.status(assignment.assignment_id, limit=1_000)
    second = await plane.status(assignment.assignment_id, cursor=first.next_cursor, limit=1_000)
    assert len(first.statuses) + len(second.statuses) == len(everyone) == 2_000
    assert second.next_cursor is None


async def test_the_correlation_id_reaches_the_ledger(plane: Plane, fleet: FleetServer) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="0d5c1f6e-5d1a-4c39-8b0e-2f0a3e2b7c11"):
        await published(plane)
    entries = await fleet.ledger(deployment="dep-9")
    assert {entry["correlation"] for entry in entries} == {"0d5c1f6e-5d1a-4c39-8b0e-2f0a3e2b7c11"}


async def test_an_effect_key_stands_for_one_target(plane: Plane) -> None:
    object_id = await published(plane)
    devices = tuple(device.id for device in (await plane.inventory("canary")).devices)
    await plane.assign(key(plane.name, Operation.ASSIGN), object_id, PACKAGE, devices[:2])
    with pytest.raises(PlaneConflict) as caught:
        await plane.assign(key(plane.name, Operation.ASSIGN), object_id, PACKAGE, devices[:3])
    assert caught.value.code == "key_reused"


async def test_an_empty_target_does_not_even_reach_the_fleet(plane: Plane, fleet: FleetServer) -> None:
    object_id = await published(plane)
    with pytest.raises(PlaneInvalid):
        await plane.assign(key(plane.name, Operation.ASSIGN), object_id, PACKAGE, ())
    assert await fleet.ledger(operation="assign") == []


async def test_a_release_with_another_artifact_is_a_conflict(plane: Plane) -> None:
    await published(plane)
    other = example_package(b"other bytes")
    with pytest.raises(PlaneConflict) as caught:
        await plane.publish(
            EffectKey(deployment_id="dep-10", ring="LAB", plane=plane.name, operation=Operation.PUBLISH),
            other,
            Bytes(b"other bytes"),
        )
    assert caught.value.code == "other_content"


async def test_content_is_uploaded_once(plane: Plane, fleet: FleetServer) -> None:
    await published(plane)
    await plane.publish(
        EffectKey(deployment_id="dep-10", ring="LAB", plane=plane.name, operation=Operation.PUBLISH), PACKAGE, Bytes()
    )
    uploads = [entry for entry in await fleet.ledger() if entry["action"] == "upload"]
    assert [entry["outcome"] for entry in uploads] == ["applied"]


@pytest.mark.parametrize("plane", ["sim-windows"], indirect=True)
async def test_a_plane_that_is_not_as_configured_is_unhealthy_and_untouched(fleet: FleetServer, plane: Plane) -> None:
    naive = adapter(fleet, "sim-windows", EUCORA_FLEET_PLANES="sim-windows=naive")
    health = await naive.health()
    assert not health.healthy
    assert "EUCORA_FLEET_PLANES" in health.sentence
    with pytest.raises(PlaneInvalid) as caught:
        await published(naive)
    assert caught.value.code == "manifest_mismatch"
    assert await fleet.ledger() == []
    await naive.aclose()


@pytest.mark.parametrize("plane", ["sim-mac"], indirect=True)
async def test_a_call_whose_client_left_before_its_turn_is_not_applied(plane: Plane, fleet: FleetServer) -> None:
    object_id = await published(plane)
    devices = tuple(device.id for device in (await plane.inventory("lab")).devices)
    await fleet.fault(kind="delay_before", action="assign")
    task = asyncio.ensure_future(plane.assign(key("sim-mac", Operation.ASSIGN), object_id, PACKAGE, devices))
    await asyncio.wait_for(fleet.held.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    fleet.released.set()
    await plane.assign(key("sim-mac", Operation.ASSIGN), object_id, PACKAGE, devices)
    entries = await fleet.ledger(operation="assign")
    assert [entry["outcome"] for entry in entries] == ["not_handled", "applied"]


@pytest.mark.parametrize("plane", ["sim-mac"], indirect=True)
async def test_an_answer_that_comes_too_late_is_an_unknown_outcome(plane: Plane, fleet: FleetServer) -> None:
    object_id = await published(plane)
    devices = tuple(device.id for device in (await plane.inventory("lab")).devices)
    hasty = adapter(fleet, "sim-mac", EUCORA_FLEET_TIMEOUT_SECONDS="2")
    await fleet.fault(kind="delay_after", action="assign")
    with pytest.raises(UnknownOutcome):
        await hasty.assign(key("sim-mac", Operation.ASSIGN), object_id, PACKAGE, devices)
    assignment = await hasty.assign(key("sim-mac", Operation.ASSIGN), object_id, PACKAGE, devices)
    assert assignment.adopted
    assert (await fleet.get("duplicates"))["count"] == 0
    await hasty.aclose()


async def test_a_fleet_that_is_down_is_transient_and_unhealthy() -> None:
    plane = build("sim-mac", {"EUCORA_FLEET_URL": "http://127.0.0.1:1", "EUCORA_FLEET_PLANES": "sim-mac=naive"})
    assert not (await plane.health()).healthy
    with pytest.raises(PlaneTransient):
        await published(plane)
    await plane.aclose()


async def test_the_token_opens_the_fleet(tmp_path: Path) -> None:
    async with running_fleet(tmp_path / "fleet.db", "sim-mac=naive", token="right") as fleet:
        stranger, friend = adapter(fleet, "sim-mac"), adapter(fleet, "sim-mac", EUCORA_FLEET_TOKEN="right")
        with pytest.raises(PlaneAuth):
            await stranger.inventory("lab")
        assert (await friend.inventory("lab")).devices
        await stranger.aclose()
        await friend.aclose()
