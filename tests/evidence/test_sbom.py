"""SBOMs are validated and counted; what is none is refused and says where."""

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.evidence.canonical import sha256_hex
from eucora.evidence.cyclonedx_schema import supported_versions
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.sbom import SbomFormat, parse_sbom
from tests.evidence.builders import SBOM, as_bytes, shared

SPDX: dict[str, Any] = {
    "SPDXID": "SPDXRef-DOCUMENT",
    "spdxVersion": "SPDX-2.3",
    "dataLicense": "CC0-1.0",
    "name": "wheel",
    "documentNamespace": "https://example.org/wheel",
    "creationInfo": {"created": "2026-01-01T00:00:00.5Z", "creators": ["Tool: t"]},
    "packages": [
        {"SPDXID": "SPDXRef-a", "name": "a", "licenseDeclared": "MIT OR Apache-2.0", "licenseConcluded": "NOASSERTION"},
        {"SPDXID": "SPDXRef-b", "name": "b", "licenseDeclared": "NONE"},
    ],
}


def refusal(document: Any, *, kind: SbomFormat | None = None) -> EvidenceInvalid:
    with pytest.raises(EvidenceInvalid) as refused:
        parse_sbom(as_bytes(document), kind=kind)
    return refused.value


@pytest.mark.parametrize(
    ("name", "version", "components", "licence"),
    [
        ("cyclonedx-keycloak-10.0.2.json", "1.2", 903, "Apache-2.0"),
        ("cyclonedx-juice-shop-11.1.2.json", "1.2", 840, "WTFPL"),
        ("cyclonedx-dropwizard-1.3.15.json", "1.2", 167, "(CDDL-1.0 OR GPL-2.0-with-classpath-exception)"),
        ("cyclonedx-laravel-7.12.0-spec1.4.json", "1.4", 62, "BSD-3-Clause"),
        ("cyclonedx-proton-bridge-1.6.3.json", "1.2", 201, "MPL-2.0"),
        ("cyclonedx-proton-bridge-1.8.0.json", "1.2", 201, "MPL-2.0"),
        ("cyclonedx-valid-spec1.6.json", "1.6", 2, "Apache-2.0"),
        ("spdx-2.2-alpine.json", "2.2", 14, "MPL-2.0 AND MIT"),
        ("spdx-2.3-syft-directory.json", "2.3", 30, "MIT"),
        ("spdx-2.3-conda.json", "2.3", 3, "OpenSSL"),
    ],
)
def test_real_sboms_are_read(name: str, version: str, components: int, licence: str) -> None:
    data = shared(f"sboms/{name}")
    kind = SbomFormat(name.partition("-")[0])
    summary = parse_sbom(data, kind=kind)
    assert (summary.format, summary.spec_version, summary.component_count) == (kind, version, components)
    assert licence in summary.licences
    assert list(summary.licences) == sorted(set(summary.licences))
    assert summary.digest == sha256_hex(data)


def test_an_upgraded_component_changes_the_digest_and_not_the_count() -> None:
    older = parse_sbom(shared("sboms/cyclonedx-proton-bridge-1.6.3.json"))
    newer = parse_sbom(shared("sboms/cyclonedx-proton-bridge-1.8.0.json"))
    assert older.component_count == newer.component_count
    assert older.digest != newer.digest


@pytest.mark.parametrize(
    ("name", "field", "words"),
    [
        ("broken/cyclonedx-wrong-types.json", "", "invalidField"),
        ("broken/cyclonedx-truncated.json", "", "not JSON"),
        ("broken/cyclonedx-bad-licence-expression.json", "/components/0/licenses/0/expression", r"\(invalid"),
        ("cyclonedx-vex-cisa-case-2.json", "/components", "not an SBOM"),
    ],
)
def test_real_documents_that_are_no_sbom_are_refused(name: str, field: str, words: str) -> None:
    with pytest.raises(EvidenceInvalid, match=words) as refused:
        parse_sbom(shared(f"sboms/{name}"))
    assert refused.value.field == field


def test_a_scan_report_is_no_sbom_and_the_sentence_names_the_formats() -> None:
    documents: list[Any] = [{"matches": []}, [], 5, {"bomFormat": "Other"}]
    for document in documents:
        assert "CycloneDX JSON 1.2 to 1.7 and SPDX JSON 2.2 and 2.3" in refusal(document).sentence


def test_the_sentence_about_versions_is_true() -> None:
    assert supported_versions() == ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")


def test_the_declared_format_must_be_the_real_one() -> None:
    assert "declared as spdx and is cyclonedx" in refusal(SBOM, kind=SbomFormat.SPDX).sentence
    assert "declared as cyclonedx and is spdx" in refusal(SPDX, kind=SbomFormat.CYCLONEDX).sentence


@pytest.mark.parametrize("version", ["1.0", "1.1", "9.9", None, 1.4, ["1.4"], {}])
def test_a_version_without_a_schema_is_refused(version: Any) -> None:
    assert refusal(SBOM | {"specVersion": version}).field == "/specVersion"
    assert refusal(SPDX | {"spdxVersion": version}).field == "/spdxVersion"


def test_a_violation_is_named_by_its_place() -> None:
    document = copy.deepcopy(SBOM)
    document["components"].append({"type": "library"})
    assert refusal(document).field == "/components/1"
    assert "name" in refusal(document).sentence


def test_components_are_counted_at_every_depth() -> None:
    component: dict[str, Any] = {"type": "library", "name": "x"}
    for _ in range(100):
        component = {"type": "library", "name": "x", "components": [component, {"type": "file", "name": "y"}]}
    assert parse_sbom(as_bytes(SBOM | {"components": [component]})).component_count == 201


def test_an_application_without_dependencies_is_an_sbom_and_nothing_at_all_is_none() -> None:
    described = {"metadata": {"component": {"type": "application", "name": "a"}}}
    alone = {key: value for key, value in SBOM.items() if key != "components"}
    assert parse_sbom(as_bytes(alone | described)).component_count == 0
    assert refusal(alone).field == "/components"
    assert refusal(alone | described | {"vulnerabilities": [{"id": "CVE-1"}]}).field == "/components"


def test_licences_are_identifiers_names_and_expressions() -> None:
    licences = [
        [{"license": {"id": "MIT"}}, {"license": {"name": "Our\n own  licence"}}],
        [{"expression": "Apache-2.0 WITH LLVM-exception OR LicenseRef-ours"}],
        [{"license": {"name": "x" * 2000}}],
    ]
    components = [{"type": "library", "name": "c", "licenses": entry} for entry in licences]
    read = parse_sbom(as_bytes(SBOM | {"components": components})).licences
    assert read[:3] == ("Apache-2.0 WITH LLVM-exception OR LicenseRef-ours", "MIT", "Our own licence")
    assert (len(read), len(read[3])) == (4, 512)


@pytest.mark.parametrize("expression", ["(MIT", "MIT AND", "MIT OR OR ISC", "(" * 5000, "GPL/MIT"])
def test_a_licence_expression_that_cannot_be_read_is_reported(expression: str) -> None:
    component = {"type": "library", "name": "c", "licenses": [{"expression": expression}]}
    assert refusal(SBOM | {"components": [component]}).field == "/components/0/licenses/0/expression"
    package = {"SPDXID": "SPDXRef-a", "name": "a", "licenseConcluded": expression}
    assert refusal(SPDX | {"packages": [package]}).field == "/packages/0/licenseConcluded"


def test_spdx_packages_are_counted_and_asserted_licences_kept() -> None:
    summary = parse_sbom(as_bytes(SPDX))
    assert (summary.component_count, summary.licences) == (2, ("MIT OR Apache-2.0",))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"packages": []}, "/packages"),
        ({"packages": None}, "/packages"),
        ({"packages": [{"name": "a"}]}, "/packages/0/SPDXID"),
        ({"packages": [SPDX["packages"][0], SPDX["packages"][0]]}, "/packages/1/SPDXID"),
        ({"packages": [SPDX["packages"][0] | {"licenseDeclared": 5}]}, "/packages/0/licenseDeclared"),
        ({"creationInfo": {}}, "/creationInfo/created"),
        ({"name": ""}, "/name"),
    ],
)
def test_a_malformed_spdx_document_is_refused_with_its_place(changes: dict[str, Any], field: str) -> None:
    assert refusal(SPDX | changes).field == field


_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab\x00\ud800€", max_size=3)
_ANY = (
    _SCALAR | st.lists(_SCALAR, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "x"]), _SCALAR, max_size=2)
)


@given(base=st.sampled_from([SBOM, SPDX]), value=_ANY, data=st.data())
def test_no_damaged_document_crashes_the_parser(base: dict[str, Any], value: Any, data: st.DataObject) -> None:
    """Any one place of a good document replaced by anything: a summary or ``EvidenceInvalid``, nothing else."""
    document = copy.deepcopy(base)
    here: Any = document
    while True:
        places = list(here) if isinstance(here, dict) else list(range(len(here)))
        place = data.draw(st.sampled_from(places))
        if isinstance(here[place], dict | list) and here[place] and data.draw(st.booleans()):
            here = here[place]
            continue
        here[place] = value
        break
    with contextlib.suppress(EvidenceInvalid):
        parse_sbom(json.dumps(document).encode())
