"""Blast-radius classes: how much stands still when an application breaks (domain.md §4).

The classifier is a fixed order of rules over data: CMDB tier, critical, business, productivity, non-critical. It gives
the class and a sentence that says which rule decided and on what. Beside the class it tells privileged tooling, which
always goes to the CAB whatever its class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from eucora.domain.documents import Document
from eucora.domain.errors import InvalidInput
from eucora.domain.vocabulary import BlastRadiusClass

_WORD = re.compile(r"[^\W_]+")


class InvalidClassificationPolicy(InvalidInput):
    """A document of blast-radius classes or of trust maturity is wrong; ``field`` is the path in it."""

    code = "invalid_classification_policy"


class OverrideWithoutJustification(InvalidInput):
    """An override of a class needs a written justification (domain.md §4)."""

    code = "override_without_justification"


class Automation(StrEnum):
    """Whether a class may be approved without people: by its score, not (CAB), or never whatever the policy says."""

    BY_SCORE = "by_score"
    ALWAYS_CAB = "always_cab"
    NEVER = "never"


class ClassificationRule(StrEnum):
    """The rule that decided, in the order in which they are asked; an override stands above all."""

    OVERRIDE = "override"
    CMDB_TIER = "cmdb_tier"
    CRITICAL_KEYWORD = "critical_keyword"
    CRITICAL_ADMIN_CATEGORY = "critical_admin_category"
    BUSINESS_CRITICALITY = "business_criticality"
    BUSINESS_USERS = "business_users"
    BUSINESS_KEYWORD = "business_keyword"
    PRODUCTIVITY_KEYWORD = "productivity_keyword"
    PRODUCTIVITY_USERS = "productivity_users"
    NON_CRITICAL = "non_critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPolicy:
    """What a class asks for: ``quorum`` distinct approvers, and whether the score alone may approve."""

    blast_radius_class: BlastRadiusClass
    title: str
    quorum: int
    automation: Automation


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivilegedTooling:
    """A kind of tooling that always goes to the CAB, and the terms that tell it."""

    key: str
    title: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadiusPolicy:
    """The classes and the rules of the classifier. Terms, tiers and categories are normalised (see ``normalised``)."""

    version: str
    classes: Mapping[BlastRadiusClass, ClassPolicy]
    cmdb_tiers: Mapping[str, BlastRadiusClass]
    critical_keywords: tuple[str, ...]
    critical_admin_categories: tuple[str, ...]
    business_criticalities: tuple[str, ...]
    business_users_at_least: int
    business_keywords: tuple[str, ...]
    productivity_users_at_least: int
    productivity_keywords: tuple[str, ...]
    privileged_tooling: tuple[PrivilegedTooling, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationFacts:
    """What the classifier looks at. ``cmdb_tier``, ``criticality`` and ``users`` are ``None`` where nobody knows.

    ``tags`` are short terms from the evidence pack; free descriptions are left out on purpose, because a sentence
    that merely mentions a VPN does not make one.
    """

    name: str
    category: str
    requires_admin: bool
    tags: tuple[str, ...] = ()
    cmdb_tier: str | None = None
    criticality: str | None = None
    users: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The class, what it asks for, and why.

    ``always_cab`` holds for privileged tooling (``privileged_tooling`` names the kind) and for every class that the
    score alone may not approve. An override keeps the computed class in ``overridden_from``.
    """

    blast_radius_class: BlastRadiusClass
    quorum: int
    automation: Automation
    always_cab: bool
    privileged_tooling: str | None
    rule: ClassificationRule
    why: str
    policy_version: str
    overridden_from: BlastRadiusClass | None = None
    overridden_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustMaturity:
    """Highest scores approved without people, per trust level and class; replaces the model's threshold if enabled."""

    version: str
    enabled: bool
    thresholds: Mapping[str, Mapping[BlastRadiusClass, int]]

    def threshold(self, level: str, blast_radius_class: BlastRadiusClass) -> int:
        """The threshold of a class at ``level`` (``L0`` to ``L4``). Raises ``InvalidInput`` for an unknown level."""
        if level not in self.thresholds:
            sentence = f"'{level}' is not a trust level; the levels are {', '.join(self.thresholds)}."
            raise InvalidInput(sentence, code="unknown_trust_level", field="trust_level")
        return self.thresholds[level][blast_radius_class]


def normalised(text: str) -> str:
    """``text`` as lower-case words between single blanks; everything else separates: ``Tier-1`` gives ``tier 1``."""
    return " ".join(_WORD.findall(text.casefold()))


def classify(policy: BlastRadiusPolicy, facts: ApplicationFacts) -> Classification:
    """The class of an application, by the first rule that applies (domain.md §4)."""
    blast_radius_class, rule, why = _decide(policy, facts)
    tooling = privileged_tooling(policy, facts)
    if tooling is not None:
        why += f" It is privileged tooling ({tooling.title}), which always goes to the CAB."
    return _classification(policy, blast_radius_class, rule=rule, why=why, tooling=tooling.key if tooling else None)


def override(
    policy: BlastRadiusPolicy, computed: Classification, *, to: BlastRadiusClass, justification: str, by: str
) -> Classification:
    """``computed`` with the class set by a person; privileged tooling stays privileged.

    Raises:
        OverrideWithoutJustification: the justification is blank.
        InvalidInput: ``by`` is blank.
    """
    if not justification.strip():
        sentence = "Overriding a blast-radius class needs a written justification."
        raise OverrideWithoutJustification(sentence, field="justification")
    if not by.strip():
        raise InvalidInput("An override names who made it.", code="missing_actor", field="by")
    origin = computed.overridden_from or computed.blast_radius_class
    why = f"{by} set {to} in place of {origin}: {justification.strip()}"
    overridden = _classification(
        policy, to, rule=ClassificationRule.OVERRIDE, why=why, tooling=computed.privileged_tooling
    )
    return replace(overridden, overridden_from=origin, overridden_by=by)


def privileged_tooling(policy: BlastRadiusPolicy, facts: ApplicationFacts) -> PrivilegedTooling | None:
    """The kind of privileged tooling the application is, or ``None`` if it is none."""
    texts = _texts(facts)
    return next((kind for kind in policy.privileged_tooling if _first(kind.terms, texts) is not None), None)


def _decide(policy: BlastRadiusPolicy, facts: ApplicationFacts) -> tuple[BlastRadiusClass, ClassificationRule, str]:
    texts = _texts(facts)
    remark = ""
    if facts.cmdb_tier is not None:
        tier = policy.cmdb_tiers.get(normalised(facts.cmdb_tier))
        if tier is not None:
            return tier, ClassificationRule.CMDB_TIER, f"The CMDB puts it in tier '{facts.cmdb_tier}'."
        remark = f" The CMDB's tier '{facts.cmdb_tier}' is not in the policy and was passed over."
    if (keyword := _first(policy.critical_keywords, texts)) is not None:
        return (
            BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
            ClassificationRule.CRITICAL_KEYWORD,
            f"It matches the critical keyword '{keyword}'.{remark}",
        )
    category = _first(policy.critical_admin_categories, (normalised(facts.category),))
    if facts.requires_admin and category is not None:
        return (
            BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
            ClassificationRule.CRITICAL_ADMIN_CATEGORY,
            f"It needs administrator rights and its category '{facts.category}' is one of '{category}'.{remark}",
        )
    if facts.criticality is not None and normalised(facts.criticality) in policy.business_criticalities:
        why = f"Its business criticality is '{facts.criticality}'.{remark}"
        return BlastRadiusClass.BUSINESS_CRITICAL, ClassificationRule.BUSINESS_CRITICALITY, why
    if facts.users is not None and facts.users >= policy.business_users_at_least:
        why = f"It has {facts.users} users, {policy.business_users_at_least} or more.{remark}"
        return BlastRadiusClass.BUSINESS_CRITICAL, ClassificationRule.BUSINESS_USERS, why
    if (keyword := _first(policy.business_keywords, texts)) is not None:
        why = f"It matches the business keyword '{keyword}'.{remark}"
        return BlastRadiusClass.BUSINESS_CRITICAL, ClassificationRule.BUSINESS_KEYWORD, why
    if (keyword := _first(policy.productivity_keywords, texts)) is not None:
        why = f"It matches the productivity keyword '{keyword}'.{remark}"
        return BlastRadiusClass.PRODUCTIVITY_TOOLS, ClassificationRule.PRODUCTIVITY_KEYWORD, why
    if facts.users is not None and facts.users >= policy.productivity_users_at_least:
        why = f"It has {facts.users} users, {policy.productivity_users_at_least} or more.{remark}"
        return BlastRadiusClass.PRODUCTIVITY_TOOLS, ClassificationRule.PRODUCTIVITY_USERS, why
    return BlastRadiusClass.NON_CRITICAL, ClassificationRule.NON_CRITICAL, f"No other rule applies.{remark}"


def _classification(
    policy: BlastRadiusPolicy,
    blast_radius_class: BlastRadiusClass,
    *,
    rule: ClassificationRule,
    why: str,
    tooling: str | None,
) -> Classification:
    wanted = policy.classes[blast_radius_class]
    return Classification(
        blast_radius_class=blast_radius_class,
        quorum=wanted.quorum,
        automation=wanted.automation,
        always_cab=tooling is not None or wanted.automation is not Automation.BY_SCORE,
        privileged_tooling=tooling,
        rule=rule,
        why=why,
        policy_version=policy.version,
    )


def _texts(facts: ApplicationFacts) -> tuple[str, ...]:
    return tuple(normalised(text) for text in (facts.name, facts.category, *facts.tags))


def _first(terms: Sequence[str], texts: Sequence[str]) -> str | None:
    """The first of ``terms`` that stands as whole words in one of ``texts``: 'os' is not in 'photos'."""
    return next((term for term in terms if any(f" {term} " in f" {text} " for text in texts)), None)


def parse_blast_radius_policy(document: Mapping[str, object]) -> BlastRadiusPolicy:
    """Read and check the classes and the classifier's rules; every class appears once, with a quorum of at least 1.

    Raises:
        InvalidClassificationPolicy: with the path of the field at fault.
    """
    top = Document(document, error=InvalidClassificationPolicy)
    top.only(
        "version", "classes", "cmdb_tiers", "critical_keywords", "critical_admin_categories", "business",
        "productivity", "privileged_tooling",
    )  # fmt: skip
    classes: dict[BlastRadiusClass, ClassPolicy] = {}
    for entry in top.children("classes"):
        entry.only("class", "title", "quorum", "automation")
        name = _class(entry, "class")
        if name in classes:
            entry.refuse("appears twice", "class")
        automation = entry.text("automation")
        if automation not in set(Automation):
            entry.refuse(f"must be one of {', '.join(Automation)}", "automation")
        classes[name] = ClassPolicy(
            blast_radius_class=name,
            title=entry.text("title"),
            quorum=entry.integer("quorum", lowest=1),
            automation=Automation(automation),
        )
    if missing := [name for name in BlastRadiusClass if name not in classes]:
        top.refuse(f"must hold every class; {', '.join(missing)} is missing", "classes")
    tiers = top.child("cmdb_tiers")
    business, productivity = top.child("business"), top.child("productivity")
    business.only("criticalities", "users_at_least", "keywords")
    productivity.only("users_at_least", "keywords")
    return BlastRadiusPolicy(
        version=top.text("version"),
        classes=classes,
        cmdb_tiers={normalised(tier): _class(tiers, tier) for tier in tiers.names()},
        critical_keywords=_terms(top, "critical_keywords"),
        critical_admin_categories=_terms(top, "critical_admin_categories"),
        business_criticalities=_terms(business, "criticalities"),
        business_users_at_least=business.integer("users_at_least", lowest=1),
        business_keywords=_terms(business, "keywords"),
        productivity_users_at_least=productivity.integer("users_at_least", lowest=1),
        productivity_keywords=_terms(productivity, "keywords"),
        privileged_tooling=tuple(_tooling(entry) for entry in top.children("privileged_tooling")),
    )


def parse_trust_maturity(document: Mapping[str, object]) -> TrustMaturity:
    """Read and check the thresholds per trust level: every level names every class, every threshold is in 0..100.

    Raises:
        InvalidClassificationPolicy: with the path of the field at fault.
    """
    top = Document(document, error=InvalidClassificationPolicy)
    top.only("version", "enabled", "levels")
    levels = top.child("levels")
    thresholds: dict[str, dict[BlastRadiusClass, int]] = {}
    for level in levels.names():
        row = levels.child(level)
        row.only(*BlastRadiusClass)
        thresholds[level] = {name: row.integer(name) for name in BlastRadiusClass}
        for name, threshold in thresholds[level].items():
            if threshold > 100:
                row.refuse("must be at most 100", name)
    return TrustMaturity(version=top.text("version"), enabled=top.flag("enabled"), thresholds=thresholds)


def _tooling(entry: Document) -> PrivilegedTooling:
    entry.only("key", "title", "terms")
    return PrivilegedTooling(key=entry.text("key"), title=entry.text("title"), terms=_terms(entry, "terms"))


def _terms(document: Document, name: str) -> tuple[str, ...]:
    terms = tuple(normalised(text) for text in document.texts(name))
    if "" in terms:
        document.refuse("holds a term without a letter or digit", name)
    return terms


def _class(document: Document, name: str) -> BlastRadiusClass:
    text = document.text(name)
    if text not in set(BlastRadiusClass):
        document.refuse(f"must be one of {', '.join(BlastRadiusClass)}", name)
    return BlastRadiusClass(text)
