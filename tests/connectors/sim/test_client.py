"""Answers that no fleet of ours gives, and artifacts that cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from eucora.connectors.sim.client import FleetClient
from eucora.connectors.sim.errors import SERVICE
from eucora.connectors.sim.plane import SimPlane
from eucora.connectors.sim.settings import SimSettings
from eucora.domain.errors import NotFound, PlaneError, PlaneNotFound, PlanePermanent, PlaneTransient, UnknownOutcome
from eucora.domain.vocabulary import Operation
from eucora.ports.plane import EffectKey
from eucora.transport.http import HttpClient
from tests.contracts.plane_harness import Bytes, example_package

PACKAGE = example_package()
KEY = EffectKey(deployment_id="dep-1", ring="LAB", plane="sim-mac", operation=Operation.ASSIGN)
MANIFEST = {"mode": "naive", "rollback_strategies": ["jamf_version_pinning", "assignment_remove"]}


def plane(answers: dict[tuple[str, str], httpx.Response]) -> SimPlane:
    """A naive plane whose fleet gives these answers by (method, last part of the path); 404 for the rest."""

    async def handle(request: httpx.Request) -> httpx.Response:
        await request.aread()
        last = request.url.path.rpartition("/")[2]
        return answers.get((request.method, last), httpx.Response(404, text="<html>not here</html>"))

    environment = {"EUCORA_FLEET_URL": "http://fleet.test", "EUCORA_FLEET_PLANES": "sim-mac=naive"}
    settings = SimSettings.from_environment("sim-mac", environment)
    http = HttpClient(SERVICE, base_url="http://fleet.test", transport=httpx.MockTransport(handle))
    return SimPlane(settings, client=FleetClient(settings, http=http))


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[1]), httpx.Response(204)]
)
async def test_a_reading_that_is_not_json_is_an_error_of_the_port(answer: httpx.Response) -> None:
    with pytest.raises(PlanePermanent) as caught:
        await plane({("GET", "members"): answer}).inventory("lab")
    assert caught.value.code == "plane_bad_answer"


async def test_a_list_that_is_none_is_an_error_of_the_port() -> None:
    answers = {
        ("GET", "sim-mac"): httpx.Response(200, json=MANIFEST),
        ("GET", "assignment"): httpx.Response(200, json={"orders": None}),
    }
    with pytest.raises(PlanePermanent) as caught:
        await plane(answers).assign(KEY, "app-1", PACKAGE, ("sim-mac-000001",))
    assert caught.value.code == "plane_bad_answer"


async def test_an_effect_whose_answer_cannot_be_read_has_an_unknown_outcome() -> None:
    answers = {
        ("GET", "sim-mac"): httpx.Response(200, json=MANIFEST),
        ("GET", "assignment"): httpx.Response(200, json={"orders": []}),
        ("POST", "assignments"): httpx.Response(201, text="created!"),
    }
    with pytest.raises(UnknownOutcome):
        await plane(answers).assign(KEY, "app-1", PACKAGE, ("sim-mac-000001",))


async def test_an_error_that_is_not_the_fleets_is_still_of_the_port() -> None:
    with pytest.raises(PlaneNotFound, match="answered 404"):
        await plane({}).inventory("lab")


class Unreadable(Bytes):
    """An artifact whose reading fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        yield b"some"
        raise self._error


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: OSError("the disk is away"), PlaneTransient),
        (lambda: NotFound("no such blob"), PlanePermanent),
        (lambda: ValueError("the bytes do not hash to the name"), PlanePermanent),
    ],
)
async def test_an_artifact_that_cannot_be_read_is_an_error_of_the_port(
    make: Callable[[], Exception], kind: type[PlaneError]
) -> None:
    answers = {
        ("GET", "sim-mac"): httpx.Response(200, json=MANIFEST),
        ("GET", "apps"): httpx.Response(200, json={"apps": []}),
        ("PUT", PACKAGE.artifact_sha256): httpx.Response(200, json={}),
    }
    with pytest.raises(kind, match="cannot be read"):
        await plane(answers).publish(KEY, PACKAGE, Unreadable(make()))
