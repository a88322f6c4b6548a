"""Tiers, checkpoints, combined conditions and bindings as plain rules (``domain.md`` §4)."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from eucora.domain.approval import (
    PRESETS,
    Approval,
    Binding,
    Conditions,
    Covers,
    checkpoints,
    in_force,
    strictest,
    tier,
    why_not_in_force,
)
from eucora.domain.vocabulary import ApprovalTier, BlastRadiusClass
from tests.domain.builders import START

AUTOMATED, CAB, WITH_EXCEPTION = ApprovalTier.AUTOMATED, ApprovalTier.CAB, ApprovalTier.CAB_WITH_EXCEPTION
B = BlastRadiusClass


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


@pytest.mark.parametrize(
    ("score", "blast_class", "always_cab", "expected"),
    [
        (0, B.NON_CRITICAL, False, AUTOMATED),
        (50, B.NON_CRITICAL, False, AUTOMATED),
        (51, B.NON_CRITICAL, False, CAB),
        (75, B.NON_CRITICAL, False, CAB),
        (76, B.NON_CRITICAL, False, WITH_EXCEPTION),
        (100, B.NON_CRITICAL, False, WITH_EXCEPTION),
        (50, B.PRODUCTIVITY_TOOLS, False, AUTOMATED),
        (50, B.PRODUCTIVITY_TOOLS, True, CAB),  # privileged tooling
        (0, B.BUSINESS_CRITICAL, False, CAB),
        (0, B.CRITICAL_INFRASTRUCTURE, False, CAB),  # never automated
        (76, B.CRITICAL_INFRASTRUCTURE, True, WITH_EXCEPTION),
    ],
)
def test_the_tier_of_a_score(score: int, blast_class: B, always_cab: bool, expected: ApprovalTier) -> None:
    assert tier(score, blast_class, always_cab=always_cab) is expected


@pytest.mark.parametrize(("score", "expected"), [(20, AUTOMATED), (21, CAB), (60, CAB), (61, WITH_EXCEPTION)])
def test_the_bounds_of_the_tiers_are_data(score: int, expected: ApprovalTier) -> None:
    assert tier(score, B.NON_CRITICAL, always_cab=False, automated_up_to=20, cab_up_to=60) is expected


@pytest.mark.parametrize(
    ("preset", "rings", "expected"),
    [
        ("standard", 1, []),
        ("standard", 2, [(1, 1)]),
        ("standard", 3, [(1, 1), (2, 2)]),
        ("standard", 5, [(1, 1), (2, 4)]),
        ("pilot_only", 1, []),
        ("pilot_only", 2, [(1, 1)]),
        ("pilot_only", 3, [(2, 2)]),
        ("pilot_only", 5, [(2, 4)]),
        ("every_ring", 1, [(0, 0)]),
        ("every_ring", 3, [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_the_checkpoints_of_a_preset(preset: str, rings: int, expected: list[tuple[int, int]]) -> None:
    for people in (CAB, WITH_EXCEPTION):
        assert [(one.before, one.until) for one in checkpoints(people, preset, rings)] == expected
    assert checkpoints(AUTOMATED, preset, rings) == ()


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=f"unknown checkpoint preset 'none'; known: {', '.join(PRESETS)}"):
        checkpoints(CAB, "none", 5)


def test_the_strictest_of_all_conditions_is_kept() -> None:
    found = strictest(
        (
            Conditions(max_ring=4, min_success_rate=98.0, observe_hours=1.0, not_before=hours(1), text="slowly"),
            Conditions(max_ring=2, min_success_rate=99.0, rollback_below=99.5, not_after=hours(9)),
            Conditions(observe_hours=5.0, rollback_below=90.0, not_before=hours(2), not_after=hours(8), text="mind it"),
        )
    )
    assert found == Conditions(
        max_ring=2, min_success_rate=99.0, observe_hours=5.0, not_before=hours(2), not_after=hours(8),
        rollback_below=99.5, text="slowly; mind it",
    )  # fmt: skip


def test_no_votes_and_one_vote_combine_to_themselves() -> None:
    assert strictest(()) == Conditions()
    one = Conditions(max_ring=2, text="only so far")
    assert strictest((one,)) == one
    assert strictest((one, Conditions())) == one


@pytest.mark.parametrize(
    ("conditions", "empty"),
    [
        (Conditions(), True),
        (Conditions(text="be careful"), True),
        (Conditions(max_ring=0), False),
        (Conditions(observe_hours=0.5), False),
        (Conditions(not_after=START), False),
    ],
)
def test_free_text_is_no_condition_for_a_machine(conditions: Conditions, empty: bool) -> None:
    assert conditions.empty is empty


BINDING = Binding(
    release_digest="r", pack_digest="p", score=60, model_version="v1.0", plan_digest="q", scope="s", exceptions=("x@1",)
)
OTHER: dict[str, Any] = {
    "release_digest": "R", "pack_digest": "P", "score": 61, "model_version": "v1.1", "plan_digest": "Q", "scope": "S",
    "exceptions": ("x@2",),
}  # fmt: skip


def test_every_part_of_the_binding_is_tried_below() -> None:
    assert {field.name for field in fields(Binding)} == set(OTHER)


@pytest.mark.parametrize("part", OTHER)
def test_a_difference_in_any_part_but_the_pack_voids_and_is_named(part: str) -> None:
    changed = replace(BINDING, **{part: OTHER[part]})
    assert BINDING.difference(changed) == (() if part == "pack_digest" else (part,))


APPROVAL = Approval(
    checkpoint=1, covers=Covers(first=1, last=3), approvers=("carl",), conditions=Conditions(), binding=BINDING,
    given_at=START, expires_at=hours(10),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "ring", "at", "why"),
    [
        ({}, 1, 0, ""),
        ({}, 3, 9.999, ""),
        ({}, 0, 1, "the approval does not cover this ring"),
        ({}, 4, 1, "the approval does not cover this ring"),
        ({}, 1, 10, "the approval expired at 2026-01-05T19:00:00+00:00"),
        ({"ended": "revoked"}, 1, 1, "the approval is revoked"),
        ({"conditions": Conditions(max_ring=2)}, 2, 1, ""),
        ({"conditions": Conditions(max_ring=2)}, 3, 1, "the approval does not cover this ring"),
        ({"conditions": Conditions(not_before=hours(2))}, 1, 1.999, "holds from 2026-01-05T11:00:00+00:00 on"),
        ({"conditions": Conditions(not_before=hours(2))}, 1, 2, ""),
        ({"binding": replace(BINDING, score=10)}, 1, 1, "what was approved has changed: score"),
    ],
)
def test_why_an_approval_is_not_in_force(changes: dict[str, Any], ring: int, at: float, why: str) -> None:
    approval = replace(APPROVAL, **changes)
    found = why_not_in_force(approval, ring=ring, current=BINDING, now=hours(at))
    assert found.endswith(why)
    assert bool(found) is bool(why)
    expected = None if why else approval
    assert in_force((approval,), ring=ring, current=BINDING, now=hours(at)) is expected


def test_the_newest_approval_in_force_counts() -> None:
    older, newer = APPROVAL, replace(APPROVAL, approvers=("cora",))
    ended = replace(APPROVAL, approvers=("cleo",), ended="voided")
    assert in_force((older, newer, ended), ring=1, current=BINDING, now=hours(1)) is newer
    assert in_force((), ring=1, current=BINDING, now=hours(1)) is None


def test_how_far_an_approval_reaches() -> None:
    assert APPROVAL.reach == 3
    assert replace(APPROVAL, conditions=Conditions(max_ring=2)).reach == 2
    assert replace(APPROVAL, conditions=Conditions(max_ring=9)).reach == 3
    assert [ring for ring in range(6) if ring in APPROVAL.covers] == [1, 2, 3]
