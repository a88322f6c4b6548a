"""Validation against CycloneDX's published JSON schemas.

The schemas are those that ``cyclonedx-python-lib`` ships (strict ones: unknown fields are refused). They are checked by
``jsonschema_rs``, without formats, and not by that library's own validator: with the format checks of its extra, an
everyday SBOM of 140 KB with 62 components takes it over five seconds (every link goes through a grammar for IRIs), by
which one upload could stop the API. Nothing is fetched: references resolve inside the registry or fail.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from cyclonedx.schema import _res as schema_files

from eucora.evidence.document import pointer

__all__ = ["first_violation", "supported_versions"]

_PREFIX = "http://cyclonedx.org/schema/"
_REFERENCED = {
    "spdx.SNAPSHOT.schema.json": schema_files.SPDX_JSON,
    "jsf-0.82.SNAPSHOT.schema.json": schema_files.JSF,
    "cryptography-defs.SNAPSHOT.schema.json": schema_files.CRYPTOGRAPHY_DEFS,
}
_LONGEST_REASON = 200


@cache
def supported_versions() -> tuple[str, ...]:
    """The CycloneDX versions with a JSON schema, oldest first (1.2 is the first with one)."""
    return tuple(sorted(version.to_version() for version, path in schema_files.BOM_JSON_STRICT.items() if path))


def first_violation(document: Any, version: str) -> tuple[str, str] | None:
    """JSON pointer and reason of the first place that violates the schema of ``version``; None when none does."""
    # The first by position, so that one document always gives one answer.
    errors = sorted(
        _validator(version).iter_errors(document), key=lambda error: [str(part) for part in error.instance_path]
    )
    if not errors:
        return None
    reason = errors[0].message
    if len(reason) > _LONGEST_REASON:
        reason = reason[: _LONGEST_REASON - 1] + "…"
    return pointer(errors[0].instance_path), reason


@cache
def _validator(version: str) -> jsonschema_rs.Draft7Validator:
    resources = [(_PREFIX + name, _load(path)) for name, path in _REFERENCED.items()]
    registry = jsonschema_rs.Registry(resources, draft=jsonschema_rs.Draft7)
    path = next(path for known, path in schema_files.BOM_JSON_STRICT.items() if path and known.to_version() == version)
    return jsonschema_rs.Draft7Validator(_load(path), validate_formats=False, registry=registry, offline=True)


def _load(path: str) -> Any:
    return json.loads(Path(path).read_text("utf-8"))
