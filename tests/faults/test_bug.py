"""A worker with a bug: the deployment that it stops is named where operators look, and goes on once it is mended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.live import ROOT, Live, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

BROKEN = Path(__file__).with_name("broken_worker.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """What was said while the broken worker ran, and after the right one had taken the deployment to its end."""

    deployment: str
    health: dict[str, Any]
    doctor: subprocess.CompletedProcess[str]
    health_later: dict[str, Any]
    doctor_later: subprocess.CompletedProcess[str]


@contextmanager
def broken_worker(live: Live) -> Iterator[None]:
    """A process that takes deployments' workflows in the worker's place."""
    with live.stack.folder.log("broken-worker").open("wb") as log:
        environment = live.stack._running().environment()
        process = subprocess.Popen([sys.executable, str(BROKEN)], env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def health(live: Live) -> dict[str, Any]:
    answer = live.as_("auditor-ava").get("/health")
    answer.raise_for_status()
    return dict(answer.json())


def doctor(live: Live) -> subprocess.CompletedProcess[str]:
    """Run ``eucora doctor`` in the stack's folder, as an operator would."""
    command = [sys.executable, "-m", "eucora.cli.main", "doctor"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    for name in ("EUCORA_API_URL", "EUCORA_TOKEN", "DATABASE_URL", "EUCORA_DATABASE_OWNER_URL", "TEMPORAL_ADDRESS"):
        environment.pop(name, None)
    folder = live.stack.folder.root
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def stuck(live: Live) -> Stuck:
    deployment = live.begin("Struck by a bug", board=True)
    live.review(deployment)
    with live.without("worker"), broken_worker(live):
        assert live.vote(deployment, "cab-anna").status_code == 202
        wait_for("the engine to report the bug", lambda: health(live)["stuck_workflows"])
        seen, said = health(live), doctor(live)
    live.until(deployment, "COMPLETED")
    wait_for("the report to be gone", lambda: not health(live)["stuck_workflows"])
    return Stuck(deployment=deployment, health=seen, doctor=said, health_later=health(live), doctor_later=doctor(live))


def test_health_names_the_deployment_and_what_fails(stuck: Stuck) -> None:
    (named,) = stuck.health["stuck_workflows"]
    assert named["deployment_id"] == stuck.deployment
    assert "category=WorkflowTaskFailed" in named["problems"]


def test_health_is_not_ok_then(stuck: Stuck) -> None:
    assert stuck.health["state"] == "degraded"


def test_doctor_names_it_and_what_mends_it(stuck: Stuck) -> None:
    assert f"wrong  deployment {stuck.deployment}: its workflow" in stuck.doctor.stdout
    assert "it needs a worker with corrected code" in stuck.doctor.stdout


def test_doctor_fails_then(stuck: Stuck) -> None:
    assert stuck.doctor.returncode == 1


def test_the_deployment_goes_on_with_corrected_code(live: Live, stuck: Stuck) -> None:
    assert live.amiss(stuck.deployment) == []


def test_a_vote_that_was_cast_meanwhile_counts_once(live: Live, stuck: Stuck) -> None:
    assert [event["actor"] for event in live.events(stuck.deployment, "CAB_VOTED", "CAB_VOTE_REFUSED")] == ["cab-anna"]


def test_nobody_names_it_any_more(stuck: Stuck) -> None:
    assert (stuck.health_later["state"], stuck.health_later["stuck_workflows"]) == ("ok", [])
    assert stuck.deployment not in stuck.doctor_later.stdout
    assert stuck.doctor_later.returncode == 0, stuck.doctor_later.stdout
