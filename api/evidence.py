"""Sealing evidence packs: from an uploaded draft to a stored pack, the same one however often the request is
repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

import structlog

from api.idempotency import derived_id, request_digest
from api.plan_policy import check_statements, pack_facts
from api.services import Services
from eucora.domain.errors import NotFound
from eucora.evidence.assembly import assemble
from eucora.evidence.canonical import canonical_json
from eucora.evidence.draft import EvidenceDraft
from eucora.evidence.pack import Blocker, EvidencePack, blockers, read_pack
from eucora.identity.principal import Principal
from eucora.policy.library import DEFAULT_RISK_MODEL, shipped_risk_models
from eucora.ports.packs import PackDocument
from eucora.store import idempotency_queries

__all__ = ["SealedPack", "get_pack", "seal_pack"]

log = structlog.get_logger(__name__)

PATH = "/api/v1/evidence"
NOT_YET_SUBMITTED = "(nobody has submitted this yet)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPack:
    """A stored pack, its digest, and what stands against a deployment with it."""

    pack: EvidencePack
    pack_digest: str
    blockers: tuple[Blocker, ...]


async def seal_pack(services: Services, draft: EvidenceDraft, *, caller: Principal, key: str) -> SealedPack:
    """Check the draft against what was uploaded, seal it and store it; the caller becomes its author.

    The key is reserved once everything is checked, so that a draft that was refused can be mended under the same
    key. The time of the reservation is the time of sealing: repeating the request, or half of it, makes the same pack.

    Raises ``EvidenceIncomplete``, ``EvidenceInvalid``, ``InvalidInput`` (attestations), ``Conflict``
    (``idempotency_key_reused``), ``Unavailable``.
    """
    async with services.database.unit_of_work() as session:
        known = await idempotency_queries.find(session, caller=caller.actor, key=key)
    if known is not None:
        known = await _reserve(services, draft, caller=caller, key=key)  # refuses another body
        if known.response_status is not None:
            return await get_pack(services, known.response["pack_digest"], caller=caller)
    checked = await assemble(
        draft,
        services.blobs,
        verifier=services.verifier,
        exceptions={},
        author=caller.actor,
        sealed_at=services.clock(),
    )
    facts = pack_facts(checked, pack_digest=checked.pack_digest)
    model = shipped_risk_models()[DEFAULT_RISK_MODEL]
    check_statements(facts.attested, model, submitter=NOT_YET_SUBMITTED, field="attestations")
    reserved = known or await _reserve(services, draft, caller=caller, key=key)
    metadata = checked.metadata.model_copy(update={"sealed_at": reserved.created_at.astimezone(UTC)})
    pack = checked.model_copy(update={"metadata": metadata})
    await services.packs.store(
        PackDocument(
            pack_id=reserved.resource_id,
            version=pack.metadata.pack_version,
            pack_digest=pack.pack_digest,
            release_digest=pack.release_digest,
            author=caller.actor,
            scope=caller.scope,
            document=pack.model_dump(mode="json", exclude_none=True),
        )
    )
    async with services.database.unit_of_work() as session:
        await idempotency_queries.complete(
            session, caller=caller.actor, key=key, status=201, response={"pack_digest": pack.pack_digest}
        )
    log.info("evidence.sealed", pack_digest=pack.pack_digest, release_digest=pack.release_digest)
    return SealedPack(pack=pack, pack_digest=pack.pack_digest, blockers=tuple(blockers(pack)))


async def get_pack(services: Services, pack_digest: str, *, caller: Principal) -> SealedPack:
    """A stored pack. Raises ``NotFound`` (``pack_not_found``), also for one of another tenant, and
    ``EvidenceTampered``.
    """
    stored = await services.packs.load(pack_digest)
    if stored.scope.tenant != caller.scope.tenant:
        raise NotFound(f"No evidence pack has the digest {pack_digest}.", code="pack_not_found", field="pack_digest")
    pack = read_pack(canonical_json(stored.document), expected_digest=pack_digest)
    return SealedPack(pack=pack, pack_digest=pack_digest, blockers=tuple(blockers(pack)))


async def _reserve(
    services: Services, draft: EvidenceDraft, *, caller: Principal, key: str
) -> idempotency_queries.Existing:
    """Reserve the key, or find its reservation. Raises ``Conflict`` (``idempotency_key_reused``) for another body."""
    body = draft.model_dump(mode="json", exclude_defaults=True)
    async with services.database.unit_of_work() as session:
        await idempotency_queries.begin(
            session,
            caller=caller.actor,
            key=key,
            body_digest=request_digest("POST", PATH, body),
            resource_id=derived_id("pack", tenant=caller.scope.tenant, caller=caller.actor, key=key),
            tenant=caller.scope.tenant,
        )
        reserved = await idempotency_queries.find(session, caller=caller.actor, key=key)
    if reserved is None:
        raise AssertionError("the key was reserved in this transaction")
    return reserved
