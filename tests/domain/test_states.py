"""The transitions of a deployment, exhaustively against the list of ``domain.md`` §1."""

from __future__ import annotations

from itertools import product

import pytest

from eucora.domain.states import FINAL, TRANSITIONS, IllegalTransition, move
from eucora.domain.vocabulary import DeploymentState

WRITTEN = """
PENDING -> AWAITING_CAB, APPROVED, DEPLOYING, REJECTED, CANCELLED, FAILED
AWAITING_CAB -> APPROVED, DEPLOYING, REJECTED, ROLLED_BACK, CANCELLED, FAILED
APPROVED -> DEPLOYING, AWAITING_CAB, ROLLED_BACK, CANCELLED
DEPLOYING -> AWAITING_CAB, COMPLETED, ROLLED_BACK, REJECTED, FAILED
"""
"""As ``domain.md`` §1 has it; the other five states are final."""

EDGES = {
    (DeploymentState(source.strip()), DeploymentState(target.strip()))
    for line in WRITTEN.strip().splitlines()
    for source, targets in [line.split("->")]
    for target in targets.split(",")
}


@pytest.mark.parametrize(("current", "target"), list(product(DeploymentState, repeat=2)), ids=lambda state: state.value)
def test_a_pair_of_states_is_an_edge_exactly_when_it_is_written(
    current: DeploymentState, target: DeploymentState
) -> None:
    if current is target or (current, target) in EDGES:
        assert move(current, target) is target
    else:
        with pytest.raises(IllegalTransition, match=f"no transition {current} -> {target}"):
            move(current, target)


def test_the_table_holds_every_state_and_no_other_edge() -> None:
    assert set(TRANSITIONS) == set(DeploymentState)
    assert {(source, target) for source, targets in TRANSITIONS.items() for target in targets} == EDGES


def test_final_states_are_those_without_an_edge_out() -> None:
    assert {"COMPLETED", "REJECTED", "ROLLED_BACK", "FAILED", "CANCELLED"} == FINAL


def test_every_state_can_be_reached_and_every_other_state_can_end() -> None:
    reached = {DeploymentState.PENDING}
    while more := {target for source, target in EDGES if source in reached} - reached:
        reached |= more
    assert reached == set(DeploymentState)
    ends = set(FINAL)
    while more := {source for source, target in EDGES if target in ends} - ends:
        ends |= more
    assert ends == set(DeploymentState)
