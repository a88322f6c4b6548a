"""Documents that facts cite by digest: risk assessments are derived again, evidence packs hashed again.

Documents come after the events that cite them; what is not seen yet is kept as a claim, a few hundred bytes each.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from eucora.audit.lines import ASSESSMENT, PACK, RISK_MODEL
from eucora.audit.report import Problem
from eucora.domain.errors import EucoraError
from eucora.domain.facts import EvidenceResealed, EvidenceSealed, RiskAssessed
from eucora.domain.risk import RiskModel, parse_model, rederive
from eucora.evidence.canonical import digest
from eucora.evidence.pack import RELEASE_SECTIONS
from models.messages.codec import assessment_from_json, assessment_to_json

__all__ = ["Documents"]

Citing = RiskAssessed | EvidenceSealed | EvidenceResealed


@dataclass(frozen=True, slots=True)
class _Claim:
    stream: str
    sequence: int
    fact: Citing
    submitter: str

    def problem(self, why: str) -> Problem:
        return Problem(stream=self.stream, sequence=self.sequence, type=self.fact.type, why=why)


class Documents:
    """Claims of facts about documents, and the documents as they come."""

    def __init__(self) -> None:
        self.assessments = 0
        self.packs = 0
        self._open: dict[tuple[str, str], list[_Claim]] = defaultdict(list)
        self._models: dict[str, RiskModel] = {}
        self._release_digests: dict[str, str] = {}
        self._judged: dict[str, str] = {}

    def cite(self, stream: str, sequence: int, fact: Citing, *, submitter: str) -> None:
        """Remember that a fact cites a document; ``submitter`` is the plan's requester."""
        key = (ASSESSMENT, fact.assessment_digest) if isinstance(fact, RiskAssessed) else (PACK, fact.pack_digest)
        self._open[key].append(_Claim(stream, sequence, fact, submitter))

    def read(self, kind: str, expected: str, document: Any) -> Problem | None:
        """Take a document and settle the claims about it. Raises ``ValueError`` for a kind that does not exist."""
        actual = digest(document)
        if actual != expected:
            return self._of(kind, expected, f"the {kind} {expected} has the digest {actual}")
        if kind == RISK_MODEL:
            return self._read_model(expected, document)
        if kind not in (ASSESSMENT, PACK):
            raise ValueError(f"{kind!r} is no kind of document")
        claims = self._open.pop((kind, expected), [])
        for claim in claims:
            if isinstance(claim.fact, RiskAssessed):
                why = self._assessed(claim.fact, document, claim.submitter)
                self.assessments += 1
            else:
                why = _sealed(claim.fact, document)
                self.packs += 1
            if why:
                return claim.problem(why)
        return None

    def missing(self) -> Problem | None:
        """The first fact whose document never came."""
        for (kind, expected), claims in self._open.items():
            if claims:
                return claims[0].problem(f"the {kind} {expected} that it cites is missing")
        return None

    def _of(self, kind: str, expected: str, why: str) -> Problem:
        claims = self._open.get((kind, expected))
        return claims[0].problem(why) if claims else Problem(stream="", sequence=0, type="", why=why)

    def _read_model(self, expected: str, document: Any) -> Problem | None:
        try:
            self._models[expected] = parse_model(document)
        except EucoraError as error:
            why = f"the risk model {expected} cannot be read: {error.sentence}"
            return Problem(stream="", sequence=0, type="", why=why)
        return None

    def _assessed(self, fact: RiskAssessed, document: Any, submitter: str) -> str:
        """Why the fact does not follow from the assessment and its inputs; empty when it does."""
        model = self._models.get(fact.model_digest)
        if model is None:
            return f"the risk model {fact.model_digest} that it cites is missing"
        try:
            stored = assessment_from_json(document)
            derived = rederive(model, stored)
        except EucoraError as error:
            return f"the assessment does not derive again: {error.sentence}"
        except ValueError as error:
            return f"the assessment cannot be read: {error}"
        if assessment_to_json(derived) != assessment_to_json(stored):
            return "the assessment does not derive again from its inputs"
        inputs = assessment_to_json(stored)["inputs"]
        for name, said, found in (
            ("score", fact.score, stored.score),
            ("raw score", fact.raw_score, stored.raw_score),
            ("model", fact.model, stored.model_id),
            ("model version", fact.model_version, stored.model_version),
            ("inputs' digest", fact.inputs_digest, digest(inputs)),
            ("submitter", submitter, stored.submitter),
        ):
            if said != found:
                return f"the {name} is {said}, the assessment has {found}"
        return ""


def _sealed(fact: EvidenceSealed | EvidenceResealed, document: Any) -> str:
    """Why the fact does not follow from the pack; empty when it does."""
    if not isinstance(document, dict) or not all(name in document for name in RELEASE_SECTIONS):
        return "the pack lacks a section that its release digest covers"
    release = digest({name: document[name] for name in RELEASE_SECTIONS})
    return "" if release == fact.release_digest else f"the pack has the release digest {release}"
