"""Two stacks on one machine: the second picks other ports, says so, and neither knows the other's deployments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eucora.stack.ports import PREFERRED
from tests.faults.live import Live, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def second(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, list[str]]]:
    """A stack in another folder whose customary ports are those on which the first one listens; what it said."""
    said: list[str] = []
    folder: Path = tmp_path_factory.mktemp("second")
    with running(folder, preferred=live.info.ports, say=said.append) as other:
        yield other, said


def test_no_port_is_shared(live: Live, second: tuple[Live, list[str]]) -> None:
    assert set(second[0].info.ports) == set(PREFERRED)
    assert set(second[0].info.ports.values()).isdisjoint(live.info.ports.values())


def test_each_other_port_is_said(live: Live, second: tuple[Live, list[str]]) -> None:
    other, said = second
    for name, port in live.info.ports.items():
        assert f"port {port} is taken: {name} listens on {other.info.ports[name]}" in said


def test_a_rollout_of_one_is_unknown_to_the_other(live: Live, second: tuple[Live, list[str]]) -> None:
    other, _ = second
    deployment = other.begin("On the second stack")
    other.until(deployment, "COMPLETED")
    assert other.amiss(deployment) == []
    assert live.petra.get(f"/deployments/{deployment}").status_code == 404
    assert live.effects(deployment) == []


def test_the_second_ends_and_the_first_runs_on(live: Live, second: tuple[Live, list[str]]) -> None:
    second[0].stack.stop()
    assert live.stack.ended() == ()
    assert live.http.get("/health/ready").status_code == 200
