"""The fleet's API: what a keyed and a naive plane do with repeats, and what the ledger says of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.fleet_server import FleetServer, running_fleet

CONTENT = b"an installer"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEYED, NAIVE = "sim-windows", "sim-mac"
MARK = "eucora:dep-1/LAB/{plane}/{operation}/1"


class Vendor:
    """Speaks to one plane as its vendor's client would."""

    def __init__(self, fleet: FleetServer, plane: str) -> None:
        self.plane = plane
        self._root = f"{fleet.url}/planes/{plane}"
        self._http = fleet.control

    def mark(self, operation: str) -> str:
        return MARK.format(plane=self.plane, operation=operation)

    async def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self._http.request(method, f"{self._root}{path}", **arguments)

    async def ask(self, method: str, path: str, **arguments: Any) -> Any:
        response = await self.send(method, path, **arguments)
        assert response.is_success, response.text
        return response.json()

    async def effect(self, operation: str, path: str, body: dict[str, Any]) -> httpx.Response:
        mark = self.mark(operation)
        return await self.send("POST", path, json={**body, "marker": mark}, headers={"Idempotency-Key": mark})

    async def members(self, group: str = "canary") -> list[str]:
        answer = await self.ask("GET", f"/groups/{group}/members")
        return [member["id"] for member in answer["members"]]

    async def app(self, version: str = "1.0") -> str:
        await self.ask("PUT", f"/content/{SHA256}", content=CONTENT)
        body = {"name": "viewer", "version": version, "content_sha256": SHA256}
        return str((await self.ask("POST", "/apps", json=body))["id"])

    async def assign(self, app: str, device_ids: list[str]) -> str:
        return str((await self.ask("POST", f"/apps/{app}/assignments", json={"device_ids": device_ids}))["id"])

    async def uninstall(self, app: str, device_ids: list[str], strategy: str = "assignment_remove") -> str:
        body = {"device_ids": device_ids, "strategy": strategy}
        return str((await self.ask("POST", f"/apps/{app}/uninstalls", json=body))["id"])

    async def carrying(self, app: str, device_ids: list[str]) -> list[str]:
        answer = await self.ask("POST", f"/apps/{app}/inspections", json={"device_ids": device_ids})
        return list(answer["carrying"])

    async def states(self, assignment: str) -> dict[str, str]:
        answer = await self.ask("GET", f"/assignments/{assignment}/statuses")
        return {row[0]: row[1] for row in answer["rows"]}


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[FleetServer]:
    async with running_fleet(tmp_path / "fleet.db", f"{KEYED}=keyed", f"{NAIVE}=naive", devices=480) as fleet:
        await fleet.put("profiles/viewer", {"attempt_failure_rate": 0})
        yield fleet


@pytest.fixture
def keyed(fleet: FleetServer) -> Vendor:
    return Vendor(fleet, KEYED)


@pytest.fixture
def naive(fleet: FleetServer) -> Vendor:
    return Vendor(fleet, NAIVE)


async def test_the_fleet_is_split_over_its_planes(keyed: Vendor, naive: Vendor) -> None:
    manifests = [await vendor.ask("GET", "") for vendor in (keyed, naive)]
    assert [(m["mode"], m["platform"], m["devices"]) for m in manifests] == [
        ("keyed", "windows", 240),
        ("naive", "macos", 240),
    ]
    assert manifests[1]["rollback_strategies"] == ["jamf_version_pinning", "assignment_remove"]


async def test_a_keyed_plane_answers_a_repeat_again_and_applies_it_once(fleet: FleetServer, keyed: Vendor) -> None:
    app, devices = await keyed.app(), await keyed.members()
    first = await keyed.effect("assign", f"/apps/{app}/assignments", {"device_ids": devices})
    second = await keyed.effect("assign", f"/apps/{app}/assignments", {"device_ids": devices})
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    entries = await fleet.ledger(operation="assign")
    assert [(entry["outcome"], entry["applied"]) for entry in entries] == [("applied", True), ("replayed", False)]
    assert (await fleet.get("duplicates"))["count"] == 0


async def test_a_keyed_plane_refuses_another_request_under_a_used_key(keyed: Vendor) -> None:
    app, devices = await keyed.app(), await keyed.members()
    await keyed.effect("assign", f"/apps/{app}/assignments", {"device_ids": devices})
    other = await keyed.effect("assign", f"/apps/{app}/assignments", {"device_ids": devices[:1]})
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "key_reused"


@pytest.mark.parametrize("operation", ["assign", "roll_back", "unassign"])
async def test_a_naive_plane_applies_a_repeat_again_and_the_ledger_tells(
    fleet: FleetServer, naive: Vendor, operation: str
) -> None:
    app, devices = await naive.app(), await naive.members()
    assignment = await naive.assign(app, devices)
    for _ in range(2):
        if operation == "unassign":
            headers = {"X-Marker": naive.mark(operation)}
            await naive.ask("DELETE", f"/assignments/{assignment}", headers=headers)
        else:
            path = {"assign": "assignments", "roll_back": "uninstalls"}[operation]
            body = {"device_ids": devices} | ({} if operation == "assign" else {"strategy": "assignment_remove"})
            assert (await naive.effect(operation, f"/apps/{app}/{path}", body)).is_success
    duplicates = await fleet.get("duplicates", deployment="dep-1")
    assert duplicates["count"] == 1
    assert duplicates["duplicates"][0] | {"action": ""} == {
        "deployment": "dep-1",
        "ring": "LAB",
        "plane": NAIVE,
        "operation": operation,
        "revision": 1,
        "action": "",
        "applied": 2,
    }
    assert (await fleet.get("duplicates", deployment="dep-2"))["count"] == 0


async def test_a_second_create_on_a_naive_plane_makes_a_second_object(naive: Vendor) -> None:
    assert await naive.app() != await naive.app()
    assert len((await naive.ask("GET", "/apps", params={"name": "viewer"}))["apps"]) == 2


async def test_a_keyed_plane_has_one_object_of_a_name_and_version(keyed: Vendor) -> None:
    await keyed.app()
    body = {"name": "viewer", "version": "1.0", "content_sha256": SHA256}
    second = await keyed.send("POST", "/apps", json=body)
    assert (second.status_code, second.json()["error"]["code"]) == (409, "name_taken")


async def test_the_ledger_counts_effects_and_says_whose_they_are(fleet: FleetServer, naive: Vendor) -> None:
    app, devices = await naive.app(), await naive.members("lab")
    await naive.effect("assign", f"/apps/{app}/assignments", {"device_ids": devices})
    (entry,) = await fleet.ledger(deployment="dep-1", plane=NAIVE, ring="LAB")
    assert entry | {"number": 0} == {
        "number": 0,
        "at": fleet.now,
        "plane": NAIVE,
        "mode": "naive",
        "action": "assign",
        "marker": naive.mark("assign"),
        "deployment": "dep-1",
        "ring": "LAB",
        "operation": "assign",
        "revision": 1,
        "object": app,
        "devices": len(devices),
        "applied": True,
        "outcome": "applied",
        "correlation": None,
    }
    assert await fleet.ledger(deployment="dep-1", ring="CANARY") == []


async def test_the_ledger_is_read_page_by_page(fleet: FleetServer, naive: Vendor) -> None:
    for version in ("1", "2", "3", "4"):
        await naive.app(version)
    first = await fleet.get("ledger", limit=3)
    second = await fleet.get("ledger", limit=3, cursor=first["next_cursor"])
    numbers = [entry["number"] for page in (first, second) for entry in page["entries"]]
    assert numbers == sorted(numbers)
    assert len(numbers) == 5 + 1  # four objects, one upload that was new and, on this page, one that was not
    assert second["next_cursor"] is not None


async def test_content_must_be_what_it_is_called(fleet: FleetServer, naive: Vendor) -> None:
    answer = await naive.send("PUT", f"/content/{SHA256}", content=b"something else")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "content_mismatch")
    body = {"name": "viewer", "version": "1.0", "content_sha256": SHA256}
    answer = await naive.send("POST", "/apps", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "content_missing")
    assert [entry["outcome"] for entry in await fleet.ledger()] == ["refused", "refused"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/groups/nobody/members", None, 404, "unknown_group"),
        ("GET", "/groups/lab/members?limit=0", None, 400, "bad_limit"),
        ("GET", "/groups/lab/members?limit=10001", None, 400, "bad_limit"),
        ("GET", "/groups/lab/members?cursor=elsewhere", None, 400, "bad_cursor"),
        ("GET", "/apps/app-77", None, 404, "unknown_object"),
        ("GET", "/apps/77", None, 404, "unknown_object"),
        ("GET", "/assignments/asg-77/statuses", None, 404, "unknown_assignment"),
        ("GET", "/assignments/asg-99999999999999999999/statuses", None, 404, "unknown_assignment"),
        ("GET", f"/content/{SHA256}", None, 404, "unknown_content"),
        ("POST", "/devices/lookup", {"device_ids": ["sim-mac-999999"]}, 404, "unknown_device"),
        ("POST", "/devices/lookup", {"device_ids": [], "colour": 1}, 422, "malformed"),
        ("POST", "/apps/app-77/assignments", {"device_ids": ["sim-mac-000001"]}, 404, "unknown_object"),
        ("DELETE", "/assignments/asg-77", None, 404, "unknown_assignment"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_code(
    naive: Vendor, *, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = await naive.send(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_plane_that_the_fleet_has_not_is_unknown(fleet: FleetServer) -> None:
    stranger = Vendor(fleet, "sim-linux")
    for answer in (await stranger.send("GET", ""), await stranger.send("DELETE", "/assignments/asg-1")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_plane")


async def test_a_retry_is_for_devices_of_the_assignment(naive: Vendor) -> None:
    app, devices = await naive.app(), await naive.members()
    assignment = await naive.assign(app, devices[:2])
    answer = await naive.send("POST", f"/assignments/{assignment}/retries", json={"device_ids": devices[2:3]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_targeted")


async def test_a_profile_holds_for_what_is_ordered_after_it(fleet: FleetServer, naive: Vendor) -> None:
    app, devices = await naive.app(), await naive.members()
    before = await naive.assign(app, devices[:2])
    await fleet.put("profiles/viewer", {"success_rate": 0})
    after = await naive.assign(app, devices[2:4])
    fleet.now += 3_600
    assert set((await naive.states(before)).values()) == {"installed"}
    assert set((await naive.states(after)).values()) == {"failed"}


async def test_a_version_may_have_a_profile_of_its_own(fleet: FleetServer, naive: Vendor) -> None:
    await fleet.put("profiles/viewer?version=2.0", {"success_rate": 0})
    devices = await naive.members()
    good = await naive.assign(await naive.app("1.0"), devices)
    bad = await naive.assign(await naive.app("2.0"), devices)
    fleet.now += 3_600
    assert set((await naive.states(good)).values()) == {"not_reported"}  # 2.0 took its place at once
    assert set((await naive.states(bad)).values()) == {"failed"}


async def test_a_malformed_profile_is_refused_with_its_field(fleet: FleetServer) -> None:
    for body, named in (({"success_rate": 2}, "success_rate"), ({"colour": 1}, "colour"), ([], "")):
        answer = await fleet.control.put(f"{fleet.url}/control/profiles/viewer", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_profile")
        assert named in answer.json()["error"]["message"]


async def test_supersedence_brings_back_what_stood_there_before(fleet: FleetServer, keyed: Vendor) -> None:
    devices = (await keyed.members())[:2]
    old, new = await keyed.app("1.0"), await keyed.app("2.0")
    for app in (old, new):
        await keyed.assign(app, devices)
        fleet.now += 3_600
    assert (await keyed.carrying(old, devices), await keyed.carrying(new, devices)) == ([], devices)
    await keyed.uninstall(new, devices[:1], "intune_supersedence")
    await keyed.uninstall(new, devices[1:], "assignment_remove")
    fleet.now += 3_600
    assert await keyed.carrying(new, devices) == []
    assert await keyed.carrying(old, devices) == devices[:1]


async def test_an_uninstall_that_fails_leaves_the_release_standing(fleet: FleetServer, naive: Vendor) -> None:
    devices = await naive.members()
    app = await naive.app()
    await naive.assign(app, devices)
    fleet.now += 3_600
    await fleet.put("profiles/viewer", {"uninstall_failure_rate": 1})
    await naive.uninstall(app, devices)
    fleet.now += 3_600
    assert await naive.carrying(app, devices) == devices


async def test_an_assignment_that_is_removed_installs_no_more(fleet: FleetServer, naive: Vendor) -> None:
    await fleet.put("profiles/viewer", {"latency": [100, 100]})
    devices = await naive.members()
    app = await naive.app()
    assignment = await naive.assign(app, devices)
    fleet.now += 10
    await naive.ask("DELETE", f"/assignments/{assignment}")
    fleet.now += 3_600
    assert await naive.carrying(app, devices) == []
    assert "installed" not in (await naive.states(assignment)).values()


async def test_a_rollback_ends_what_is_still_installing(fleet: FleetServer, naive: Vendor) -> None:
    await fleet.put("profiles/viewer", {"latency": [100, 100]})
    devices = await naive.members()
    app = await naive.app()
    assignment = await naive.assign(app, devices)
    fleet.now += 10
    await naive.uninstall(app, devices[:3])
    fleet.now += 3_600
    states = await naive.states(assignment)
    assert {states[device] for device in devices[:3]} <= {"not_reported", "installing"}
    assert {states[device] for device in devices[3:]} == {"installed"}


async def test_faults_strike_as_often_as_they_are_told(fleet: FleetServer, naive: Vendor) -> None:
    await fleet.fault(kind="status", status=429, retry_after="3", plane=NAIVE, action="members", count=2)
    answers = [await naive.send("GET", "/groups/lab/members") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "3"
    assert (await fleet.get("faults"))["faults"] == []


async def test_a_fault_of_one_plane_leaves_the_other_alone(fleet: FleetServer, keyed: Vendor, naive: Vendor) -> None:
    await fleet.fault(kind="status", plane=NAIVE)
    assert (await keyed.send("GET", "")).status_code == 200
    assert (await naive.send("GET", "")).status_code == 503


async def test_an_effect_that_a_fault_stopped_is_received_and_not_applied(fleet: FleetServer, naive: Vendor) -> None:
    app = await naive.app()
    await fleet.fault(kind="lose_before", action="assign")
    with pytest.raises(httpx.RemoteProtocolError):
        await naive.assign(app, await naive.members())
    assert [entry["outcome"] for entry in await fleet.ledger()][-1] == "not_handled"


async def test_markers_that_are_not_ours_are_kept_and_belong_to_no_deployment(
    fleet: FleetServer, naive: Vendor
) -> None:
    await naive.ask("PUT", f"/content/{SHA256}", content=CONTENT, headers={"X-Marker": "eucora:half/a/marker"})
    (entry,) = await fleet.ledger()
    assert (entry["marker"], entry["deployment"]) == ("eucora:half/a/marker", None)


async def test_the_profiles_in_force_can_be_read(fleet: FleetServer) -> None:
    await fleet.put("profiles/vendor/suite?version=3", {"success_rate": 0.5})
    found = {(entry["application"], entry["version"]) for entry in (await fleet.get("profiles"))["profiles"]}
    assert found == {("viewer", None), ("vendor/suite", "3")}
