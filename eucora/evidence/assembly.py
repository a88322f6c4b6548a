"""Assembling a pack from a draft and the store of blobs: what can be checked is checked here, on the bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from eucora.domain.risk.evidence import Provenance, Signing
from eucora.evidence.draft import EvidenceDraft
from eucora.evidence.errors import EvidenceInvalid
from eucora.evidence.pack import EvidencePack
from eucora.evidence.provenance import builder_of
from eucora.evidence.sbom import parse_sbom
from eucora.evidence.scans import parse_scan
from eucora.evidence.sealing import check_draft, seal
from eucora.evidence.sections import ArtifactProvenance, ArtifactSigning, ExceptionReference
from eucora.ports.blobs import BlobNotFound, BlobStore, BlobTooLarge
from eucora.ports.signer import ArtifactVerifier, DetachedSignature, SignatureInvalid, SignatureVerdict

__all__ = ["DOCUMENT_LIMIT", "assemble"]

DOCUMENT_LIMIT = 64 * 1024 * 1024
"""Largest SBOM, scan report or statement that is read, in bytes."""

_T = TypeVar("_T")


async def assemble(
    draft: EvidenceDraft,
    blobs: BlobStore,
    *,
    verifier: ArtifactVerifier,
    exceptions: Mapping[str, ExceptionReference],
    author: str,
    sealed_at: datetime,
) -> EvidencePack:
    """Check ``draft`` against what is stored, and seal it.

    The artifact is read in full and hashed again; its size and signature are checked; SBOM and scan report are
    parsed. The pack is not stored: that is for the caller. ``exceptions`` are approved exceptions by id.

    Raises:
        EvidenceIncomplete: fields are missing, all of them named.
        EvidenceInvalid: a field or document is wrong. Codes: ``artifact_unknown artifact_size_differs signature_invalid
            sbom_unknown sbom_invalid scan_unknown scan_invalid provenance_unknown provenance_invalid document_too_large
            exception_not_in_force version_malformed evidence_invalid``.
        BlobCorrupt: the store no longer holds what was uploaded.
    """
    check_draft(draft)
    artifact_sha256 = _given(draft.artifact.sha256)
    await _check_artifact(draft, artifact_sha256, blobs)
    signing = _signing(draft.artifact.signature, artifact_sha256, verifier)
    provenance = await _provenance(draft, artifact_sha256, blobs, verifier)
    sbom = await _document(
        blobs,
        _given(draft.sbom.sha256),
        field="sbom.sha256",
        name="sbom",
        read=partial(parse_sbom, kind=draft.sbom.kind),
    )
    scan = await _document(
        blobs,
        _given(draft.vulnerability_scan.sha256),
        field="vulnerability_scan.sha256",
        name="scan",
        read=partial(parse_scan, kind=draft.vulnerability_scan.kind),
    )
    return seal(
        draft,
        sbom=sbom,
        scan=scan,
        signing=signing,
        provenance=provenance,
        exceptions=exceptions,
        author=author,
        sealed_at=sealed_at,
    )


async def _check_artifact(draft: EvidenceDraft, sha256: str, blobs: BlobStore) -> None:
    size = 0
    try:
        async with contextlib.aclosing(blobs.open(sha256)) as chunks:
            async for chunk in chunks:
                size += len(chunk)
    except BlobNotFound as error:
        raise EvidenceInvalid("artifact.sha256", error.sentence, code="artifact_unknown") from error
    if size != draft.artifact.size:
        sentence = f"The stored artifact has {size} bytes, the draft says {draft.artifact.size}."
        raise EvidenceInvalid("artifact.size", sentence, code="artifact_size_differs")


def _signing(signature: DetachedSignature | None, sha256: str, verifier: ArtifactVerifier) -> ArtifactSigning:
    if signature is None:
        return ArtifactSigning(result=Signing.UNSIGNED)
    verdict = _verdict(signature, sha256, verifier, field="artifact.signature")
    return ArtifactSigning(result=verdict.signing, key_id=verdict.key_id, vendor=verdict.vendor, signature=signature)


async def _provenance(
    draft: EvidenceDraft, artifact_sha256: str, blobs: BlobStore, verifier: ArtifactVerifier
) -> ArtifactProvenance:
    said = draft.artifact.provenance
    level, builder = Provenance.UNCERTAIN, None
    if said.statement_sha256 is not None:
        builder = await _document(
            blobs,
            said.statement_sha256,
            field="artifact.provenance.statement_sha256",
            name="provenance",
            read=partial(builder_of, artifact_sha256=artifact_sha256),
        )
        level = Provenance.WEAK
        if said.statement_signature is not None:
            field = "artifact.provenance.statement_signature"
            verdict = _verdict(said.statement_signature, said.statement_sha256, verifier, field=field)
            if verdict.signing is Signing.SIGNED_KNOWN_VENDOR:
                level = Provenance.VERIFIED
    elif said.statement_signature is not None:
        sentence = "A signature over a provenance statement needs the statement; upload it and give its SHA-256."
        raise EvidenceInvalid("artifact.provenance.statement_sha256", sentence, code="provenance_invalid")
    return ArtifactProvenance(
        level=level,
        source=said.source or None,
        revision=said.revision or None,
        builder=builder,
        statement_sha256=said.statement_sha256,
    )


def _verdict(signature: DetachedSignature, sha256: str, verifier: ArtifactVerifier, *, field: str) -> SignatureVerdict:
    try:
        return verifier.verify(signature, artifact_sha256=sha256)
    except SignatureInvalid as error:
        place = f"{field}.{error.field}" if error.field else field
        raise EvidenceInvalid(place, error.sentence, code=error.code) from error


async def _document(blobs: BlobStore, sha256: str, *, field: str, name: str, read: Callable[[bytes], _T]) -> _T:
    """What ``read`` makes of the blob; errors name the draft's ``field`` and have codes that begin with ``name``."""
    try:
        data = await blobs.get_bytes(sha256, limit=DOCUMENT_LIMIT)
    except BlobNotFound as error:
        raise EvidenceInvalid(field, error.sentence, code=f"{name}_unknown") from error
    except BlobTooLarge as error:
        raise EvidenceInvalid(field, error.sentence, code="document_too_large") from error
    try:
        # In a thread: megabytes of JSON must not hold up everybody else's requests.
        return await asyncio.to_thread(read, data)
    except EvidenceInvalid as error:
        raise error.inside(field, code=f"{name}_invalid") from error


def _given(sha256: str | None) -> str:
    if sha256 is None:
        raise AssertionError("check_draft lets no draft without this field pass")
    return sha256
