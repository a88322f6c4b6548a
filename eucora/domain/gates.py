"""Promotion gates: thresholds, figures, and five checks with ``PASS``, ``WAIT`` or ``BREACH`` (``domain.md`` §6).

One rule, used by the workflow, by the ``observe`` activity (through :func:`standing`), by simulation and by the
verifier. Counting is exact: a rate of 97 % of 50 devices needs ``ceil(48.5) = 49`` successes, so the second final
failure is a breach.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from eucora.domain.devices import DeviceState, DeviceStatus
from eucora.domain.plan import ComplianceWindows, RingGate
from eucora.domain.vocabulary import GateResult, SiteClass

P95 = Fraction(95, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """Counts of one site class. ``succeeded`` counts evidence within the deadline only, ``failed`` final failures
    only.
    """

    site_class: SiteClass
    targeted: int
    succeeded: int = 0
    failed: int = 0
    in_progress: int = 0
    unknown: int = 0
    p95_seconds: float | None = None
    """Nearest-rank P95 of time to compliance over *targeted* devices; None is +infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of one plane's devices in one ring."""

    classes: tuple[ClassFigures, ...]

    @property
    def targeted(self) -> int:
        """Devices in the frozen membership."""
        return sum([figures.targeted for figures in self.classes])

    @property
    def succeeded(self) -> int:
        """Devices with evidence of success within their deadline."""
        return sum([figures.succeeded for figures in self.classes])

    @property
    def failed(self) -> int:
        """Final failures, silent devices past their deadline among them."""
        return sum([figures.failed for figures in self.classes])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassThreshold:
    """Time check of one site class: ``required`` successes within the window; ``tolerated`` final failures at most."""

    site_class: SiteClass
    required: int
    tolerated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The counts at which a plane's standing changes; what :func:`standing` compares figures with."""

    required: int
    tolerated: int
    classes: tuple[ClassThreshold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A plane's figures, judged: success rate and time to compliance."""

    success: GateResult
    time: GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What ``observe`` waits for: the plane's standing differs from ``standing``, or ``until`` has come."""

    thresholds: Thresholds
    standing: Standing | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One of the five checks: threshold and actual as text for people, result, and a sentence."""

    name: str
    threshold: str
    actual: str
    result: GateResult
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A gate's result with its checks; ``until`` is when waiting ends by itself, None when it waits for people."""

    result: GateResult
    checks: tuple[Check, ...]
    until: datetime | None = None

    def check(self, name: str) -> Check:
        """Return the check of that name; ``KeyError`` when there is none."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    @property
    def outline(self) -> tuple[GateResult, ...]:
        """Results alone: two evaluations with the same outline differ in figures, not in standing."""
        return (self.result, *(check.result for check in self.checks))


@lru_cache(maxsize=4096)
def needed(rate: float, count: int) -> int:
    """Return how many of ``count`` devices a rate in percent requires, exactly: ``ceil(rate × count / 100)``."""
    return ceil(Fraction(str(rate)) * count / 100)


@lru_cache(maxsize=4096)
def nearest_rank(count: int) -> int:
    """Return the nearest-rank position of P95 among ``count`` values, from 1: ``ceil(0.95 × count)``."""
    return ceil(P95 * count)


def thresholds(sizes: Iterable[tuple[SiteClass, int]], *, success_rate: float, breach_rate: float) -> Thresholds:
    """Derive the marks of one plane. ``breach_rate`` (≥ ``success_rate``) is where a breach begins."""
    return _thresholds(tuple(sizes), success_rate, max(success_rate, breach_rate))


@lru_cache(maxsize=4096)
def _thresholds(sizes: tuple[tuple[SiteClass, int], ...], success_rate: float, breach_rate: float) -> Thresholds:
    total = sum(count for _, count in sizes)
    return Thresholds(
        required=needed(success_rate, total),
        tolerated=total - needed(breach_rate, total),
        classes=tuple(
            ClassThreshold(site_class=name, required=nearest_rank(count), tolerated=count - nearest_rank(count))
            for name, count in sizes
            if count
        ),
    )


def standing(limits: Thresholds, figures: Figures) -> Standing:
    """Judge one plane's figures. Of 0 devices nothing can pass (``domain.md`` §6)."""
    if figures.targeted == 0:
        return Standing(success=GateResult.BREACH, time=GateResult.BREACH)
    if figures.failed > limits.tolerated:
        success = GateResult.BREACH
    else:
        success = GateResult.PASS if figures.succeeded >= limits.required else GateResult.WAIT
    by_class = {part.site_class: part for part in figures.classes}
    time = GateResult.PASS
    for limit in limits.classes:
        figure = by_class[limit.site_class]
        if figure.failed > limit.tolerated:
            return Standing(success=success, time=GateResult.BREACH)
        if figure.succeeded < limit.required:
            time = GateResult.WAIT
    return Standing(success=success, time=time)


def crossed(mark: Mark, figures: Figures, now: datetime) -> bool:
    """Tell whether figures can change the gate: the standing moved, or the mark's time has come."""
    return (mark.until is not None and now >= mark.until) or standing(mark.thresholds, figures) != mark.standing


def summarise(
    members: Mapping[str, SiteClass],
    statuses: Iterable[DeviceStatus],
    *,
    started_at: datetime,
    windows: ComplianceWindows,
    max_attempts: int,
    now: datetime,
) -> Figures:
    """Count device states honestly (``domain.md`` §6).

    Silence is unknown, and failed once the device's deadline passes; a success after the deadline stays failed; a
    failure with attempts left is in progress; states of devices outside the membership are ignored.
    """
    deadline = {name: timedelta(seconds=windows.seconds(name)) for name in SiteClass}
    targeted = dict.fromkeys(SiteClass, 0)
    for site_class in members.values():
        targeted[site_class] += 1
    times: dict[SiteClass, list[float]] = {name: [] for name in SiteClass}
    failed, in_progress = dict.fromkeys(SiteClass, 0), dict.fromkeys(SiteClass, 0)
    expired = {name: now >= started_at + deadline[name] for name in SiteClass}
    seen: set[str] = set()
    for status in statuses:
        member = members.get(status.device_id)
        if member is None or status.device_id in seen:
            continue
        seen.add(status.device_id)
        if status.state is DeviceState.SUCCEEDED and status.at is not None:
            elapsed = status.at - started_at
            if elapsed <= deadline[member]:
                times[member].append(max(0.0, elapsed.total_seconds()))
            else:
                failed[member] += 1
        elif expired[member] or (status.state is DeviceState.FAILED and status.attempts >= max_attempts):
            failed[member] += 1
        elif status.state in (DeviceState.IN_PROGRESS, DeviceState.FAILED):
            in_progress[member] += 1
    return Figures(
        classes=tuple(
            _class_figures(name, targeted[name], times[name], failed[name], in_progress[name], expired=expired[name])
            for name in SiteClass
            if targeted[name]
        )
    )


def _class_figures(
    name: SiteClass, targeted: int, times: list[float], failed: int, in_progress: int, *, expired: bool
) -> ClassFigures:
    silent = targeted - len(times) - failed - in_progress
    rank = nearest_rank(targeted)
    return ClassFigures(
        site_class=name,
        targeted=targeted,
        succeeded=len(times),
        failed=failed + (silent if expired else 0),
        in_progress=in_progress,
        unknown=0 if expired else silent,
        p95_seconds=sorted(times)[rank - 1] if len(times) >= rank else None,
    )


def unwatched(
    known: Figures | None, sizes: Iterable[tuple[SiteClass, int]], expired: Collection[SiteClass]
) -> Figures | None:
    """Age the figures of a plane that nobody can observe: nothing assigned yet, or the observer refused for good.

    Its devices stay silent, so those that are open in a site class past its deadline have failed. ``known`` is what
    was last observed; None stays None while no deadline has passed.
    """
    if not expired:
        return known
    if known is None:
        known = Figures(
            classes=tuple(ClassFigures(site_class=name, targeted=count, unknown=count) for name, count in sizes)
        )
    return Figures(
        classes=tuple(
            replace(part, failed=part.targeted - part.succeeded, in_progress=0, unknown=0)
            if part.site_class in expired
            else part
            for part in known.classes
        )
    )


def worst(results: Iterable[GateResult]) -> GateResult:
    """Combine: one breach breaches, one wait waits, otherwise pass."""
    combined = GateResult.PASS
    for result in results:
        if result is GateResult.BREACH:
            return result
        if result is GateResult.WAIT:
            combined = result
    return combined


class Judged(NamedTuple):
    """A plane in the evaluation of its ring's gate; None where nothing is known yet."""

    plane: str
    figures: Figures | None
    standing: Standing | None
    tolerated: int = 0
    """Final failures that the plane can bear."""


def judged(plane: str, limits: Thresholds, figures: Figures | None) -> Judged:
    """Judge a plane's figures once, for all checks."""
    return Judged(plane, figures, None if figures is None else standing(limits, figures), limits.tolerated)


def success_check(planes: Sequence[Judged], whole: Thresholds, *, success_rate: float) -> Check:
    """Judge the success rate on each plane and on the whole ring."""
    results: list[GateResult] = []
    succeeded = failed = targeted = 0
    weakest, lowest = "", 2.0
    silent = []
    breaches = []
    for plane, known, found, tolerated in planes:
        if known is None or found is None:
            results.append(GateResult.WAIT)
            silent.append(plane)
            continue
        results.append(found.success)
        done, of = known.succeeded, known.targeted
        succeeded, failed, targeted = succeeded + done, failed + known.failed, targeted + of
        if found.success is GateResult.BREACH:
            breaches.append(f"; {plane}: {known.failed} failed for good ({tolerated} tolerated)")
        rate = done / of if of else 0.0
        if rate < lowest:
            weakest, lowest = plane, rate
    if not silent:
        if failed > whole.tolerated or targeted == 0:
            results.append(GateResult.BREACH)
        elif succeeded < whole.required:
            results.append(GateResult.WAIT)
    result = worst(results)
    actual = f"{succeeded}/{targeted}" if weakest else "nothing known yet"
    sentence = f"{succeeded} of {targeted} targeted devices succeeded, {failed} failed for good"
    sentence += f" ({whole.tolerated} tolerated)"
    if weakest and len(planes) > 1:
        sentence += "".join(breaches)
        sentence += f"; weakest plane {weakest} at {lowest * 100:.2f} %"
    if silent:
        sentence += f"; nothing known yet of {', '.join(silent)}"
    return Check(
        name="success_rate", threshold=f">= {success_rate:g} %", actual=actual, result=result, sentence=sentence
    )


def time_check(planes: Sequence[Judged], gate: RingGate) -> Check:
    """Judge the nearest-rank P95 of time to compliance, per plane and site class."""
    results: list[GateResult] = []
    slowest: dict[SiteClass, float | None] = {}
    complied = targeted = required = 0
    lost: list[str] = []
    behind: list[str] = []
    silent: list[str] = []
    for plane, known, found, _ in planes:
        if known is None or found is None:
            results.append(GateResult.WAIT)
            silent.append(plane)
            continue
        results.append(found.time)
        for part in known.classes:
            rank = nearest_rank(part.targeted)
            complied, targeted, required = complied + part.succeeded, targeted + part.targeted, required + rank
            if part.failed > part.targeted - rank:
                lost.append(
                    f"{part.failed} of {part.targeted} targeted {part.site_class} devices of {plane} can no longer "
                    f"comply within their window ({part.targeted - rank} tolerated)"
                )
            if part.succeeded < rank:
                behind.append(f"{plane} has {part.succeeded} of {part.targeted} {part.site_class} and needs {rank}")
            seconds = part.p95_seconds
            before = slowest.get(part.site_class, 0.0)
            slowest[part.site_class] = None if seconds is None or before is None else max(before, seconds)
    limits_text = ", ".join(f"{name} {gate.compliance.seconds(name):g} s" for name in slowest) or "per site class"
    actual = ", ".join(f"{name} {_seconds(value)}" for name, value in slowest.items()) or "nothing known yet"
    result = worst(results)
    sentence = f"{complied} of {targeted} targeted devices complied within their window; P95 needs {required}"
    if result is GateResult.BREACH:
        sentence = "; ".join(lost) or "no device is targeted, so none can comply"
    elif not slowest:
        sentence = "nothing is known yet of any targeted device"
    elif behind or silent:
        sentence = f"{complied} of {targeted} targeted devices complied within their window"
        sentence += f"; for P95 {'; '.join(behind)}" if behind else ""
        sentence += f"; nothing known yet of {', '.join(silent)}" if silent else ""
    return Check(name="time_to_compliance", threshold=limits_text, actual=actual, result=result, sentence=sentence)


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"
