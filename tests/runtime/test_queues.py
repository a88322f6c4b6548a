"""Which queues a worker polls."""

from __future__ import annotations

import pytest

from eucora.runtime.workers import select_queues
from eucora.settings import MissingSetting

PLANES = ("ansible", "sim-mac")


def chosen(wanted: str) -> tuple[str, ...]:
    return select_queues(wanted, core="eucora", planes=PLANES)


def test_all_are_the_core_queue_and_one_for_each_plane() -> None:
    assert chosen("all") == chosen(" all ") == ("eucora", "plane-ansible", "plane-sim-mac")


def test_queues_are_named_with_commas_each_counts_once() -> None:
    assert chosen("plane-ansible") == ("plane-ansible",)
    assert chosen(" plane-sim-mac , eucora,,plane-sim-mac") == ("plane-sim-mac", "eucora")


@pytest.mark.parametrize("wanted", ["plane-moon", "eucora,plane-", "ansible", "all,eucora"])
def test_an_unknown_queue_is_named_with_those_that_exist(wanted: str) -> None:
    with pytest.raises(
        MissingSetting, match=r"queues here: eucora, plane-ansible, plane-sim-mac \(see EUCORA_PLANES\)"
    ):
        chosen(wanted)


@pytest.mark.parametrize("wanted", ["", " ", ","])
def test_no_queue_at_all_is_refused(wanted: str) -> None:
    with pytest.raises(MissingSetting, match="no queue is named"):
        chosen(wanted)
