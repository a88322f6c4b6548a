"""Sealed documents on Postgres: evidence packs and risk assessments, write-once and checked on every read."""

from __future__ import annotations

from typing import Any, cast

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from eucora.domain.errors import Conflict, InvalidInput, NotFound
from eucora.domain.plan import Scope
from eucora.evidence.canonical import canonical_json, digest, sha256_hex
from eucora.evidence.errors import EvidenceTampered
from eucora.ports.packs import PackDocument
from eucora.store.engine import Database

__all__ = ["PostgresAssessments", "PostgresPacks", "checked"]

_STORE_PACK = """
INSERT INTO evidence_pack (pack_digest, tenant, pack_id, version, release_digest, author, business_unit,
    acquisition_boundary, site, document)
VALUES (%(pack_digest)s, %(tenant)s, %(pack_id)s, %(version)s, %(release_digest)s, %(author)s, %(business_unit)s,
    %(acquisition_boundary)s, %(site)s, %(document)s)
ON CONFLICT (pack_digest) DO NOTHING
"""
_LOAD_PACK = "SELECT * FROM evidence_pack WHERE pack_digest = %s"
_STORE_ASSESSMENT = """
INSERT INTO risk_assessment (assessment_digest, tenant, document) VALUES (%s, %s, %s)
ON CONFLICT (assessment_digest) DO NOTHING
"""


class PostgresPacks:
    """``eucora.ports.packs.Packs`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, pack: PackDocument) -> None:
        row = {
            "pack_digest": pack.pack_digest,
            "tenant": pack.scope.tenant,
            "pack_id": pack.pack_id,
            "version": pack.version,
            "release_digest": pack.release_digest,
            "author": pack.author,
            "business_unit": pack.scope.business_unit,
            "acquisition_boundary": pack.scope.acquisition_boundary,
            "site": pack.scope.site,
            "document": _sealed(pack.document, pack.pack_digest),
        }
        try:
            async with self._database.driver() as connection:
                await connection.execute(_STORE_PACK, row)
        except UniqueViolation as error:
            sentence = f"Version {pack.version} of pack {pack.pack_id} is another document; seal the next version."
            raise Conflict(sentence, code="pack_version_taken", field="version") from error

    async def load(self, pack_digest: str) -> PackDocument:
        async with self._database.driver() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_LOAD_PACK, [pack_digest])
            found = await cursor.fetchone()
        if found is None:
            raise NotFound(
                f"No evidence pack has the digest {pack_digest}.", code="pack_not_found", field="pack_digest"
            )
        return PackDocument(
            pack_id=found["pack_id"],
            version=found["version"],
            pack_digest=pack_digest,
            release_digest=found["release_digest"],
            author=found["author"],
            scope=Scope(
                tenant=found["tenant"],
                business_unit=found["business_unit"],
                acquisition_boundary=found["acquisition_boundary"],
                site=found["site"],
            ),
            document=checked(found["document"], pack_digest),
            created_at=found["created_at"],
        )


class PostgresAssessments:
    """``eucora.ports.packs.Assessments`` on Postgres."""

    def __init__(self, database: Database, *, tenant: str = "default") -> None:
        self._database = database
        self._tenant = tenant

    async def store(self, assessment_digest: str, document: dict[str, Any]) -> None:
        text = _sealed(document, assessment_digest)
        async with self._database.driver() as connection:
            await connection.execute(_STORE_ASSESSMENT, [assessment_digest, self._tenant, text])

    async def load(self, assessment_digest: str) -> dict[str, Any]:
        query = "SELECT document FROM risk_assessment WHERE assessment_digest = %s"
        async with self._database.driver() as connection:
            found = await (await connection.execute(query, [assessment_digest])).fetchone()
        if found is None:
            sentence = f"No risk assessment has the digest {assessment_digest}."
            raise NotFound(sentence, code="assessment_not_found", field="assessment_digest")
        return checked(found[0], assessment_digest)


def checked(document: object, expected: str) -> dict[str, Any]:
    """A stored document if it still has its digest. Raises ``EvidenceTampered``."""
    actual = digest(document)
    if actual != expected or not isinstance(document, dict):
        raise EvidenceTampered(expected=expected, actual=actual)
    return cast("dict[str, Any]", document)


def _sealed(document: dict[str, Any], expected: str) -> str:
    """The canonical text of a document that has its digest. Raises ``InvalidInput`` (``digest_mismatch``)."""
    text = canonical_json(document)
    actual = sha256_hex(text)
    if actual != expected:
        sentence = f"The document has the digest {actual}, not {expected}."
        raise InvalidInput(sentence, code="digest_mismatch", field="digest")
    return text.decode()
