"""A draft may have gaps, all of which are named, and nothing that we do not know."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from eucora.evidence.draft import EvidenceDraft, complete
from tests.evidence.builders import Case

REQUIRED = [
    "application.name",
    "application.version",
    "application.vendor",
    "application.category",
    "application.support_tier",
    "artifact.sha256",
    "artifact.size",
    "artifact.file_name",
    "sbom.kind",
    "sbom.sha256",
    "vulnerability_scan.kind",
    "vulnerability_scan.sha256",
    "installation.install_command",
    "installation.uninstall_command",
    "installation.detection",
    "installation.reboot",
    "rollout_plan.planes",
    "rollout_plan.target_ring",
    "rollback_plan.strategies",
    "rollback_plan.steps",
]


def draft(document: dict[str, Any]) -> EvidenceDraft:
    return EvidenceDraft.model_validate(document)


def test_a_complete_draft_misses_nothing() -> None:
    assert complete(draft(Case().document())) == []


def test_an_empty_draft_misses_every_required_field_by_name() -> None:
    assert complete(draft({})) == REQUIRED


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_field_is_missed_when_absent(name: str) -> None:
    document = Case().document()
    section, field = name.split(".")
    del document[section][field]
    assert complete(draft(document)) == [name]


@pytest.mark.parametrize("name", ["application.name", "installation.install_command", "rollout_plan.target_ring"])
def test_blanks_are_not_a_value(name: str) -> None:
    document = Case().document()
    section, field = name.split(".")
    document[section][field] = "  "
    assert complete(draft(document)) == [name]


def test_a_list_with_a_blank_entry_is_not_filled_in() -> None:
    document = Case().document()
    document["rollback_plan"]["steps"] = ["install 1.2.0", " "]
    assert complete(draft(document)) == ["rollback_plan.steps"]


def test_a_strategy_that_goes_back_to_a_version_needs_one() -> None:
    document = Case().document()
    del document["rollback_plan"]["target_version"]
    assert complete(draft(document)) == []
    document["rollback_plan"]["strategies"][0]["strategy"] = "apt_pinning"
    assert complete(draft(document)) == ["rollback_plan.target_version"]


def test_every_plane_needs_a_way_back() -> None:
    document = Case().document()
    document["rollout_plan"]["planes"] = ["ansible", "sim-mac"]
    assert complete(draft(document)) == ["rollback_plan.strategies[sim-mac]"]


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        (None, "score", 3),
        (None, "test_evidence", {}),
        ("vulnerability_scan", "decision", "pass"),
        ("vulnerability_scan", "counts", {"critical": 0}),
        ("artifact", "signing", "signed_known_vendor"),
        ("sbom", "component_count", 7),
        ("rollback_plan", "validated", True),
    ],
)
def test_what_we_measure_ourselves_has_no_field(section: str | None, field: str, value: Any) -> None:
    document = Case().document()
    (document if section is None else document[section])[field] = value
    with pytest.raises(ValidationError, match="extra_forbidden"):
        draft(document)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("artifact", "sha256", "AB" * 32),
        ("artifact", "size", -1),
        ("artifact", "file_name", "../evil.whl"),
        ("artifact", "file_name", "a\\b"),
        ("artifact", "file_name", ".."),
        ("application", "name", "a\x00b"),
        ("application", "name", "\ud800"),
        ("installation", "install_command", "\udfff"),
        ("application", "vendor", "x" * 513),
        ("sbom", "kind", "swid"),
        ("vulnerability_scan", "kind", "snyk"),
        ("vulnerability_scan", "scanned_at", "2026-01-01T00:00:00"),
        ("vulnerability_scan", "malware", {"result": "clean"}),
        ("installation", "install_command", "a\x00b"),
        ("installation", "reboot", "maybe"),
        ("installation", "exit_codes", [{"code": 0, "outcome": "success"}, {"code": 0, "outcome": "failure"}]),
        ("rollback_plan", "strategies", [{"plane": "ansible", "strategy": "hope"}]),
        (
            "rollback_plan",
            "strategies",
            [{"plane": "a", "strategy": "playbook"}, {"plane": "a", "strategy": "playbook"}],
        ),
    ],
)
def test_a_malformed_field_is_refused(section: str, field: str, value: Any) -> None:
    document = Case().document()
    document[section][field] = value
    with pytest.raises(ValidationError) as refused:
        draft(document)
    assert refused.value.errors()[0]["loc"][:2] == (section, field)


def test_a_draft_cannot_be_changed() -> None:
    made = draft(Case().document())
    with pytest.raises(ValidationError, match="frozen"):
        made.application.name = "other"  # type: ignore[misc]


def test_a_draft_survives_the_wire() -> None:
    document = Case().document()
    made = draft(copy.deepcopy(document))
    assert EvidenceDraft.model_validate_json(made.model_dump_json()) == made
