"""Where the Temporal program is found."""

import sys
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from eucora.stack.errors import NotInstalled
from eucora.stack.temporal import SEARCH_ATTRIBUTES, external_address, locate_temporal


def program(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "temporal"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_one_on_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = program(tmp_path / "first")
    monkeypatch.setenv("PATH", str(tmp_path / "first"))
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "beside").with_name("python")))
    assert locate_temporal() == expected


def test_an_environment_that_is_not_activated_has_it_beside_its_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = program(tmp_path / "beside")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(sys, "executable", str(expected.with_name("python")))
    assert locate_temporal() == expected


def test_a_machine_without_it_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(NotInstalled, match="TEMPORAL_ADDRESS"):
        locate_temporal()


def test_somebody_elses_server_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert external_address() is None
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.org:7233")
    assert external_address() == "temporal.example.org:7233"


@pytest.mark.stack
@pytest.mark.asyncio(loop_scope="session")
async def test_the_server_knows_our_search_attributes(temporal_env: WorkflowEnvironment) -> None:
    answer = await temporal_env.client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=temporal_env.client.namespace)
    )
    assert set(SEARCH_ATTRIBUTES) <= set(answer.custom_attributes)
