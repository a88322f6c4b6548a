"""The devices of a simulated plane: who they are, where they stand, which groups hold them.

Everything follows from ``(seed, plane, count)``; nothing is stored. The formulas, with ``u(x)`` a uniform number in
[0, 1) drawn from BLAKE2b over the seed, the plane, a purpose and the device's index:

- id: ``<plane>-<index, six digits>``; ids sort as their indexes do.
- site class: ``u < .90`` online, ``< .98`` intermittent, else air_gapped.
- site: one of the class's sites, uniformly. Critical infrastructure: ``u < .002``, never a lab device.
- groups: devices ranked by ``u("rank")``; the first ``lab`` of them are the lab, the next ``canary`` the canary and
  so on, so the four named groups are disjoint and ``all`` holds everyone. Sizes for ``n`` devices: lab ``n/200``
  between 5 and 10, canary ``n/40`` up to 100, pilot ``n/4`` up to 1 000, department ``n/2`` up to 10 000, each at
  least 1 and never more than what is left.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

__all__ = ["GROUPS", "SITE_CLASSES", "Member", "Population", "group_sizes", "uniforms"]

GROUPS = ("lab", "canary", "pilot", "department", "all")
"""Names of the groups; a device's group code is an index into it, ``all`` (4) meaning: in no other."""
EVERYONE = len(GROUPS) - 1
SITE_CLASSES = ("online", "intermittent", "air_gapped")
"""Words of ``domain.md`` §6; a device's class code is an index into it."""

_SITES = (
    ("amsterdam", "austin", "bengaluru", "berlin", "chicago", "dublin", "lisbon", "osaka", "paris", "toronto"),
    ("vessel-aurora", "vessel-borealis", "mine-kiruna", "rig-tampen"),
    ("vault-zurich", "plant-4-control"),
)
_CRITICAL_SHARE = 0.002
_EIGHT = struct.Struct("<8Q")
_SCALE = 2.0**-53  # of the upper 53 bits: a float holds no more, and rounding must not reach 1


def uniforms(*parts: object) -> tuple[float, ...]:
    """Eight numbers in [0, 1), the same for the same parts in every process and on every platform."""
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=64).digest()
    return tuple((word >> 11) * _SCALE for word in _EIGHT.unpack(digest))


def group_sizes(count: int) -> tuple[int, int, int, int]:
    """Sizes of lab, canary, pilot and department among ``count`` devices; their sum never exceeds ``count``."""
    wanted = (
        min(10, max(5, count // 200)),
        min(100, max(1, count // 40)),
        min(1_000, max(1, count // 4)),
        min(10_000, max(1, count // 2)),
    )
    sizes: list[int] = []
    left = count
    for size in wanted:
        sizes.append(min(size, left))
        left -= sizes[-1]
    return sizes[0], sizes[1], sizes[2], sizes[3]


@dataclass(frozen=True, slots=True)
class Member:
    """One device as the plane's inventory shows it."""

    id: str
    name: str
    site: str
    site_class: str
    groups: tuple[str, ...]
    critical_infrastructure: bool


class Population:
    """The ``count`` devices of one plane. Lookups by index are O(1); a group's list is made once."""

    def __init__(self, *, seed: int, plane: str, count: int) -> None:
        if count < 1:
            raise ValueError(f"a plane needs at least one device, not {count}")
        self.seed = seed
        self.plane = plane
        self.count = count
        self._prefix = f"{plane}-"

    @cached_property
    def group_codes(self) -> bytes:
        """Group code of each device, by index."""
        ranked = sorted(range(self.count), key=lambda index: (uniforms(self.seed, self.plane, "rank", index)[0], index))
        codes = bytearray([EVERYONE]) * self.count
        start = 0
        for code, size in enumerate(group_sizes(self.count)):
            for index in ranked[start : start + size]:
                codes[index] = code
            start += size
        return bytes(codes)

    @cached_property
    def class_codes(self) -> bytes:
        """Site-class code of each device, by index."""
        return bytes(self._class_code(self._draws(index)[0]) for index in range(self.count))

    def phase(self, index: int) -> float:
        """Where in its site's connection cycle a device stands at time 0, as a share of the cycle."""
        return self._draws(index)[3]

    def site_class_of(self, index: int) -> str:
        return SITE_CLASSES[self.class_codes[index]]

    def device_id(self, index: int) -> str:
        return f"{self._prefix}{index:06d}"

    def index(self, device_id: str) -> int | None:
        """Index of a device id, or None when this plane has no such device."""
        digits = device_id.removeprefix(self._prefix)
        if not digits.isascii() or not digits.isdigit():
            return None
        index = int(digits)
        return index if index < self.count and self.device_id(index) == device_id else None

    def member(self, index: int) -> Member:
        """Describe the device with this index."""
        draws = self._draws(index)
        class_code = self._class_code(draws[0])
        sites = _SITES[class_code]
        site = sites[int(draws[1] * len(sites))]
        group = self.group_codes[index]
        return Member(
            id=self.device_id(index),
            name=f"{site.upper()[:3]}-{index:06d}",
            site=site,
            site_class=SITE_CLASSES[class_code],
            groups=("all",) if group == EVERYONE else (GROUPS[group], "all"),
            critical_infrastructure=draws[2] < _CRITICAL_SHARE and group != 0,
        )

    def group(self, name: str) -> range | list[int]:
        """Indexes of a group's devices in ascending order. Raises KeyError for no such group."""
        if name not in GROUPS:
            raise KeyError(name)
        code = GROUPS.index(name)
        if code == EVERYONE:
            return range(self.count)
        return self._named_groups[code]

    @cached_property
    def _named_groups(self) -> tuple[list[int], ...]:
        groups: tuple[list[int], ...] = ([], [], [], [])
        for index, code in enumerate(self.group_codes):
            if code != EVERYONE:
                groups[code].append(index)
        return groups

    def _draws(self, index: int) -> tuple[float, ...]:
        return uniforms(self.seed, self.plane, "device", index)

    @staticmethod
    def _class_code(draw: float) -> int:
        return 0 if draw < 0.90 else 1 if draw < 0.98 else 2
