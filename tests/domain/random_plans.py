"""A tape of bytes is read as choices: first of all a small plan. The same tape gives the same history."""

from __future__ import annotations

from dataclasses import replace

from eucora.domain.plan import ComplianceWindows, ReviewPolicy, RingGate, RolloutPlan
from eucora.domain.vocabulary import BlastRadiusClass, Role
from tests.domain.builders import plan


class Tape:
    """Bytes, read as choices; at its end every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def over(self) -> bool:
        return self._position >= len(self._data)

    def pick(self, choices: int) -> int:
        """Return a number below ``choices`` (at most 256)."""
        if self.over:
            return 0
        value = self._data[self._position]
        self._position += 1
        return value % choices


def plan_of(tape: Tape) -> RolloutPlan:
    """Read a small plan: 1 to 5 rings, 1 to 3 planes, every preset, quorum 1 to 3, short and long clocks."""
    rings, planes = 1 + tape.pick(5), ("win", "mac", "linux")[: 1 + tape.pick(3)]
    publisher, shape = tape.pick(4) > 0, tape.pick(256)
    base = plan(
        rings=rings,
        planes=planes,
        requester="pia" if publisher else "pete",
        requester_roles=(Role.PUBLISHER,) if publisher else (Role.PACKAGING_ENGINEER,),
        author="paul",
        preset=("standard", "pilot_only", "every_ring")[shape % 3],
        always_cab=shape & 4 > 0,
        blast_class=tuple(BlastRadiusClass)[(shape >> 3) % 4],
        quorum=1 + (shape >> 5) % 3,
    )
    soak, window = (0.0, 3600.0, 86_400.0)[tape.pick(3)], (4 * 3600.0, 48 * 3600.0)[tape.pick(2)]
    rate = (97.0, 60.0)[tape.pick(2)]
    gate = RingGate(
        success_rate=rate,
        compliance=ComplianceWindows(online=4 * 3600.0, intermittent=8 * 3600.0, air_gapped=24 * 3600.0),
        incidents=tape.pick(2),
        soak=soak,
    )
    return replace(
        base,
        rings=tuple(
            replace(ring, gate=replace(gate, rehearsal=ring.order == 0, soak=0.0 if ring.order == 0 else soak))
            for ring in base.rings
        ),
        review=ReviewPolicy(window=window, approval_valid=(30.0, 3.0)[tape.pick(2)] * 86_400.0),
        max_attempts=2,
    )
