"""A risk model is data, and wrong data is refused with the path of the field at fault (domain.md §2)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from eucora.domain.errors import InvalidInput
from eucora.domain.risk import Basis, FactorInput, InvalidRiskModel, assess, parse_model

Change = Callable[[dict[str, Any]], object]


def model() -> dict[str, Any]:
    """A small model with all kinds of rubric."""
    return {
        "model_id": "small",
        "version": "v2.10",
        "title": "Small",
        "threshold": 50,
        "labels": [{"at_most": 50, "label": "low"}, {"at_most": 100, "label": "high"}],
        "factors": [
            {
                "key": "kept",
                "title": "Kept",
                "weight": 40,
                "rubric": {"kind": "keyed", "rows": [{"key": "good", "title": "Good", "value": 0.1}]},
            },
            {
                "key": "size",
                "title": "Size",
                "weight": 20.5,
                "always_measured": True,
                "rubric": {
                    "kind": "bands",
                    "measure": "count",
                    "unit": "things",
                    "bands": [
                        {"key": "few", "title": "Few", "below": 5, "value": 0.1},
                        {"key": "some", "title": "Some", "at_most": 5, "value": 0.2},
                        {"key": "many", "title": "Many", "value": "0.5"},
                    ],
                    "flag": {"key": "loud", "title": "loud", "multiply": 1.2},
                },
            },
            {
                "key": "rate",
                "title": "Rate",
                "weight": 19.5,
                "rubric": {
                    "kind": "bands",
                    "measure": "rate",
                    "unit": "tries succeeded",
                    "bands": [
                        {"key": "low", "title": "Low", "below": 0.5, "value": 0.9},
                        {"key": "high", "title": "High", "value": 0},
                    ],
                    "absent": {"key": "none", "title": "None", "value": 0.5},
                    "flag": {"key": "breach", "title": "Breach", "value": 1},
                },
            },
            {
                "key": "tagged",
                "title": "Tagged",
                "weight": 10,
                "rubric": {
                    "kind": "tags",
                    "sets": [
                        {"key": "hard", "title": "Hard", "tags": ["SOX"], "value": 1},
                        {"key": "soft", "title": "Soft", "tags": ["pci"], "value": 0.7},
                    ],
                    "other": {"key": "other", "title": "Other", "value": 0.3},
                    "none": {"key": "none", "title": "None", "value": 0},
                },
            },
            {
                "key": "missing",
                "title": "Missing",
                "weight": 10,
                "rubric": {"kind": "count", "unit": "parts missing", "out_of": 8},
            },
        ],
    }


def rubric(document: dict[str, Any], factor: int) -> dict[str, Any]:
    found: dict[str, Any] = document["factors"][factor]["rubric"]
    return found


def test_a_model_is_read_from_plain_json() -> None:
    read = parse_model(json.loads(json.dumps(model())))
    assert (read.model_id, read.version, read.threshold) == ("small", "v2.10", 50)
    assert [factor.weight_text for factor in read.factors] == ["40", "20.5", "19.5", "10", "10"]
    assert assess(read, [], submitter="sam").raw_score == "55.8"


def test_a_tag_set_matches_in_any_letter_case() -> None:
    entry = FactorInput(key="tagged", basis=Basis.MEASURED, tags=("sox",), evidence_reference="e")
    assert assess(parse_model(model()), [entry], submitter="sam").factors[3].value == "1"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("extra", lambda d: d.update(extra=1)),
        ("model_id", lambda d: d.pop("model_id")),
        ("model_id", lambda d: d.update(model_id="Not An Id")),
        ("version", lambda d: d.update(version="1.0")),
        ("version", lambda d: d.update(version="v1.0.0")),
        ("version", lambda d: d.update(version="v01.0")),
        ("version", lambda d: d.update(model_id="v1.0")),
        ("title", lambda d: d.update(title=" ")),
        ("threshold", lambda d: d.update(threshold=101)),
        ("threshold", lambda d: d.update(threshold=True)),
        ("threshold", lambda d: d.update(threshold=50.0)),
        ("labels", lambda d: d.update(labels=[])),
        ("labels", lambda d: d["labels"].pop()),
        ("labels[1].at_most", lambda d: d["labels"][0].update(at_most=100)),
        ("factors", lambda d: d.update(factors="none")),
        ("factors", lambda d: d["factors"][0].update(weight=39)),
        ("factors", lambda d: d["factors"][0].update(key="size")),
        ("factors[0]", lambda d: d["factors"].__setitem__(0, "kept")),
        ("factors[0].key", lambda d: d["factors"][0].update(key="Kept")),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight=0)),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight=-40)),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight="1e999999")),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight="0.1234567")),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight="heavy")),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight=None)),
        ("factors[0].weight", lambda d: d["factors"][0].update(weight=float("nan"))),
        ("factors[0].always_measured", lambda d: d["factors"][0].update(always_measured="yes")),
        ("factors[0].rubric.kind", lambda d: rubric(d, 0).update(kind="magic")),
        ("factors[0].rubric.rows", lambda d: rubric(d, 0).update(rows=[])),
        ("factors[0].rubric.rows[0].value", lambda d: rubric(d, 0)["rows"][0].update(value=1.1)),
        ("factors[0].rubric.rows[0].value", lambda d: rubric(d, 0)["rows"][0].update(value=-0.1)),
        ("factors[0].rubric.rows[0].value", lambda d: rubric(d, 0)["rows"][0].update(value="0." + "1" * 60)),
        ("factors[0].rubric.rows[0].below", lambda d: rubric(d, 0)["rows"][0].update(below=5)),
        ("factors[0].rubric.rows[1].key", lambda d: rubric(d, 0)["rows"].append(rubric(d, 0)["rows"][0])),
        ("factors[1].rubric.measure", lambda d: rubric(d, 1).update(measure="guess")),
        ("factors[1].rubric.unit", lambda d: rubric(d, 1).pop("unit")),
        ("factors[1].rubric.absent", lambda d: rubric(d, 1).update(absent=rubric(d, 2)["absent"])),
        ("factors[1].rubric.bands[0]", lambda d: rubric(d, 1)["bands"][0].pop("below")),
        ("factors[1].rubric.bands[0]", lambda d: rubric(d, 1)["bands"][0].update(at_most=5)),
        ("factors[1].rubric.bands[0]", lambda d: rubric(d, 1)["bands"][0].update(below=-1)),
        ("factors[1].rubric.bands[1]", lambda d: rubric(d, 1)["bands"][1].update(at_most=4)),
        ("factors[1].rubric.bands[2]", lambda d: rubric(d, 1)["bands"][2].update(below=100)),
        ("factors[1].rubric.flag", lambda d: rubric(d, 1)["flag"].update(value=1)),
        ("factors[1].rubric.flag.multiply", lambda d: rubric(d, 1)["flag"].update(multiply=0.9)),
        ("factors[1].rubric.flag.multiply", lambda d: rubric(d, 1)["flag"].update(multiply="1.000001")),
        ("factors[2].rubric.bands[0]", lambda d: rubric(d, 2)["bands"][0].update(below=1.5)),
        ("factors[2].rubric.flag.value", lambda d: rubric(d, 2)["flag"].update(value=0.8)),
        ("factors[3].rubric.sets[1].value", lambda d: rubric(d, 3)["sets"][0].update(value=0.5)),
        ("factors[3].rubric.sets[0].tags", lambda d: rubric(d, 3)["sets"][0].update(tags=[])),
        ("factors[3].rubric.sets[0].tags[0]", lambda d: rubric(d, 3)["sets"][0].update(tags=[" "])),
        ("factors[3].rubric.none", lambda d: rubric(d, 3).pop("none")),
        ("factors[4].rubric.out_of", lambda d: rubric(d, 4).update(out_of=0)),
        ("factors[4].rubric.out_of", lambda d: rubric(d, 4).update(out_of=3)),
        ("factors[4].rubric.out_of", lambda d: rubric(d, 4).update(out_of=1_000_000)),
    ],
)
def test_a_wrong_model_is_refused_at_the_field_at_fault(field: str, change: Change) -> None:
    document = copy.deepcopy(model())
    change(document)
    with pytest.raises(InvalidRiskModel) as refusal:
        parse_model(document)
    assert refusal.value.field == field
    assert field in refusal.value.sentence


def test_a_document_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidRiskModel, match="must be a mapping, not list"):
        parse_model([])  # type: ignore[arg-type]


def test_a_wrong_model_is_invalid_input() -> None:
    assert issubclass(InvalidRiskModel, InvalidInput)
