"""Every connector folder has the same files and answers every quality rule, with proof or a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONNECTORS = ROOT / "eucora" / "connectors"
FILES = ("README.md", "__init__.py", "errors.py", "plane.py", "quality.yaml", "settings.py", "translate.py")
FOLDERS = sorted(path.name for path in CONNECTORS.iterdir() if (path / "__init__.py").exists() and path.name[0] != "_")
TIERS = ("bronze", "silver", "gold")


def catalogue() -> dict[str, dict[str, str]]:
    rules: dict[str, dict[str, str]] = yaml.safe_load((CONNECTORS / "quality_rules.yaml").read_text("utf-8"))
    return rules


def checklist(folder: str) -> dict[str, Any]:
    answers: dict[str, Any] = yaml.safe_load((CONNECTORS / folder / "quality.yaml").read_text("utf-8"))
    return answers


def reached(answers: dict[str, dict[str, str]]) -> str:
    """The highest tier whose rules, and those of the tiers below it, are done or exempt; ``none`` when no tier is."""
    tier = "none"
    for name in TIERS:
        if any("todo" in answers[rule] for rule in catalogue()[name]):
            break
        tier = name
    return tier


def test_the_catalogue_has_three_tiers_and_no_rule_twice() -> None:
    assert tuple(catalogue()) == TIERS
    rules = [rule for tier in catalogue().values() for rule in tier]
    assert len(rules) == len(set(rules))


def test_there_are_connectors_to_check() -> None:
    assert {"sim", "ansible"} <= set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
class TestFolder:
    def test_has_the_same_files_as_every_other(self, folder: str) -> None:
        missing = [name for name in FILES if not (CONNECTORS / folder / name).exists()]
        assert not missing, f"eucora/connectors/{folder} lacks {missing}; see docs of the folder in connectors/sim"

    def test_answers_every_rule_and_no_other(self, folder: str) -> None:
        answers = checklist(folder)
        assert set(answers) == {"connector", "tier", "rules"}
        assert answers["connector"] == folder
        wanted = {rule for tier in catalogue().values() for rule in tier}
        assert set(answers["rules"]) == wanted, "copy missing rules from eucora/connectors/quality_rules.yaml"

    def test_every_answer_is_proof_or_a_reason(self, folder: str) -> None:
        for rule, answer in checklist(folder)["rules"].items():
            assert len(answer) == 1, f"{rule}: one of done, exempt, todo"
            ((kind, text),) = answer.items()
            if kind == "done":
                path, _, name = text.partition("::")
                assert (ROOT / path).is_file(), f"{rule}: {path} does not exist"
                assert name in (ROOT / path).read_text("utf-8"), f"{rule}: {path} has no {name}"
            else:
                assert kind in {"exempt", "todo"}, f"{rule}: one of done, exempt, todo"
                assert len(text.split()) >= 4, f"{rule}: say why in a sentence"

    def test_names_the_tier_it_has_reached(self, folder: str) -> None:
        answers = checklist(folder)
        assert answers["tier"] == reached(answers["rules"])
