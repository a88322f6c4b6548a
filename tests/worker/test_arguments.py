"""What the worker's program answers to what it is given, without a process of its own; see ``test_process.py``."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from temporalio.testing import WorkflowEnvironment

import worker


@pytest.fixture(autouse=True)
def configured(
    temporal_env: WorkflowEnvironment, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """A complete configuration, from which a test takes something away."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(worker, "configure_logging", lambda **_: None)  # the test run keeps its own
    return monkeypatch


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize(
    ("name", "value", "queues", "sentence"),
    [
        (
            "EUCORA_PLANES",
            "sim-windows=sim",
            "plane-moon",
            "there is no queue 'plane-moon'; queues here: eucora, plane-sim",
        ),
        ("EUCORA_PLANES", "moon=rocket", "plane-moon", "plane 'moon' needs connector 'rocket', which is not installed"),
        ("EUCORA_PLANES", "Moon", "all", "EUCORA_PLANES: 'Moon' is not PLANE=CONNECTOR"),
        ("EUCORA_WORKER_QUEUES", ",", "", "no queue is named; queues here: eucora"),
        ("EUCORA_FLEET_URL", None, "all", "EUCORA_FLEET_URL is not set"),
        ("TEMPORAL_ADDRESS", None, "eucora", "TEMPORAL_ADDRESS is not set"),
        ("DATABASE_URL", "secret", "eucora", "DATABASE_URL is not a URL"),
        ("EUCORA_HEALTH_PORT", "secret", "eucora", "EUCORA_HEALTH_PORT"),
    ],
)
def test_what_is_not_configured_is_status_2_and_one_sentence(
    configured: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    name: str,
    value: str | None,
    queues: str,
    sentence: str,
) -> None:
    if value is None:
        configured.delenv(name)
    else:
        configured.setenv(name, value)
    assert worker.main(["--queues", queues]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"worker: {sentence}")
    assert said.count("\n") == 1
    assert "secret" not in said


def test_a_temporal_that_is_down_is_status_1_and_one_sentence(
    configured: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nobody: str
) -> None:
    configured.setenv("TEMPORAL_ADDRESS", nobody)
    assert worker.main(["--queues", "eucora"]) == 1
    assert capsys.readouterr().err == (
        f"worker: Temporal does not answer at {nobody}; start it, or set TEMPORAL_ADDRESS\n"
    )


@pytest.mark.parametrize("arguments", [["--queue"], ["--health-port", "many"], ["extra"]])
def test_an_unknown_argument_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        worker.main(arguments)
    assert caught.value.code == 2
    assert "usage: worker" in capsys.readouterr().err
