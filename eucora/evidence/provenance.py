"""Provenance statements: in-toto Statement v1 with a SLSA provenance predicate, about one artifact.

Levels: ``verified`` when a signer we know by name signed the statement, ``weak`` when the statement is there without
such a signature, ``uncertain`` when there is none. What a client merely writes in the draft proves nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from eucora.evidence.document import LooseModel, Word, load_json, parse
from eucora.evidence.errors import EvidenceInvalid
from eucora.ports.signer import Sha256

__all__ = ["builder_of"]

_WHAT = "provenance statement"


class _Subject(LooseModel):
    digest: dict[str, str]


class _Builder(LooseModel):
    id: Word


class _RunDetails(LooseModel):
    builder: _Builder


class _Predicate(LooseModel):
    run_details: Annotated[_RunDetails, Field(alias="runDetails")]


class _Statement(LooseModel):
    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    predicate_type: Annotated[Literal["https://slsa.dev/provenance/v1"], Field(alias="predicateType")]
    subject: list[_Subject]
    predicate: _Predicate


def builder_of(data: bytes, *, artifact_sha256: Sha256) -> str:
    """Who built the artifact of that SHA-256 (hex), by the statement in ``data``.

    Raises ``EvidenceInvalid`` when it is no such statement or is about other artifacts.
    """
    statement = parse(_Statement, load_json(data, what=_WHAT), what=_WHAT)
    if not any(subject.digest.get("sha256") == artifact_sha256 for subject in statement.subject):
        raise EvidenceInvalid("/subject", "The provenance statement is about other artifacts than this one.")
    return statement.predicate.run_details.builder.id
