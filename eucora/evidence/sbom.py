"""Software bills of materials: read, validated and summed up; never believed as a number (domain.md §3).

Formats: CycloneDX JSON 1.2 to 1.7, validated against its published schema, and SPDX JSON 2.2 and 2.3.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from license_expression import ExpressionError, Licensing  # type: ignore[import-untyped]  # it ships no types
from pydantic import BaseModel, ConfigDict

from eucora.evidence.canonical import sha256_hex
from eucora.evidence.cyclonedx_schema import first_violation, supported_versions
from eucora.evidence.document import LooseModel, Word, excerpt, load_json, one_line, parse, pointer
from eucora.evidence.errors import EvidenceInvalid

__all__ = ["SbomFormat", "SbomSummary", "parse_sbom"]

_WHAT = "SBOM"
_SUPPORTED = "supported are CycloneDX JSON 1.2 to 1.7 and SPDX JSON 2.2 and 2.3"
_SPDX_VERSIONS = ("SPDX-2.2", "SPDX-2.3")
_NO_LICENCE = frozenset({"NOASSERTION", "NONE", ""})
_LONGEST_LICENCE = 512


class SbomFormat(StrEnum):
    """Formats of SBOM that are read."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


class SbomSummary(BaseModel):
    """What an SBOM says, counted by us.

    ``component_count`` counts CycloneDX components at every depth, or SPDX packages; ``licences`` are the distinct SPDX
    identifiers, expressions or names, sorted; ``digest`` is the SHA-256 (hex) of the document's bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: SbomFormat
    spec_version: str
    component_count: int
    licences: tuple[str, ...]
    digest: str


def parse_sbom(data: bytes, *, kind: SbomFormat | None = None) -> SbomSummary:
    """The summary of the SBOM in ``data``; ``kind`` is the format it is said to have.

    Raises ``EvidenceInvalid``: not JSON, an unknown format or version, another format than ``kind``, a schema
    violation, a licence expression that cannot be read, or a document without components.
    """
    document = load_json(data, what=_WHAT)
    found = _format(document)
    if kind is not None and kind != found:
        raise EvidenceInvalid("", f"The SBOM is declared as {kind} and is {found}.")
    reader = _cyclonedx if found is SbomFormat.CYCLONEDX else _spdx
    version, count, licences = reader(document)
    return SbomSummary(
        format=found,
        spec_version=version,
        component_count=count,
        licences=tuple(sorted(licences)),
        digest=sha256_hex(data),
    )


def _format(document: Any) -> SbomFormat:
    if isinstance(document, dict):
        if document.get("bomFormat") == "CycloneDX":
            return SbomFormat.CYCLONEDX
        if "spdxVersion" in document:
            return SbomFormat.SPDX
    raise EvidenceInvalid("", f"The document is not an SBOM in a known format; {_SUPPORTED}.")


def _cyclonedx(document: dict[str, Any]) -> tuple[str, int, set[str]]:
    version = document.get("specVersion")
    if version not in supported_versions():
        raise EvidenceInvalid("/specVersion", f"CycloneDX {excerpt(version)} is not supported; {_SUPPORTED}.")
    try:
        violation = first_violation(document, version)
    except ValueError as error:  # a number beyond any type, or nesting beyond the validator's limit
        raise EvidenceInvalid("", f"The SBOM cannot be validated: {error}.") from error
    if violation is not None:
        place, reason = violation
        raise EvidenceInvalid(
            place, f"The SBOM violates the schema of CycloneDX {version} at {place or 'its top'}: {reason}."
        )
    components = _components(document)
    if not components and (document.get("vulnerabilities") or not document.get("metadata", {}).get("component")):
        raise EvidenceInvalid("/components", "The CycloneDX document lists no components: it is not an SBOM.")
    licences = {
        licence
        for path, component in components
        for licence in _cyclonedx_licences((*path, "licenses"), component.get("licenses", []))
    }
    return version, len(components), licences


def _components(document: dict[str, Any]) -> list[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """All components with their paths, those inside others too; a work list, since they nest without limit."""
    found: list[tuple[tuple[str | int, ...], dict[str, Any]]] = []
    waiting: list[tuple[tuple[str | int, ...], dict[str, Any]]] = [((), document)]
    while waiting:
        path, parent = waiting.pop()
        for index, child in enumerate(parent.get("components", [])):
            entry = ((*path, "components", index), child)
            found.append(entry)
            waiting.append(entry)
    return found


def _cyclonedx_licences(path: tuple[str | int, ...], choices: list[dict[str, Any]]) -> set[str]:
    licences: set[str] = set()
    for index, choice in enumerate(choices):
        if "expression" in choice:
            licences.add(_expression(choice["expression"], (*path, index, "expression")))
        else:
            licence = choice.get("license", {})
            key = "id" if "id" in licence else "name"
            licences.add(_clean(licence.get(key, "")))
    return licences - _NO_LICENCE


class _SpdxPackage(LooseModel):
    SPDXID: Word
    name: Word
    licenseConcluded: str = "NOASSERTION"  # noqa: N815 - the format's own names
    licenseDeclared: str = "NOASSERTION"  # noqa: N815


class _SpdxCreation(LooseModel):
    created: Word
    creators: list[Word]


class _SpdxDocument(LooseModel):
    SPDXID: Word
    name: Word
    dataLicense: Word  # noqa: N815
    creationInfo: _SpdxCreation  # noqa: N815
    documentNamespace: Word  # noqa: N815
    packages: list[_SpdxPackage]


def _spdx(document: dict[str, Any]) -> tuple[str, int, set[str]]:
    # Read by shapes of our own: spdx-tools 0.8.5 refuses what Syft and others write (fractions of seconds, files
    # without checksums), of which nothing matters here.
    version = document["spdxVersion"]
    if version not in _SPDX_VERSIONS:
        raise EvidenceInvalid("/spdxVersion", f"SPDX version {excerpt(version)} is not supported; {_SUPPORTED}.")
    read = parse(_SpdxDocument, document, what=_WHAT)
    if not read.packages:
        raise EvidenceInvalid("/packages", "The SPDX document lists no packages: it is not an SBOM.")
    licences: set[str] = set()
    identifiers: set[str] = set()
    for index, package in enumerate(read.packages):
        if package.SPDXID in identifiers:
            place = pointer(("packages", index, "SPDXID"))
            raise EvidenceInvalid(place, f"The SPDX identifier {excerpt(package.SPDXID)} stands twice in the SBOM.")
        identifiers.add(package.SPDXID)
        for field, text in (
            ("licenseConcluded", package.licenseConcluded),
            ("licenseDeclared", package.licenseDeclared),
        ):
            if text not in _NO_LICENCE:
                licences.add(_expression(text, ("packages", index, field)))
    return version.removeprefix("SPDX-"), len(read.packages), licences


# Without the list of known licences: syntax only. LicenseRef-… and retired identifiers are legitimate.
_LICENSING = Licensing()


def _expression(text: str, path: tuple[str | int, ...]) -> str:
    licence = _clean(text)
    try:
        _LICENSING.parse(licence)
    except (ExpressionError, RecursionError):
        place = pointer(path)
        sentence = (
            f"The licence expression {excerpt(text)} at {place} cannot be read; see the SPDX licence expressions."
        )
        raise EvidenceInvalid(place, sentence) from None
    return licence


def _clean(text: str) -> str:
    """One line of at most 512 characters; a whole licence text pasted as a name is cut, and ends in an ellipsis."""
    licence = one_line(text)
    return licence if len(licence) <= _LONGEST_LICENCE else licence[: _LONGEST_LICENCE - 1] + "…"
