"""The fleet's ledger as the demo reads it, from the fleet's own service."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eucora.demo.ledgers import Fleet
from eucora.demo.scenarios import BAD_RELEASE


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[str]:
    """A fleet of two planes, one of each mode; gives its URL."""
    options = ["--port", "0", "--devices", "200", "--data", str(tmp_path / "fleet.db")]
    planes = ["--plane", "sim-windows=keyed", "--plane", "sim-mac=naive"]
    program = [sys.executable, "-m", "eucora.sim.fleet", *options, *planes]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def assign_twice(url: str, plane: str) -> None:
    """Publish an object and send one and the same order twice, as a worker does that lost an answer."""
    sha256 = hashlib.sha256(b"package").hexdigest()
    marker = f"eucora:dep-1/LAB/{plane}/publish/1"
    body = {
        "name": "Wordcard",
        "version": "7.1.0",
        "vendor": "Example Works",
        "content_sha256": sha256,
        "content_name": "w.pyz",
        "install_command": "i",
        "uninstall_command": "u",
        "detection": {},
        "settings": {},
        "marker": marker,
    }
    with httpx.Client(base_url=f"{url}/planes/{plane}", trust_env=False) as plane_client:
        headers = {"X-Marker": marker}
        plane_client.put(f"/content/{sha256}", content=b"package", headers=headers).raise_for_status()
        made = plane_client.post("/apps", json=body, headers={"Idempotency-Key": marker})
        made.raise_for_status()
        marker = f"eucora:dep-1/LAB/{plane}/assign/1"
        order = {"device_ids": [f"{plane}-000001"], "marker": marker}
        for _ in range(2):
            path = f"/apps/{made.json()['id']}/assignments"
            plane_client.post(path, json=order, headers={"Idempotency-Key": marker}).raise_for_status()


@pytest.mark.parametrize(("plane", "applied"), [("sim-windows", 1), ("sim-mac", 2)])
def test_a_repeated_call_is_a_duplicate_on_a_naive_plane_only(fleet: str, plane: str, applied: int) -> None:
    assign_twice(fleet, plane)
    control = Fleet(fleet)
    assigned = [one for one in control.effects("dep-1") if one.operation == "assign"]
    assert [(one.ring, one.plane, one.applied, one.devices) for one in assigned] == [("LAB", plane, applied, 1)]
    assert control.duplicates() == applied - 1
    control.close()


def test_a_profile_is_planted_for_one_version(fleet: str) -> None:
    control = Fleet(fleet)
    control.behave("Wordcard", "7.1.0", BAD_RELEASE)
    control.close()
    (profile,) = httpx.get(f"{fleet}/control/profiles", trust_env=False).json()["profiles"]
    assert (profile["application"], profile["version"]) == ("Wordcard", "7.1.0")
    assert profile["profile"]["groups"]["canary"]["success_rate"] == 0.4
