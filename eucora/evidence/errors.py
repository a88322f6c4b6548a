"""Errors of evidence.

InvalidInput
├── EvidenceInvalid      a document or a field is wrong: mend it; ``field`` names the place
├── EvidenceIncomplete   fields are missing: ``missing`` names all of them
└── NotCanonicalJson     the value has no canonical JSON (RFC 8785)
EucoraError
└── EvidenceTampered     what is stored is not what was sealed: stop, and find out who changed it
"""

from __future__ import annotations

from collections.abc import Sequence

from eucora.domain.errors import EucoraError, InvalidInput

__all__ = ["EvidenceIncomplete", "EvidenceInvalid", "EvidenceTampered", "NotCanonicalJson"]


class EvidenceInvalid(InvalidInput):
    """A document or a field of the evidence is wrong.

    ``field`` is a dotted name of the draft (``artifact.sha256``), for a place inside a document followed by a JSON
    pointer as a fragment (``sbom.sha256#/components/3/name``, RFC 6901); from a parser alone it is just the pointer
    (``""`` is the whole document).
    """

    code = "evidence_invalid"

    def __init__(self, field: str, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence, code=code, field=field)

    def inside(self, field: str, *, code: str) -> EvidenceInvalid:
        """The same error, of a document that the draft's ``field`` refers to."""
        return EvidenceInvalid(f"{field}#{self.field}" if self.field else field, self.sentence, code=code)


class EvidenceIncomplete(InvalidInput):
    """Fields are missing; ``missing`` holds their dotted names and ``field`` the first one."""

    code = "evidence_incomplete"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"The evidence is incomplete; missing: {', '.join(missing)}.", field=missing[0])
        self.missing = tuple(missing)


class NotCanonicalJson(InvalidInput):
    """The value holds something that JSON or RFC 8785 does not know: NaN, an integer over 2**53, a lone surrogate."""

    code = "not_canonical_json"


class EvidenceTampered(EucoraError):
    """A stored evidence pack does not have the digest it is known by."""

    code = "evidence_tampered"

    def __init__(self, *, expected: str, actual: str) -> None:
        super().__init__(f"The evidence pack stored as {expected} now has the digest {actual}; do not use it.")
        self.expected = expected
        self.actual = actual
