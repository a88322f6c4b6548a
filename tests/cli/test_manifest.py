"""The submit manifest: what is refused, where, and what the published schema promises."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from eucora.cli.manifest import ManifestInvalid, generated_schema, load_manifest, published_schema
from eucora.cli.positions import YamlInvalid, read_yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFESTS = sorted(EXAMPLES.glob("*/manifest.yaml"))


def broken(tmp_path: Path, old: str, new: str) -> ManifestInvalid:
    """The error of the codespell manifest with one text replaced."""
    text = (EXAMPLES / "codespell" / "manifest.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "manifest.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(path)
    return caught.value


def line_of(error: ManifestInvalid, text: str) -> int:
    """The line of a text in the manifest that the error is about."""
    lines = error.path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_the_examples_load_and_keep_the_published_schema(path: Path) -> None:
    loaded = load_manifest(path)
    assert loaded.manifest.planes
    jsonschema.Draft202012Validator(json.loads(published_schema())).validate(yaml.safe_load(loaded.text))


def test_there_are_examples() -> None:
    assert [path.parent.name for path in MANIFESTS] == ["codespell", "fieldnotes", "handover", "wordcard"]


def test_the_published_schema_is_the_one_of_the_model() -> None:
    assert json.loads(published_schema()) == json.loads(json.dumps(generated_schema())), (
        "the manifest's model changed: write generated_schema() to eucora/cli/data/manifest.schema.json"
    )


def test_an_unknown_field_is_named_with_its_line(tmp_path: Path) -> None:
    error = broken(tmp_path, "category:", "categry:")
    by_field = {problem.field: problem for problem in error.problems}
    assert by_field["application.categry"].line == line_of(error, "categry:")
    assert by_field["application.categry"].reason == "is no field of a manifest"
    assert by_field["application.category"].reason == "is missing"


def test_a_version_without_quotes_is_refused_and_says_why(tmp_path: Path) -> None:
    error = broken(tmp_path, '"2.4.1"', "2.10")
    (problem,) = error.problems
    assert (problem.field, problem.line) == ("application.version", line_of(error, "2.10"))
    assert "quotes" in problem.reason


def test_a_wrong_cohort_is_named_by_ring_and_plane(tmp_path: Path) -> None:
    error = broken(tmp_path, "{group: pilot}", "{group: pilot, take: 0}")
    (problem,) = error.problems
    assert problem.field == "rings.PILOT.ansible.take"
    assert problem.line == line_of(error, "take: 0")


def test_a_strategy_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    error = broken(tmp_path, "ansible: playbook", "ansible: magic")
    (problem,) = error.problems
    assert problem.field == "rollback.strategies.ansible"
    assert "'playbook'" in problem.reason


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    error = broken(tmp_path, "target_ring: GLOBAL", "target_ring: GLOBAL\ntarget_ring: LAB")
    (problem,) = error.problems
    assert problem.line == line_of(error, "target_ring: LAB")
    assert "stands twice" in problem.reason


def test_the_error_reads_like_a_compilers(tmp_path: Path) -> None:
    error = broken(tmp_path, "category:", "categry:")
    assert all(re.match(rf"{re.escape(str(error.path))}:\d+: application\.", line) for line in str(error).splitlines())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    with pytest.raises(ManifestInvalid, match="cannot be read"):
        load_manifest(path)


def test_a_file_that_the_manifest_names_must_exist() -> None:
    loaded = load_manifest(EXAMPLES / "wordcard" / "manifest.yaml")
    with pytest.raises(ManifestInvalid) as caught:
        loaded.file("absent.bin", ("artifact", "path"))
    (problem,) = caught.value.problems
    assert problem.field == "artifact.path"
    assert loaded.text.splitlines()[problem.line - 1].strip().startswith("path: dist/")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "empty"),
        ("a: 1\nb: [\n", 3, "expected"),
        ("a: &a\n  b: *a\n", 1, "contains itself"),
        ("- 1\n- {c: 1, c: 2}\n", 2, "stands twice"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("!!python/object:os.system x\n", 1, "constructor"),
    ],
)
def test_yaml_that_is_not_one_plain_document_is_refused(text: str, line: int, reason: str) -> None:
    with pytest.raises(YamlInvalid, match=reason) as caught:
        read_yaml(text)
    assert caught.value.line == line


def test_aliases_may_not_unfold_into_too_much() -> None:
    rows = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8))
    with pytest.raises(YamlInvalid, match="unfold"):
        read_yaml(f"a0: &a0 [1, 1]\n{rows}\n")


def test_a_merged_mapping_may_be_overridden() -> None:
    located = read_yaml("base: &base {group: lab, take: 1}\nother:\n  <<: *base\n  take: 2\n")
    assert located.value["other"] == {"group": "lab", "take": 2}
    assert located.line(("other", "take")) == 4
