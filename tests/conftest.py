"""What every test may ask for: a migrated database of its own, a Temporal that skips time, seeded properties."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis.configuration import set_hypothesis_home_dir
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from eucora.stack.ports import choose
from eucora.stack.postgres import APP, OWNER, Postgres
from eucora.stack.processes import Processes
from eucora.stack.temporal import dynamic_config_arguments, locate_temporal
from workflows.search_attributes import ALL

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "eucora_template"

# -- hypothesis ------------------------------------------------------------------------------------------------------

set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")
COMMON = hypothesis.settings(
    deadline=None,  # a wall-clock assertion in disguise
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis.settings.register_profile("default", COMMON, max_examples=5_000)
hypothesis.settings.register_profile("explore", COMMON, max_examples=int(os.environ.get("EUCORA_EXAMPLES", "1000000")))
hypothesis.settings.register_profile("quick", COMMON, max_examples=200)
PROFILE = os.environ.get("EUCORA_HYPOTHESIS_PROFILE", "default")
hypothesis.settings.load_profile(PROFILE)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the run's seed here, so that it can be printed, unless --hypothesis-seed gave one."""
    if hypothesis.core.global_force_seed is None:
        hypothesis.core.global_force_seed = secrets.randbits(64)  # type: ignore[assignment]


def pytest_report_header(config: pytest.Config) -> str:
    examples = hypothesis.settings.default.max_examples if hypothesis.settings.default else "?"
    seed = hypothesis.core.global_force_seed
    return f"hypothesis: profile {PROFILE}, {examples} examples a property, seed {seed} (--hypothesis-seed={seed})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The domain does no I/O: its tests run with sockets switched off."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "domain"):
            item.add_marker(pytest.mark.disable_socket)


# -- Postgres --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """An embedded server for the whole run, with our roles and no database yet."""
    folder = tmp_path_factory.mktemp("postgres")
    port = choose({"postgres": 0}, say=lambda _message: None)["postgres"]
    server = Postgres(folder=folder, secrets_folder=folder / "keys", log=folder / "log", port=port, volatile=True)
    processes = Processes(marker=secrets.token_hex(16))
    try:
        server.wait(processes, server.start(processes))
        server.ensure_roles()
        yield server
    finally:
        processes.stop([["postgres"]], grace=10)


@pytest.fixture(scope="session")
def template_database(postgres: Postgres) -> str:
    """The name of a database with every migration applied by the owner; copies of it take milliseconds."""
    from eucora.store.migrate import upgrade

    postgres.ensure_database(TEMPLATE)
    upgrade(postgres.url(OWNER, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_name(postgres: Postgres, template_database: str) -> Iterator[str]:
    """A fresh, migrated database for one test."""
    yield from _copy(postgres, template_database)


@pytest.fixture
def database_url(postgres: Postgres, database_name: str) -> str:
    """The application role's URL of this test's database."""
    return postgres.url(APP, database_name)


@pytest.fixture
def owner_database_url(postgres: Postgres, database_name: str) -> str:
    """The owner role's URL of this test's database."""
    return postgres.url(OWNER, database_name)


@pytest.fixture(scope="module")
def module_database_name(postgres: Postgres, template_database: str) -> Iterator[str]:
    """A fresh, migrated database shared by the tests of one module."""
    yield from _copy(postgres, template_database)


@pytest.fixture(scope="module")
def module_database_url(postgres: Postgres, module_database_name: str) -> str:
    """The application role's URL of this module's database."""
    return postgres.url(APP, module_database_name)


@pytest.fixture(scope="module")
def module_owner_database_url(postgres: Postgres, module_database_name: str) -> str:
    """The owner role's URL of this module's database."""
    return postgres.url(OWNER, module_database_name)


def _copy(postgres: Postgres, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(8)}"
    postgres.ensure_database(name, template=template)
    yield name
    postgres.drop_database(name)


# -- Temporal --------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """The real dev server, skipping time; the vendor's experimental names stop here.

    Tests that use it are marked ``pytest.mark.asyncio(loop_scope="session")`` and take a task queue and workflow ids of
    their own. To send something midway, start the workflow inside ``with env.with_time_skipping_disabled()`` and then
    ``await env.fast_forward(handle, duration)``.
    """
    path = await asyncio.to_thread(locate_temporal)
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(path),
        dev_server_extra_args=dynamic_config_arguments(),
        search_attributes=ALL,
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield environment
