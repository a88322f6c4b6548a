"""Every field of every fact, altered one at a time: the decider contradicts it, or the list below says that only the
hash does.

What the hash alone protects is what nothing is decided from: names and reasons of people, ids and digests that came
from outside, figures that lead to the same decision. A time can be later, within the order, where nothing fell due
meanwhile: a worker slept. Documents behind digests are checked by ``eucora.audit``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache

import pytest

from eucora.domain.audit import first_unfounded
from tests.domain.alterations import altered
from tests.domain.histories import HISTORIES

SAID = {"actor", "message_id", "why"}
"""Who said it, in which message, and why: true because the claim was signed; decided from only where a rule says so."""

HASH_ONLY: dict[str, set[str]] = {
    "ACCESS_DENIED": {"actor", "role", "error_class", "message", "code", "sentence", "count"},
    "CONTROL_REFUSED": {"actor", "role", "error_class", "control", "code", "sentence", "message_id"},
    "CAB_VOTE_REFUSED": {
        "actor", "role", "error_class", "checkpoint", "decision", "code", "sentence", "message_id",
    },
    "APPROVAL_REVOKED": SAID,
    "CAB_SUBMITTED": {"actor", "role", "message_id"},
    "CAB_VOTED": {"comment", "conditions.text", "message_id"},
    "CONNECTOR_ERROR": {"code", "sentence", "error_class"},
    "DEPLOYMENT_CANCELLED": SAID,
    "DEPLOYMENT_HELD": SAID | {"role"},
    "DEPLOYMENT_RELEASED": SAID,
    "EVIDENCE_RESEALED": {"version"},
    "EVIDENCE_SEALED": {"version", "release_digest"},
    "EXCEPTION_APPROVED": {"actor", "message_id", "expires_at", "revision", "subject"},
    "EXCEPTION_REVOKED": {"actor", "message_id"},
    "INCIDENT_OPENED": {"actor", "message_id"},
    "INCIDENT_RESOLVED": {"actor", "message_id", "attributed"},
    "MEMBERSHIP_FROZEN": {"members[].digest", "members[].sites[].site_class"},
    "PLANE_ASSIGNED": {"adopted", "assignment_id", "request_id"},
    "PLANE_PUBLISHED": {"adopted", "object_id", "request_id"},
    "POLICY_ACTIVATED": {
        "actor", "message_id", "trusted_keys[].key_id", "trusted_keys[].public_key", "trusted_keys[shorter]",
    },
    "PROMOTION_FORCED": SAID,
    "RETRY_REQUESTED": SAID,
    "RISK_ASSESSED": {
        "assessment_digest", "devices", "inputs_digest", "model", "model_digest", "model_version", "raw_score", "score",
    },
    "ROLLBACK_FAILED": {"error_class", "sentence"},
    "ROLLBACK_INITIATED": SAID,
    "ROLLBACK_REHEARSED": {"sentence"},
    "SOAK_SKIPPED": SAID,
}  # fmt: skip

PLAN_HASH_ONLY = {
    "error_class", "message_id",
    "trusted_keys[].key_id", "trusted_keys[].public_key", "trusted_keys[shorter]",
    "plan.application.category", "plan.application.id", "plan.application.name", "plan.application.vendor",
    "plan.application.version", "plan.author", "plan.class_sentence", "plan.correlation_id", "plan.deployment_id",
    "plan.gate_policy", "plan.kind", "plan.max_attempts", "plan.poll_interval", "plan.requested_at", "plan.risk_model",
    "plan.rollback_objective", "plan.urgent_justification", "plan.rings[].targets[].cohort.group",
    "plan.rings[].gate.compliance.intermittent", "plan.rings[].gate.compliance.air_gapped",
}  # fmt: skip
"""Of a plan: words, what activities work with, and windows of site classes that no device here belongs to.

Its rings, gates, planes, tiers, quorum and clocks are decided from.
"""


@cache
def undetected(name: str) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Return for each type of fact how often the alteration of a path was missed and found in this history."""
    facts = tuple(HISTORIES[name]().facts)
    places = defaultdict(list)
    for index, fact in enumerate(facts):
        places[fact.type].append(index)
    counts: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for kind, indexes in places.items():
        if kind == "DEPLOYMENT_CREATED" and name == "troubled":
            continue  # shows nothing of a plan that the others do not
        missed, found = counts.setdefault(kind, (Counter(), Counter()))
        for index in sorted({indexes[0], indexes[-1]}):
            for path, other in altered(facts[index]):
                unfounded = first_unfounded((*facts[:index], other, *facts[index + 1 :]))
                assert unfounded is None or unfounded.index >= index or kind == "DEPLOYMENT_CREATED"
                (missed if unfounded is None else found)[path] += 1
    return counts


def gathered() -> dict[str, tuple[Counter[str], Counter[str]]]:
    together: dict[str, tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    for name in HISTORIES:
        for kind, (missed, found) in undetected(name).items():
            together[kind][0].update(missed)
            together[kind][1].update(found)
    return together


def test_what_only_the_hash_protects_is_this_and_no_more() -> None:
    together = gathered()
    missed = {kind: set(counts[0]) - {"at"} for kind, counts in together.items() if set(counts[0]) - {"at"}}
    missed.pop("DEPLOYMENT_CREATED")
    assert missed == HASH_ONLY


def test_of_a_plan_the_decider_misses_what_it_never_reads() -> None:
    missed, found = gathered()["DEPLOYMENT_CREATED"]
    assert set(missed) - set(found) == PLAN_HASH_ONLY


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        ("CAB_VOTED", {"actor", "role", "checkpoint", "round", "decision", "pack_digest", "at"}),
        ("CAB_APPROVED", {"approvers[]", "covers.first", "binding.score", "expires_at", "automated"}),
        ("GATE_EVALUATED", {"result", "checks[].result", "checks[].sentence", "until", "ring"}),
        ("RING_PROMOTED", {"ring", "to_ring", "at", "actor", "role"}),
        ("PLANE_OBSERVED", {"figures.classes[].succeeded", "figures.classes[].failed", "figures.classes[].targeted"}),
        ("RISK_ASSESSED", {"tier", "score"}),
        ("EVIDENCE_SEALED", {"pack_digest"}),
        ("ROLLBACK_INITIATED", {"code", "outcome", "automatic", "revision"}),
        ("PLANE_ROLLED_BACK", {"ring", "plane", "strategy", "targeted", "clean"}),
        ("ROLLBACK_REHEARSED", {"artifact_sha256", "succeeded", "plane", "revision"}),
        ("MEMBERSHIP_FROZEN", {"ring", "members[].plane", "members[].devices", "members[shorter]"}),
        ("DEPLOYMENT_CREATED", {"plan.quorum", "plan.rings[].gate.success_rate", "plan.artifact_sha256"}),
    ],
)
def test_what_matters_is_found(kind: str, paths: set[str]) -> None:
    assert paths <= set(gathered()[kind][1])
