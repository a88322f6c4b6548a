"""Evidence: upload artifacts and documents, seal packs, look at them, download."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse

from api.deps import Allows, IdempotencyKey, ServicesDep
from api.evidence import SealedPack, get_pack, seal_pack
from api.services import Services
from eucora.domain.errors import InvalidInput
from eucora.evidence.assembly import DOCUMENT_LIMIT
from eucora.evidence.draft import EvidenceDraft
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from eucora.ports.blobs import StoredBlob
from models.wire.evidence import BlockerView, PackView, UploadView

router = APIRouter(prefix="/evidence", tags=["evidence"])

Author = Annotated[Principal, Depends(Allows(Permission.EVIDENCE_CREATE))]
Reader = Annotated[Principal, Depends(Allows(Permission.EVIDENCE_READ))]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in lower-case hexadecimal")]
BYTES = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


@router.post("/artifacts", status_code=201, summary="Upload an artifact as it is", openapi_extra=BYTES)
async def upload_artifact(request: Request, _caller: Author, services: ServicesDep) -> UploadView:
    return _upload(await _store(services, request, limit=services.settings.artifact_size_limit_bytes))


@router.put(
    "/artifacts/{sha256}",
    status_code=201,
    summary="Upload an artifact that must have this SHA-256",
    openapi_extra=BYTES,
)
async def upload_artifact_as(sha256: Digest, request: Request, _caller: Author, services: ServicesDep) -> UploadView:
    stored = await _store(services, request, limit=services.settings.artifact_size_limit_bytes)
    return _upload(_same(stored, sha256))


@router.get(
    "/artifacts/{sha256}",
    summary="Download an artifact",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def download_artifact(sha256: Digest, _caller: Reader, services: ServicesDep) -> Response:
    return await _download(services, sha256)


@router.post("/documents", status_code=201, summary="Upload an SBOM, scan report or statement", openapi_extra=BYTES)
async def upload_document(request: Request, _caller: Author, services: ServicesDep) -> UploadView:
    return _upload(await _store(services, request, limit=DOCUMENT_LIMIT))


@router.put(
    "/documents/{sha256}", status_code=201, summary="Upload a document that must have this SHA-256", openapi_extra=BYTES
)
async def upload_document_as(sha256: Digest, request: Request, _caller: Author, services: ServicesDep) -> UploadView:
    return _upload(_same(await _store(services, request, limit=DOCUMENT_LIMIT), sha256))


@router.get(
    "/documents/{sha256}",
    summary="Download an SBOM, scan report or statement",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def download_document(sha256: Digest, _caller: Reader, services: ServicesDep) -> Response:
    return await _download(services, sha256)


@router.post("", status_code=201, summary="Seal an evidence pack from what was uploaded")
async def create(
    body: EvidenceDraft, response: Response, caller: Author, services: ServicesDep, key: IdempotencyKey
) -> PackView:
    sealed = await seal_pack(services, body, caller=caller, key=key)
    response.headers["Location"] = f"/api/v1/evidence/{sealed.pack_digest}"
    return _view(sealed)


@router.get("/{pack_digest}", summary="A sealed evidence pack")
async def get(pack_digest: Digest, caller: Reader, services: ServicesDep) -> PackView:
    return _view(await get_pack(services, pack_digest, caller=caller))


async def _store(services: Services, request: Request, *, limit: int) -> StoredBlob:
    return await services.blobs.put(_chunks(request), limit=limit)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


def _same(stored: StoredBlob, sha256: str) -> StoredBlob:
    if stored.sha256 != sha256:
        sentence = (
            f"What was uploaded has the SHA-256 {stored.sha256}, not {sha256}: it is another file, or was damaged."
        )
        raise InvalidInput(sentence, code="artifact_sha256_differs", field="sha256")
    return stored


async def _download(services: Services, sha256: str) -> Response:
    size = await services.blobs.size(sha256)
    return StreamingResponse(
        services.blobs.open(sha256),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(size),
            "ETag": f'"{sha256}"',
            "Content-Disposition": f"attachment; filename={sha256}",
        },
    )


def _upload(stored: StoredBlob) -> UploadView:
    return UploadView(sha256=stored.sha256, size=stored.size)


def _view(sealed: SealedPack) -> PackView:
    return PackView(
        pack_digest=sealed.pack_digest,
        release_digest=sealed.pack.release_digest,
        version=sealed.pack.metadata.pack_version,
        author=sealed.pack.metadata.author,
        blockers=[BlockerView(code=one.code, field=one.field, detail=one.sentence) for one in sealed.blockers],
        pack=sealed.pack.model_dump(mode="json", exclude_none=True),
    )
