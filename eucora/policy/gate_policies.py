"""The shipped gate policies, ring plans and rules of approval (domain.md §1, §4, §6), read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from eucora.domain.approval import PRESETS
from eucora.domain.documents import Document
from eucora.domain.errors import InvalidInput
from eucora.domain.plan import ComplianceWindows, ReviewPolicy, RingGate
from eucora.domain.planning import ApprovalPolicy, GatePolicy, RingSequence
from eucora.policy.documents import shipped_document
from eucora.policy.durations import duration

__all__ = [
    "DEFAULT_GATE_POLICY",
    "InvalidGatePolicy",
    "parse_approval_policy",
    "parse_gate_policy",
    "parse_ring_sequence",
    "shipped_approval_policy",
    "shipped_gate_policies",
    "shipped_ring_sequence",
]

DEFAULT_GATE_POLICY = "v1.0"
_GATE_POLICIES = (DEFAULT_GATE_POLICY, "demo")


class InvalidGatePolicy(InvalidInput):
    """A gate policy, ring plan or approval policy is wrong; ``field`` is the path in it."""

    code = "invalid_gate_policy"


@cache
def shipped_gate_policies() -> Mapping[str, GatePolicy]:
    """The shipped gate policies by name: ``v1.0`` (domain.md §6) and ``demo``, the same with seconds for hours."""
    return {name: parse_gate_policy(shipped_document(f"gate-policy-{name}")) for name in _GATE_POLICIES}


@cache
def shipped_ring_sequence() -> RingSequence:
    """The shipped ring plan: LAB, CANARY, PILOT, DEPARTMENT, GLOBAL."""
    return parse_ring_sequence(shipped_document("ring-plan-default"))


@cache
def shipped_approval_policy() -> ApprovalPolicy:
    """The shipped rules of approval: review windows, checkpoint presets, highest score without an exception."""
    return parse_approval_policy(shipped_document("approval-v1.0"))


def parse_gate_policy(document: Mapping[str, object]) -> GatePolicy:
    """Read a gate policy. Raises :class:`InvalidGatePolicy`."""
    top = Document(document, error=InvalidGatePolicy)
    top.only("name", "title", "max_attempts", "poll_interval", "rings")
    rings = top.child("rings")
    gates = {name: _gate(rings.child(name)) for name in rings.names()}
    if not gates:
        top.refuse("must hold at least one ring", "rings")
    return GatePolicy(
        name=top.text("name"),
        title=top.text("title"),
        max_attempts=top.integer("max_attempts", lowest=1),
        poll_interval=duration(top, "poll_interval", positive=True),
        gates=gates,
    )


def parse_ring_sequence(document: Mapping[str, object]) -> RingSequence:
    """Read a ring plan. Raises :class:`InvalidGatePolicy`."""
    top = Document(document, error=InvalidGatePolicy)
    top.only("name", "title", "rings", "default_target")
    rings = top.texts("rings")
    if len(set(rings)) != len(rings):
        top.refuse("names a ring twice", "rings")
    target = top.text("default_target")
    if target not in rings:
        top.refuse(f"must be one of {', '.join(rings)}", "default_target")
    return RingSequence(name=top.text("name"), rings=rings, default_target=target)


def parse_approval_policy(document: Mapping[str, object]) -> ApprovalPolicy:
    """Read the rules of approval. Raises :class:`InvalidGatePolicy`."""
    top = Document(document, error=InvalidGatePolicy)
    top.only("version", "cab_up_to", "checkpoint_presets", "default_checkpoint_preset", "review")
    presets = top.texts("checkpoint_presets")
    if unknown := [preset for preset in presets if preset not in PRESETS]:
        top.refuse(f"names {unknown[0]!r}, which is not one of {', '.join(PRESETS)}", "checkpoint_presets")
    default = top.text("default_checkpoint_preset")
    if default not in presets:
        top.refuse(f"must be one of {', '.join(presets)}", "default_checkpoint_preset")
    cab_up_to = top.integer("cab_up_to")
    if cab_up_to > 100:
        top.refuse("must be at most 100", "cab_up_to")
    review = top.child("review")
    review.only("window", "urgent_window", "approval_valid")
    valid = duration(review, "approval_valid", positive=True)
    return ApprovalPolicy(
        version=top.text("version"),
        cab_up_to=cab_up_to,
        presets=presets,
        default_preset=default,
        review=ReviewPolicy(window=duration(review, "window", positive=True), approval_valid=valid),
        urgent_review=ReviewPolicy(window=duration(review, "urgent_window", positive=True), approval_valid=valid),
    )


def _gate(ring: Document) -> RingGate:
    ring.only("success_rate", "compliance", "incidents", "soak", "rehearsal")
    rate = float(ring.number("success_rate"))
    if not 0 < rate <= 100:
        ring.refuse("must be over 0 and at most 100 percent", "success_rate")
    windows = ring.child("compliance")
    windows.only("online", "intermittent", "air_gapped")
    return RingGate(
        success_rate=rate,
        compliance=ComplianceWindows(
            online=duration(windows, "online", positive=True),
            intermittent=duration(windows, "intermittent", positive=True),
            air_gapped=duration(windows, "air_gapped", positive=True),
        ),
        incidents=ring.integer("incidents"),
        soak=duration(ring, "soak"),
        rehearsal=ring.flag("rehearsal"),
    )
