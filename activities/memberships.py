"""Frozen memberships by digest, the last ones kept in memory: an observer reads the same list every poll."""

from __future__ import annotations

import json
from collections import OrderedDict

from eucora.domain.rings import Member
from eucora.domain.vocabulary import SiteClass
from eucora.evidence.canonical import canonical_json
from eucora.ports.blobs import BlobStore

KEPT_DEVICES = 500_000
"""Entries of all lists kept together, some 100 bytes each; the list in use is kept whatever its length."""


class Memberships:
    """Stores lists of members as canonical JSON in the content-addressed store."""

    def __init__(self, blobs: BlobStore, *, kept: int = KEPT_DEVICES) -> None:
        self._blobs = blobs
        self._kept = kept
        self._known: OrderedDict[str, dict[str, SiteClass]] = OrderedDict()

    async def store(self, members: tuple[Member, ...]) -> str:
        """Store a list and return its digest."""
        document = [
            {
                "device_id": member.device_id,
                "name": member.name,
                "site": member.site,
                "site_class": member.site_class.value,
                "why": member.why,
            }
            for member in members
        ]
        stored = await self._blobs.put_bytes(canonical_json(document))
        return stored.sha256

    async def load(self, digest: str) -> dict[str, SiteClass]:
        """Return device id -> site class, in the order of device ids. Raises ``NotFound`` or ``BlobCorrupt``."""
        known = self._known.get(digest)
        if known is None:
            document = json.loads(await self._blobs.get_bytes(digest))
            known = {entry["device_id"]: SiteClass(entry["site_class"]) for entry in document}
            self._known[digest] = known
            while len(self._known) > 1 and sum(map(len, self._known.values())) > self._kept:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(digest)
        return known
