"""The classifier asks its rules in a fixed order and says which one decided (domain.md §4)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from eucora.domain.classification import (
    ApplicationFacts,
    Automation,
    Classification,
    ClassificationRule,
    InvalidClassificationPolicy,
    OverrideWithoutJustification,
    classify,
    normalised,
    override,
    parse_blast_radius_policy,
    parse_trust_maturity,
    privileged_tooling,
)
from eucora.domain.errors import InvalidInput
from eucora.domain.vocabulary import BlastRadiusClass
from eucora.policy.documents import shipped_document
from eucora.policy.library import shipped_blast_radius_classes, shipped_trust_maturity

POLICY = shipped_blast_radius_classes()
CRITICAL, BUSINESS, PRODUCTIVITY, NON_CRITICAL = BlastRadiusClass


def facts(
    name: str = "Widget",
    category: str = "misc",
    *,
    admin: bool = False,
    tags: tuple[str, ...] = (),
    tier: str | None = None,
    criticality: str | None = None,
    users: int | None = None,
) -> ApplicationFacts:
    return ApplicationFacts(
        name=name,
        category=category,
        requires_admin=admin,
        tags=tags,
        cmdb_tier=tier,
        criticality=criticality,
        users=users,
    )


@pytest.mark.parametrize(
    ("application", "expected", "rule"),
    [
        (facts("VPN client", tier="Tier-4"), NON_CRITICAL, ClassificationRule.CMDB_TIER),
        (facts(tier="tier 1"), CRITICAL, ClassificationRule.CMDB_TIER),
        (facts(tier="TIER_2"), BUSINESS, ClassificationRule.CMDB_TIER),
        (facts("Corporate VPN", users=5), CRITICAL, ClassificationRule.CRITICAL_KEYWORD),
        (facts(tags=("domain-controller",)), CRITICAL, ClassificationRule.CRITICAL_KEYWORD),
        (facts(category="Security", admin=True), CRITICAL, ClassificationRule.CRITICAL_ADMIN_CATEGORY),
        (facts(category="OS", admin=True), CRITICAL, ClassificationRule.CRITICAL_ADMIN_CATEGORY),
        (facts(category="Security", criticality="high"), BUSINESS, ClassificationRule.BUSINESS_CRITICALITY),
        (facts(criticality="HIGH"), BUSINESS, ClassificationRule.BUSINESS_CRITICALITY),
        (facts(users=10_000), BUSINESS, ClassificationRule.BUSINESS_USERS),
        (facts(users=9_999), PRODUCTIVITY, ClassificationRule.PRODUCTIVITY_USERS),
        (facts("Acme ERP"), BUSINESS, ClassificationRule.BUSINESS_KEYWORD),
        (facts("CRM for office mail"), BUSINESS, ClassificationRule.BUSINESS_KEYWORD),
        (facts(category="Finance"), BUSINESS, ClassificationRule.BUSINESS_KEYWORD),
        (facts(category="Office"), PRODUCTIVITY, ClassificationRule.PRODUCTIVITY_KEYWORD),
        (facts("Text editor", users=1), PRODUCTIVITY, ClassificationRule.PRODUCTIVITY_KEYWORD),
        (facts(users=100), PRODUCTIVITY, ClassificationRule.PRODUCTIVITY_USERS),
        (facts(users=99), NON_CRITICAL, ClassificationRule.NON_CRITICAL),
        (facts(category="Security"), NON_CRITICAL, ClassificationRule.NON_CRITICAL),
        (facts(category="misc", admin=True), NON_CRITICAL, ClassificationRule.NON_CRITICAL),
        (facts("Photos", category="photos", admin=True), NON_CRITICAL, ClassificationRule.NON_CRITICAL),
        (facts(criticality="low"), NON_CRITICAL, ClassificationRule.NON_CRITICAL),
    ],
)
def test_the_first_rule_that_applies_decides(
    application: ApplicationFacts, expected: BlastRadiusClass, rule: ClassificationRule
) -> None:
    found = classify(POLICY, application)
    assert (found.blast_radius_class, found.rule) == (expected, rule)
    assert found.why.endswith(".")


@pytest.mark.parametrize(
    ("blast_radius_class", "quorum", "automation"),
    [
        (CRITICAL, 3, Automation.NEVER),
        (BUSINESS, 2, Automation.ALWAYS_CAB),
        (PRODUCTIVITY, 1, Automation.BY_SCORE),
        (NON_CRITICAL, 1, Automation.BY_SCORE),
    ],
)
def test_each_class_asks_for_its_quorum(
    blast_radius_class: BlastRadiusClass, quorum: int, automation: Automation
) -> None:
    wanted = POLICY.classes[blast_radius_class]
    assert (wanted.quorum, wanted.automation) == (quorum, automation)
    tier = next(tier for tier, target in POLICY.cmdb_tiers.items() if target is blast_radius_class)
    found = classify(POLICY, facts(tier=tier))
    assert (found.quorum, found.automation) == (quorum, automation)
    assert found.always_cab == (automation is not Automation.BY_SCORE)


def test_the_sentence_names_what_decided() -> None:
    assert classify(POLICY, facts("Acme ERP")).why == "It matches the business keyword 'erp'."
    assert classify(POLICY, facts(users=12_000)).why == "It has 12000 users, 10000 or more."


def test_an_unknown_cmdb_tier_is_passed_over_and_said() -> None:
    found = classify(POLICY, facts("Acme ERP", tier="platinum"))
    assert found.rule is ClassificationRule.BUSINESS_KEYWORD
    assert found.why.endswith("The CMDB's tier 'platinum' is not in the policy and was passed over.")


@pytest.mark.parametrize(
    ("application", "kind"),
    [
        (facts("Acme Anti-Virus"), "antivirus"),
        (facts(category="antivirus"), "antivirus"),
        (facts(category="EDR"), "edr"),
        (facts(tags=("privileged-access",)), "elevation"),
        (facts("sudo"), "elevation"),
        (facts(category="VPN"), "vpn"),
        (facts("Acme PKI agent"), "pki"),
        (facts("Pseudo VPNs"), None),
        (facts("Spameditor"), None),
    ],
)
def test_privileged_tooling_is_told_by_whole_words(application: ApplicationFacts, kind: str | None) -> None:
    found = privileged_tooling(POLICY, application)
    assert (None if found is None else found.key) == kind
    assert classify(POLICY, application).privileged_tooling == kind


def test_privileged_tooling_goes_to_the_cab_whatever_its_class() -> None:
    found = classify(POLICY, facts("sudo", tier="tier 4"))
    assert (found.blast_radius_class, found.always_cab) == (NON_CRITICAL, True)
    assert found.why.endswith("It is privileged tooling (elevation tool), which always goes to the CAB.")


def test_an_override_keeps_what_was_computed_and_who_changed_it() -> None:
    computed = classify(POLICY, facts("Acme ERP"))
    changed = override(POLICY, computed, to=PRODUCTIVITY, justification=" Read-only viewer ", by="ada")
    assert (changed.blast_radius_class, changed.quorum, changed.always_cab) == (PRODUCTIVITY, 1, False)
    assert (changed.overridden_from, changed.overridden_by) == (BUSINESS, "ada")
    assert (changed.rule, changed.why) == (
        ClassificationRule.OVERRIDE,
        "ada set PRODUCTIVITY_TOOLS in place of BUSINESS_CRITICAL: Read-only viewer",
    )
    again = override(POLICY, changed, to=CRITICAL, justification="Serves the plant", by="bob")
    assert (again.overridden_from, again.quorum) == (BUSINESS, 3)


@pytest.mark.parametrize("justification", ["", "  \n"])
def test_an_override_without_justification_is_refused(justification: str) -> None:
    computed = classify(POLICY, facts())
    with pytest.raises(OverrideWithoutJustification) as refusal:
        override(POLICY, computed, to=CRITICAL, justification=justification, by="ada")
    assert refusal.value.field == "justification"


def test_an_override_names_who_made_it() -> None:
    with pytest.raises(InvalidInput) as refusal:
        override(POLICY, classify(POLICY, facts()), to=CRITICAL, justification="Because", by=" ")
    assert refusal.value.code == "missing_actor"


def test_an_override_does_not_make_privileged_tooling_ordinary() -> None:
    changed = override(POLICY, classify(POLICY, facts("VPN")), to=NON_CRITICAL, justification="Pilot only", by="ada")
    assert (changed.always_cab, changed.privileged_tooling) == (True, "vpn")


@pytest.mark.parametrize(
    ("text", "expected"), [("Tier-1", "tier 1"), ("  ERP_Client  2 ", "erp client 2"), ("--", ""), ("Zürich", "zürich")]
)
def test_terms_are_compared_as_lower_case_words(text: str, expected: str) -> None:
    assert normalised(text) == expected


words = st.sampled_from(["", "VPN", "ERP client", "office", "sudo", "Widget", "security", "os", "photos", "e-mail"])
STORED = TypeAdapter(Classification)


@given(
    st.builds(
        ApplicationFacts,
        name=words,
        category=words,
        requires_admin=st.booleans(),
        tags=st.tuples(words),
        cmdb_tier=st.none() | st.sampled_from(["tier 0", "Tier 3", "other"]),
        criticality=st.none() | st.sampled_from(["high", "low"]),
        users=st.none() | st.integers(0, 20_000),
    )
)
def test_classification_is_total_and_survives_storage(application: ApplicationFacts) -> None:
    found = classify(POLICY, application)
    assert STORED.validate_json(STORED.dump_json(found)) == found
    assert found == classify(POLICY, application)
    assert found.always_cab or found.blast_radius_class in {PRODUCTIVITY, NON_CRITICAL}
    assert found.always_cab or found.privileged_tooling is None


@pytest.mark.parametrize(
    ("level", "thresholds"),
    [
        ("L0", [0, 0, 0, 0]),
        ("L1", [0, 0, 20, 30]),
        ("L2", [0, 10, 35, 50]),
        ("L3", [0, 20, 45, 65]),
        ("L4", [0, 25, 50, 75]),
    ],
)
def test_trust_maturity_is_the_table_and_off_by_default(level: str, thresholds: list[int]) -> None:
    table = shipped_trust_maturity()
    assert [table.threshold(level, each) for each in BlastRadiusClass] == thresholds
    assert not table.enabled


def test_an_unknown_trust_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match="L0, L1, L2, L3, L4"):
        shipped_trust_maturity().threshold("L5", CRITICAL)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("extra", lambda d: d.update(extra=1)),
        ("classes", lambda d: d["classes"].pop()),
        ("classes[1].class", lambda d: d["classes"][1].update({"class": "CRITICAL_INFRASTRUCTURE"})),
        ("classes[0].class", lambda d: d["classes"][0].update({"class": "VERY_CRITICAL"})),
        ("classes[0].quorum", lambda d: d["classes"][0].update(quorum=0)),
        ("classes[0].automation", lambda d: d["classes"][0].update(automation="maybe")),
        ("cmdb_tiers.tier 0", lambda d: d["cmdb_tiers"].update({"tier 0": "TOP"})),
        ("critical_keywords", lambda d: d.update(critical_keywords=["--"])),
        ("business.users_at_least", lambda d: d["business"].update(users_at_least=0)),
        ("productivity.extra", lambda d: d["productivity"].update(extra=1)),
        ("privileged_tooling[0].terms", lambda d: d["privileged_tooling"][0].pop("terms")),
    ],
)
def test_a_wrong_policy_is_refused_at_the_field_at_fault(
    field: str, change: Callable[[dict[str, Any]], object]
) -> None:
    document = copy.deepcopy(dict(shipped_document("blast-radius")))
    change(document)
    with pytest.raises(InvalidClassificationPolicy) as refusal:
        parse_blast_radius_policy(document)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("levels.L0.NON_CRITICAL", lambda d: d["levels"]["L0"].pop("NON_CRITICAL")),
        ("levels.L0.NON_CRITICAL", lambda d: d["levels"]["L0"].update(NON_CRITICAL=101)),
        ("levels.L0.OTHER", lambda d: d["levels"]["L0"].update(OTHER=1)),
        ("enabled", lambda d: d.update(enabled="no")),
    ],
)
def test_a_wrong_trust_table_is_refused_at_the_field_at_fault(
    field: str, change: Callable[[dict[str, Any]], object]
) -> None:
    document = copy.deepcopy(dict(shipped_document("trust-maturity")))
    change(document)
    with pytest.raises(InvalidClassificationPolicy) as refusal:
        parse_trust_maturity(document)
    assert refusal.value.field == field
