"""Ring membership: which devices a ring takes, each with a why (``domain.md`` §6). Deterministic and replayable.

A cohort that takes a number of devices from a group takes those with the lowest rank, and the rank of a device is the
SHA-256 of application and device id: the same devices whenever it is asked, spread evenly over sites, and not the
same ones for every application. A device that an earlier ring of the deployment took is never taken again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha256

from eucora.domain.devices import Device
from eucora.domain.errors import InvalidInput
from eucora.domain.plan import Cohort
from eucora.domain.vocabulary import SiteClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A device in a frozen membership, and why it is there."""

    device_id: str
    name: str
    site: str
    site_class: SiteClass
    why: str


class CohortEmpty(InvalidInput):
    """The cohort resolves to no device: an empty target never means everyone."""

    code = "cohort_empty"


def rank(application_id: str, device_id: str) -> str:
    """Return the device's rank among its peers for this application."""
    return sha256(f"{application_id}\n{device_id}".encode()).hexdigest()


def select(
    cohort: Cohort,
    candidates: Iterable[Device],
    *,
    application_id: str,
    taken: AbstractSet[str],
    field: str,
) -> tuple[Member, ...]:
    """Choose a ring's members on one plane from the group's devices or the devices named, by device id.

    ``taken`` are ids of devices in earlier rings. A device that an inventory lists twice is one member, and where
    devices are named no other is taken. Raises ``CohortEmpty`` with ``field`` when nothing is left.
    """
    known = {device.id: device for device in candidates if device.id not in taken}
    free = [known[device_id] for device_id in sorted(known)]
    if cohort.devices:
        chosen: Sequence[Device] = [device for device in free if device.id in cohort.devices]
        why = "named in the plan"
    elif cohort.take is None:
        chosen = free
        why = f"member of {cohort.group}, in no earlier ring"
    else:
        ranked = sorted(free, key=lambda device: rank(application_id, device.id))[: cohort.take]
        chosen = sorted(ranked, key=lambda device: device.id)
        why = f"among the first {cohort.take} of {cohort.group} by rank, in no earlier ring"
    if not chosen:
        source = f"group {cohort.group!r}" if cohort.group else "the devices named"
        sentence = f"{source} leaves no device for this ring: name another group or fewer devices in earlier rings"
        raise CohortEmpty(sentence, field=field)
    return tuple(
        Member(device_id=device.id, name=device.name, site=device.site, site_class=device.site_class, why=why)
        for device in chosen
    )
