"""What the figures come to: means over seeds with their intervals, and when thresholds were crossed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demo.monitoring.interval import Interval
from demo.monitoring.offline import OfflineResult
from demo.monitoring.result import Live, Matured, Phase, SkewPoint

ANSWERERS = ("layer", "batch", "single_pass", "recalibrated")


@dataclass(frozen=True, kw_only=True)
class OfflineRow:
    """One shift: accuracies over seeds by who answers, and what recalibration gains, seed by seed."""

    shift: str
    accuracy: dict[str, Interval]
    gain: Interval


@dataclass(frozen=True, kw_only=True)
class LiveRow:
    """One role in one phase, over seeds; `gap` is estimated less matured accuracy."""

    phase: Phase
    role: str
    matured: Interval | None
    estimated: Interval | None
    gap: Interval | None
    calibration_error: Interval | None
    coverage_at_end: Interval | None
    coverage: Interval | None


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """One layer of one version in one phase: in how many seeds it was beyond a threshold, at first and at the end.

    Live moments fade, so what is beyond at the begin of a phase may be a trace of the phase before.
    """

    phase: Phase
    role: str
    layer: str
    seeds: int
    at_begin: int
    at_end: int
    after_seconds: Interval | None  # from the begin of the phase to the first look that saw it beyond


def offline_rows(offline: Sequence[OfflineResult]) -> list[OfflineRow]:
    """Sum up the offline part, a row a shift."""
    rows = []
    for shift in dict.fromkeys(result.shift for result in offline):
        results = [result for result in offline if result.shift == shift]
        accuracy = {which: _interval([result.accuracy(which) for result in results]) for which in ANSWERERS}
        gains = [result.accuracy("recalibrated") - result.accuracy("batch") for result in results]
        rows.append(OfflineRow(shift=shift, accuracy=accuracy, gain=_interval(gains)))
    return rows


def live_rows(live: Live) -> list[LiveRow]:
    """Sum up the live part, a row a role and phase."""
    return [
        _live_row(phase, role, [matured for matured in phase.matured if matured.role == role])
        for phase in live.phases
        for role in sorted({matured.role for matured in phase.matured})
    ]


def crossings(live: Live) -> list[Crossing]:
    """Return when thresholds were crossed, a row a layer, version and phase."""
    found = []
    for phase in live.phases:
        roles = {matured.version: matured.role for matured in phase.matured}
        points = [point for point in live.skew if phase.begin_seconds <= point.at_seconds <= phase.end_seconds]
        for version, layer in dict.fromkeys((point.version, point.layer) for point in points):
            chosen = [point for point in points if (point.version, point.layer) == (version, layer)]
            found.append(_crossing(phase, roles.get(version, str(version)), layer, chosen))
    return sorted(found, key=lambda row: (row.phase.begin_seconds, row.role))


def _live_row(phase: Phase, role: str, matured: Sequence[Matured]) -> LiveRow:
    def over(figure: Callable[[Matured], float | None]) -> Interval | None:
        return Interval.of([value for each in matured if (value := figure(each)) is not None])

    return LiveRow(
        phase=phase,
        role=role,
        matured=over(lambda each: each.accuracy),
        estimated=over(lambda each: each.estimated_accuracy),
        gap=over(_gap),
        calibration_error=over(lambda each: each.calibration_error),
        coverage_at_end=over(lambda each: each.coverage_at_end),
        coverage=over(lambda each: each.coverage),
    )


def _gap(matured: Matured) -> float | None:
    if matured.accuracy is None or matured.estimated_accuracy is None:
        return None
    return matured.estimated_accuracy - matured.accuracy


def _crossing(phase: Phase, role: str, layer: str, points: Sequence[SkewPoint]) -> Crossing:
    begins = {point.seed: point.crossed for point in reversed(points)}
    ends = {point.seed: point.crossed for point in points}
    firsts = {point.seed: point.at_seconds - phase.begin_seconds for point in reversed(points) if point.crossed}
    return Crossing(
        phase=phase,
        role=role,
        layer=layer.removeprefix("body.").removesuffix(".norm"),
        seeds=len(ends),
        at_begin=sum(begins.values()),
        at_end=sum(ends.values()),
        after_seconds=Interval.of(list(firsts.values())),
    )


def _interval(values: Sequence[float]) -> Interval:
    found = Interval.of(values)
    assert found is not None  # noqa: S101 — there is a seed
    return found
