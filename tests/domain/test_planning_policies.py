"""Gate policies, ring plans and rules of approval: the shipped ones say what domain.md says, wrong ones are refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from eucora.domain.plan import ComplianceWindows, RingGate
from eucora.policy.documents import shipped_document
from eucora.policy.gate_policies import (
    InvalidGatePolicy,
    parse_approval_policy,
    parse_gate_policy,
    parse_ring_sequence,
    shipped_approval_policy,
    shipped_gate_policies,
    shipped_ring_sequence,
)

HOUR = 3600.0
LATER = ComplianceWindows(online=24 * HOUR, intermittent=72 * HOUR, air_gapped=168 * HOUR)

TABLE = {
    "LAB": RingGate(
        success_rate=95.0,
        compliance=ComplianceWindows(online=4 * HOUR, intermittent=8 * HOUR, air_gapped=24 * HOUR),
        incidents=1,
        soak=0.0,
        rehearsal=True,
    ),
    "CANARY": RingGate(success_rate=97.0, compliance=LATER, incidents=0, soak=24 * HOUR),
    "PILOT": RingGate(success_rate=97.0, compliance=LATER, incidents=0, soak=48 * HOUR),
    "DEPARTMENT": RingGate(success_rate=99.0, compliance=LATER, incidents=0, soak=72 * HOUR),
    "GLOBAL": RingGate(success_rate=99.0, compliance=LATER, incidents=0, soak=168 * HOUR),
}


def test_the_default_gate_policy_is_the_table_of_the_domain() -> None:
    assert shipped_gate_policies()["v1.0"].gates == TABLE
    assert shipped_gate_policies()["v1.0"].max_attempts == 3


def test_the_demo_gates_differ_from_the_default_in_durations_only() -> None:
    demo = shipped_gate_policies()["demo"]
    assert 0.5 <= demo.poll_interval <= 1
    for name, gate in demo.gates.items():
        default = TABLE[name]
        assert (gate.success_rate, gate.incidents, gate.rehearsal) == (
            default.success_rate,
            default.incidents,
            default.rehearsal,
        )
        assert gate.soak <= 5
        assert gate.compliance.air_gapped < 120
    assert demo.gates.keys() == TABLE.keys()


def test_the_default_rings_are_the_five_of_the_domain() -> None:
    assert shipped_ring_sequence().rings == ("LAB", "CANARY", "PILOT", "DEPARTMENT", "GLOBAL")


def test_reviews_take_48_hours_urgent_ones_24_and_approvals_last_30_days() -> None:
    policy = shipped_approval_policy()
    assert (policy.review.window, policy.urgent_review.window) == (48 * HOUR, 24 * HOUR)
    assert policy.review.approval_valid == policy.urgent_review.approval_valid == 30 * 24 * HOUR
    assert policy.cab_up_to == 75
    assert policy.presets == ("standard", "pilot_only", "every_ring")


def changed(name: str, path: list[str], value: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(dict(shipped_document(name)))
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["rings", "LAB", "success_rate"], 101, "rings.LAB.success_rate"),
        (["rings", "LAB", "success_rate"], 0, "rings.LAB.success_rate"),
        (["rings", "LAB", "soak"], "soon", "rings.LAB.soak"),
        (["rings", "LAB", "soak"], 3, "rings.LAB.soak"),
        (["rings", "LAB", "compliance", "online"], "0h", "rings.LAB.compliance.online"),
        (["rings", "LAB", "incidents"], -1, "rings.LAB.incidents"),
        (["rings", "LAB", "extra"], 1, "rings.LAB.extra"),
        (["rings"], {}, "rings"),
        (["poll_interval"], "0s", "poll_interval"),
        (["max_attempts"], 0, "max_attempts"),
    ],
)
def test_a_wrong_gate_policy_is_refused_at_its_field(path: list[str], value: Any, field: str) -> None:
    with pytest.raises(InvalidGatePolicy) as refusal:
        parse_gate_policy(changed("gate-policy-v1.0", path, value))
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [(["rings"], ["LAB", "LAB"], "rings"), (["default_target"], "MOON", "default_target")],
)
def test_a_wrong_ring_plan_is_refused_at_its_field(path: list[str], value: Any, field: str) -> None:
    with pytest.raises(InvalidGatePolicy) as refusal:
        parse_ring_sequence(changed("ring-plan-default", path, value))
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["checkpoint_presets"], ["none"], "checkpoint_presets"),
        (["default_checkpoint_preset"], "none", "default_checkpoint_preset"),
        (["cab_up_to"], 101, "cab_up_to"),
        (["review", "window"], "2 days", "review.window"),
    ],
)
def test_wrong_rules_of_approval_are_refused_at_their_field(path: list[str], value: Any, field: str) -> None:
    with pytest.raises(InvalidGatePolicy) as refusal:
        parse_approval_policy(changed("approval-v1.0", path, value))
    assert refusal.value.field == field
