"""The fleet's JSON becomes the port's types, or one error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from eucora.connectors.sim import translate
from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.errors import PlanePermanent
from eucora.domain.vocabulary import Operation
from eucora.ports.plane import EffectKey


def test_a_marker_names_the_effect() -> None:
    key = EffectKey(deployment_id="d", ring="LAB", plane="sim-mac", operation=Operation.ROLL_BACK, revision=2)
    assert translate.marker(key) == "eucora:d/LAB/sim-mac/roll_back/2"


def test_statuses_keep_order_time_and_error() -> None:
    page = translate.status_page(
        {
            "as_of": 1_800_000_000.0,
            "rows": [
                ["a", "installed", 1, 1_799_999_999.0, None],
                ["b", "failed", 3, 1_799_999_998.0, "1603: no"],
                ["c", "not_reported", 0, None, None],
                ["d", "installing", 0, 1_799_999_997.5, None],
            ],
            "next_cursor": "d",
        }
    )
    assert [status.state for status in page.statuses] == [
        DeviceState.SUCCEEDED,
        DeviceState.FAILED,
        DeviceState.UNKNOWN,
        DeviceState.IN_PROGRESS,
    ]
    assert page.statuses[1] == DeviceStatus(
        device_id="b",
        state=DeviceState.FAILED,
        attempts=3,
        at=datetime(2027, 1, 15, 7, 59, 58, tzinfo=UTC),
        error="1603: no",
    )
    assert page.next_cursor == "d"


def test_a_target_is_a_set() -> None:
    assert translate.target_sha256(["b", "a", "b"]) == translate.target_sha256(("a", "b"))
    assert translate.target_sha256(["a"]) != translate.target_sha256(["a", "b"])


@pytest.mark.parametrize(
    ("parse", "payload"),
    [
        (translate.status_page, {"as_of": 0, "rows": [["a", "sleeping", 1, None, None]], "next_cursor": None}),
        (translate.status_page, {"as_of": 0, "rows": [["a"]], "next_cursor": None}),
        (translate.status_page, {"as_of": None, "rows": [], "next_cursor": None}),
        (translate.manifest, {"mode": "clever", "rollback_strategies": []}),
        (translate.device_page, {"members": [{"id": "a"}], "next_cursor": None}),
        (translate.devices, {"devices": [None]}),
        (translate.created, {}),
        (translate.order, {"id": "asg-1"}),
        (translate.inspection, {"inspected": "many", "carrying": []}),
    ],
)
def test_another_shape_is_an_error_of_the_port(parse: Callable[[Any], object], payload: dict[str, Any]) -> None:
    with pytest.raises(PlanePermanent) as caught:
        parse(payload)
    assert caught.value.code == "plane_bad_answer"
