"""What a simulated device does with a release: pure functions of (seed, device, release, commands, now).

No state is kept per device and no timer runs: asking twice gives the same answer, and 100 000 devices cost nothing
until somebody looks at them. Times are seconds since the epoch (UTC), as floats; ``now`` is always an argument.

The model. A device draws one number ``u`` per release; by it the device is *silent* (``u < silence_rate``),
*succeeding* (``u >= 1 - success_rate``) or, between the two, *failing*. A profile may also name the fate of single
devices.

- A silent device never acts and never reports.
- Attempt k checks in after a quarter of its latency and ends after the rest; latency is uniform in ``latency``. Both
  moments wait until the device is online. A failing device fails every attempt; a succeeding one fails an attempt with
  probability ``attempt_failure_rate`` and tries again ``retry_delay`` after it, up to the plane's attempts.
- A retry gives a device whose attempts are used up one more, under the profile in force at the retry.
- With ``regress_after``, a share ``regress_rate`` of the installed devices stops working that long after success: the
  plane then reports a final failure, and the release still stands on the device.
- Devices at intermittent and air-gapped sites are offline for the first ``share`` of every ``period``, shifted by a
  phase of their own.
- An uninstall ends after ``uninstall_latency``; with probability ``uninstall_failure_rate`` (drawn anew for each
  uninstall) it leaves the release standing.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from pydantic import ConfigDict, with_config

from eucora.sim.population import GROUPS, SITE_CLASSES

__all__ = [
    "FAILED",
    "INSTALLED",
    "INSTALLING",
    "MAX_ATTEMPTS",
    "NOT_REPORTED",
    "Behaviour",
    "Fate",
    "Observation",
    "Profile",
    "Retry",
    "Traits",
]

MAX_ATTEMPTS: Final = 3
"""Attempts a plane of the fleet makes by itself; part of its manifest."""

NOT_REPORTED: Final = "not_reported"
INSTALLING: Final = "installing"
INSTALLED: Final = "installed"
FAILED: Final = "failed"

_ERRORS: Final = (
    "1603: the installer ended with a fatal error",
    "1618: another installation is in progress",
    "1605: the product is not known to the installer",
    "0x80070005: access is denied",
    "0x87D1041C: the application was not detected after installation",
    "112: there is not enough space on the disk",
)
_REGRESSION: Final = "the application stopped working after it was installed"
_EIGHT: Final = struct.Struct("<8Q")
_SCALE: Final = 2.0**-53


class Fate(StrEnum):
    """What becomes of a release on a device."""

    SUCCEEDING = "succeeding"
    FAILING = "failing"
    SILENT = "silent"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one release behaves. Rates are shares in [0, 1], ranges and durations are seconds."""

    success_rate: float = 1.0
    silence_rate: float = 0.0
    attempt_failure_rate: float = 0.02
    latency: tuple[float, float] = (1.0, 4.0)
    retry_delay: float = 1.0
    uninstall_latency: tuple[float, float] = (0.2, 1.0)
    uninstall_failure_rate: float = 0.0
    regress_rate: float = 0.0
    regress_after: float | None = None
    offline: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"intermittent": (4.0, 0.5), "air_gapped": (8.0, 0.75)}
    )
    """Site class -> (period in seconds, share of it offline)."""
    fates: Mapping[str, Fate] = field(default_factory=dict)
    """Device id -> its fate, whatever it draws."""
    groups: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Group -> the fields above that differ for its devices; a named group wins over ``all``."""

    def __post_init__(self) -> None:
        for name in ("success_rate", "silence_rate", "attempt_failure_rate", "uninstall_failure_rate", "regress_rate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a share between 0 and 1, not {getattr(self, name)!r}")
        if self.success_rate + self.silence_rate > 1.0 + 1e-9:
            raise ValueError("success_rate and silence_rate together exceed 1")
        for name in ("latency", "uninstall_latency"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high:
                raise ValueError(f"{name} is [low, high] in seconds with 0 <= low <= high, not {getattr(self, name)!r}")
        if self.retry_delay < 0.0 or (self.regress_after is not None and self.regress_after < 0.0):
            raise ValueError("durations are not negative")
        for site_class, (period, share) in self.offline.items():
            if site_class not in SITE_CLASSES or period < 0.0 or not 0.0 <= share < 1.0:
                raise ValueError(f"offline: {site_class!r} needs a period >= 0 and a share in [0, 1)")
        known = {entry.name for entry in fields(self)} - {"groups"}
        for group, overrides in self.groups.items():
            if group not in GROUPS or not overrides.keys() <= known:
                raise ValueError(f"groups: {group!r} may override {', '.join(sorted(known))} for {', '.join(GROUPS)}")
            self._with(overrides)

    def for_group(self, group: str) -> Profile:
        """The profile of a device whose narrowest group is ``group``."""
        merged = {**self.groups.get("all", {}), **self.groups.get(group, {})}
        return self._with(merged) if merged else self

    def _with(self, overrides: Mapping[str, object]) -> Profile:
        return replace(self, groups={}, **overrides)  # type: ignore[arg-type]  # names are checked, values by __post_init__


class Traits(Protocol):
    """What a behaviour needs to know of the devices."""

    seed: int
    plane: str

    @property
    def group_codes(self) -> bytes: ...

    @property
    def class_codes(self) -> bytes: ...

    def phase(self, index: int) -> float: ...

    def device_id(self, index: int) -> str: ...


class Retry(NamedTuple):
    """One more attempt for some devices, from ``at`` on and under the profile in force then."""

    at: float
    profile: Profile
    indexes: Container[int]


class Observation(NamedTuple):
    """What the plane says of one device: a state word, finished attempts, when it learned of it, and an error."""

    state: str
    attempts: int
    at: float | None
    error: str | None


_SILENT: Final = Observation(NOT_REPORTED, 0, None, None)


class Behaviour:
    """The behaviour of one release on the devices of one plane; stateless but for precomputed constants."""

    def __init__(self, traits: Traits, *, application: str, version: str) -> None:
        self._traits = traits
        self._groups = traits.group_codes
        self._classes = traits.class_codes
        release = "\x1f".join((str(traits.seed), traits.plane, application, version))
        self._install = blake2b(f"install\x1f{release}".encode(), digest_size=64)
        self._uninstall = blake2b(f"uninstall\x1f{release}".encode(), digest_size=64)

    def observe(
        self, index: int, profiles: Sequence[Profile], *, assigned_at: float, now: float, retries: Sequence[Retry] = ()
    ) -> Observation:
        """What the plane reports at ``now`` about a device assigned at ``assigned_at``.

        ``profiles`` holds one profile per group code (:meth:`per_group`).
        """
        observation, _ = self._run(index, profiles, assigned_at, now, retries)
        return observation

    def installed_at(
        self, index: int, profiles: Sequence[Profile], *, assigned_at: float, now: float, retries: Sequence[Retry] = ()
    ) -> float | None:
        """When the release came to stand on the device, or None when it does not by ``now``."""
        _, installed_at = self._run(index, profiles, assigned_at, now, retries)
        return installed_at

    def removed_at(self, index: int, profiles: Sequence[Profile], *, ordered_at: float, ordinal: int) -> float | None:
        """When the release's uninstall number ``ordinal``, ordered at ``ordered_at``, takes it off; None: it fails."""
        profile = profiles[self._groups[index]]
        draws = self._draw(self._uninstall, index, ordinal)
        if _share(draws[0]) < profile.uninstall_failure_rate:
            return None
        low, high = profile.uninstall_latency
        return self._online(index, ordered_at + low + (high - low) * _share(draws[1]), profile)

    @staticmethod
    def per_group(profile: Profile) -> tuple[Profile, ...]:
        """The profile's variants, by group code."""
        return tuple(profile.for_group(group) for group in GROUPS)

    def _run(
        self, index: int, profiles: Sequence[Profile], assigned_at: float, now: float, retries: Sequence[Retry]
    ) -> tuple[Observation, float | None]:
        """Play attempts until ``now`` or the end; return what is seen and when the release was installed."""
        code = self._groups[index]
        profile = profiles[code]
        draws = self._draw(self._install, index, 0)
        draw = _share(draws[0])
        if self._fate(index, profile, draw) is Fate.SILENT:
            return _SILENT, None
        start, attempts, last = assigned_at, 0, _SILENT
        waiting = [retry for retry in retries if index in retry.indexes]
        while True:
            if attempts and attempts % 3 == 0:
                draws = self._draw(self._install, index, attempts // 3)
            slot = 2 + 2 * (attempts % 3)
            low, high = profile.latency
            latency = low + (high - low) * _share(draws[slot])
            begin = self._online(index, start + 0.25 * latency, profile)
            if now < begin:
                return last, None
            end = self._online(index, begin + 0.75 * latency, profile)
            if now < end:
                return Observation(INSTALLING, attempts, begin, None), None
            attempts += 1
            chance = _share(draws[slot + 1])
            if chance >= profile.attempt_failure_rate and self._fate(index, profile, draw) is Fate.SUCCEEDING:
                return self._after_success(index, profile, attempts, end, now), end
            last = Observation(FAILED, attempts, end, _ERRORS[int(chance * len(_ERRORS))])
            start = end + profile.retry_delay
            if attempts >= MAX_ATTEMPTS:
                waiting = [retry for retry in waiting if retry.at >= end]
                if not waiting:
                    return last, None
                start, profile = waiting[0].at, waiting[0].profile.for_group(GROUPS[code])
                if now < start:
                    return last, None
                waiting = waiting[1:]

    def _fate(self, index: int, profile: Profile, draw: float) -> Fate:
        if profile.fates and (named := profile.fates.get(self._traits.device_id(index))):
            return named
        if draw < profile.silence_rate:
            return Fate.SILENT
        return Fate.SUCCEEDING if draw >= 1.0 - profile.success_rate else Fate.FAILING

    def _after_success(self, index: int, profile: Profile, attempts: int, end: float, now: float) -> Observation:
        if profile.regress_after is not None and now >= end + profile.regress_after:
            draw = _share(self._draw(self._install, index, 0)[1])
            if draw < profile.regress_rate:
                attempts = max(attempts, MAX_ATTEMPTS)
                return Observation(FAILED, attempts, end + profile.regress_after, _REGRESSION)
        return Observation(INSTALLED, attempts, end, None)

    def _online(self, index: int, moment: float, profile: Profile) -> float:
        """The first moment from ``moment`` on at which the device is connected."""
        code = self._classes[index]
        window = profile.offline.get(SITE_CLASSES[code]) if code else None
        if window is None or not window[0]:
            return moment
        period, share = window
        position = (moment + self._traits.phase(index) * period) % period
        return moment if position >= share * period else moment + share * period - position

    @staticmethod
    def _draw(base: blake2b, index: int, block: int) -> tuple[int, ...]:
        """Eight 64-bit words for a device and a block of attempts."""
        mixed = base.copy()
        mixed.update(index.to_bytes(4, "little") + block.to_bytes(4, "little"))
        words: tuple[int, ...] = _EIGHT.unpack(mixed.digest())
        return words


def _share(word: int) -> float:
    return (word >> 11) * _SCALE
