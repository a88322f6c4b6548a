"""What a worker process holds is built once and closed with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from temporalio import activity

from eucora.bootstrap import Activities, Core, core_activities, plane_activities
from eucora.connectors import registry
from eucora.settings import MissingSetting, Settings
from tests.fakes.plane import FakePlane, FakeWorld, fake_devices

ROOT = Path(__file__).resolve().parents[2]
PLANES = {"EUCORA_PLANES": "sim-a=sim,sim-b=sim"}


class Closing(FakePlane):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Closing]:
    """Planes as the registry would build them, in the order built."""
    made: list[Closing] = []

    def build(name: str, environment: object) -> Closing:
        made.append(Closing(name, FakeWorld(fake_devices(1))))
        return made[-1]

    monkeypatch.setattr(registry, "build", build)
    return made


def settings(url: str | None, **changes: Any) -> Settings:
    return Settings(database_url=None if url is None else SecretStr(url), **changes)


async def test_everything_opened_is_closed_also_when_the_body_fails(database_url: str, built: list[Closing]) -> None:
    async def body() -> None:
        async with Core.open(settings(database_url), PLANES) as core:
            core.build_plane("sim-a")
            core.build_plane("sim-b")
            await core.database.ping()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert [plane.closed for plane in built] == [1, 1]
    with psycopg.connect(database_url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(query).fetchone() == (0,)


async def test_a_plane_is_built_once_and_only_where_it_is_asked_for(database_url: str, built: list[Closing]) -> None:
    async with Core.open(settings(database_url), PLANES) as core:
        assert core.planes == ("sim-a", "sim-b")
        assert built == []
        plane_activities(core, "sim-b")
        assert core.build_plane("sim-b") is built[0]
        assert [plane.name for plane in built] == ["sim-b"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": None}, "DATABASE_URL is not set"),
        ({"url": "mysql://root:secret@127.0.0.1/x"}, "DATABASE_URL names mysql"),
        ({"url": "a secret that is no URL"}, "DATABASE_URL is not a URL"),
        ({"url": "postgresql://root:secret@host:port/x"}, "DATABASE_URL is not a URL"),
        ({"url": "postgresql://127.0.0.1/x", "blob_url": "s3://bucket"}, "cannot be stored in s3"),
    ],
)
async def test_what_is_not_configured_is_said_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MissingSetting, match=sentence) as caught:
        async with Core.open(settings(**changes), {}):
            pytest.fail("opened")
    assert "secret" not in str(caught.value)


async def test_every_activity_that_the_workflow_asks_for_has_a_worker(database_url: str, built: list[Closing]) -> None:
    async with Core.open(settings(database_url), PLANES) as core:
        core_, planes = names(core_activities(core)), names(plane_activities(core, "sim-a"))
    source = "".join(
        (ROOT / "workflows" / f"{name}.py").read_text() for name in ("deployment", "effects", "interpreter")
    )
    wanted = {
        kind: set(re.findall(rf"\b{kind}Activities\.(\w+)", source)) for kind in ("Record", "Governance", "Plane")
    }
    assert wanted["Record"] | wanted["Governance"] == core_
    assert wanted["Plane"] == planes
    assert len(core_) + len(planes) >= 14


def names(activities: Activities) -> set[str]:
    return {activity._Definition.must_from_callable(function).name or "" for function in activities}
