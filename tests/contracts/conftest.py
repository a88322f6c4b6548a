from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.plane_harness import Ability, PlaneHarness, Start


def _harnesses() -> dict[str, Start]:
    """Every harness of ``planes/*.py``, by name."""
    found: dict[str, Start] = {}
    for path in sorted((Path(__file__).parent / "planes").glob("*.py")):
        module = importlib.import_module(f"tests.contracts.planes.{path.stem}")
        for name, start in module.HARNESSES.items():
            if name in found:
                raise RuntimeError(f"two harnesses are called {name!r}; rename the one in {path.name}")
            found[name] = start
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "harness" in metafunc.fixturenames:
        harnesses = _harnesses()
        metafunc.parametrize("harness", harnesses.values(), ids=harnesses.keys(), indirect=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(*abilities): abilities of the world that a fact of the plane contract needs"
    )


@pytest.fixture
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PlaneHarness]:
    start: Start = request.param
    async with start(tmp_path) as harness:
        for marker in request.node.iter_markers("needs"):
            for ability in marker.args:
                assert isinstance(ability, Ability)
                if reason := harness.exempt.get(ability):
                    pytest.skip(f"this world cannot {ability.value}: {reason}")
        yield harness
