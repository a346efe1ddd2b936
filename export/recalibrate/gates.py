"""The gates before a recalibrated version: each passes or not, and says on which figures.

Shape suffixes: N sequences, F features of their description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from export.recalibrate.improvement import Interval, accuracy_change, divergence_change, mcnemar
from export.recalibrate.independence import ALARM, dependence_p, kish_count, slowest_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from export.recalibrate.improvement import LayerSample


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Least effective number of sequences, by their lengths and by their likeness in time, and least span of time."""

    sequences: float = 100.0
    span_seconds: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The outcome of one."""

    name: str
    passed: bool
    words: str

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'}  {self.name}: {self.words}"


def enough_sequences(frame_counts_N: NDArray[Any], bounds: Bounds) -> Gate:
    """Ask for enough sequences, of which none outweighs the others: statistics weigh them by their frames."""
    effective = kish_count(frame_counts_N)
    words = (
        f"{len(frame_counts_N)} sequences of {int(np.sum(frame_counts_N))} frames are worth {effective:.1f} of equal "
        f"length, {bounds.sequences:g} are needed"
    )
    return Gate(name="enough sequences", passed=effective >= bounds.sequences, words=words)


def independent_in_time(features_NF: NDArray[Any], seconds_N: NDArray[Any], bounds: Bounds) -> Gate:
    """Ask for sequences that are not all of one moment, and are worth enough independent ones.

    `features_NF` describes each sequence, `seconds_N` is when it began. One test over all features says whether they
    are independent. Where it says no, they are worth as many as their slowest feature leaves: with many features the
    slowest is slow by chance alone, so it isn't asked before.
    """
    name, count = "independent in time", len(seconds_N)
    if count < 2:
        return Gate(name=name, passed=False, words=f"{count} sequences tell nothing of time")
    order_N = np.argsort(seconds_N, kind="stable")
    span = float(np.ptp(seconds_N))
    ordered_NF = np.asarray(features_NF)[order_N]
    p = dependence_p(ordered_NF)
    slowest = slowest_time(ordered_NF) if p <= ALARM else 1.0
    effective = count / slowest
    alike = f", neighbours alike over {slowest:.1f} sequences" if p <= ALARM else ""
    words = (
        f"over {span:.0f} s ({bounds.span_seconds:g} s are needed), one test of {ordered_NF.shape[1]} features gives "
        f"p = {p:.3g} (dependent up to {ALARM:g}, a false alarm in {ALARM:.0%} of independent samples){alike}, so that "
        f"{count} are worth {effective:.1f}, {bounds.sequences:g} are needed"
    )
    return Gate(name=name, passed=effective >= bounds.sequences and span >= bounds.span_seconds, words=words)


def lower_skew(stale: Sequence[LayerSample], recalibrated: Sequence[LayerSample], *, seed: int = 0) -> Gate:
    """Ask for less divergence of live from stored moments, on sequences that the new statistics have not seen.

    Each version is measured by its own probe: what enters a layer depends on the layers before.
    """
    change = divergence_change(stale, recalibrated, seed=seed)
    words = f"mean divergence of {len(stale)} layers changes by {_said(change, 'nats')}; it has to fall"
    return Gate(name="lower skew", passed=change.upper < 0, words=words)


def higher_accuracy(stale_right_N: NDArray[Any], recalibrated_right_N: NDArray[Any]) -> Gate:
    """Ask for more right answers to the same labelled sequences, which the new statistics have not seen."""
    change = accuracy_change(stale_right_N, recalibrated_right_N)
    won = int(np.sum(~stale_right_N & recalibrated_right_N))
    lost = int(np.sum(stale_right_N & ~recalibrated_right_N))
    words = (
        f"accuracy on {len(stale_right_N)} labelled sequences changes by {_said(change)}: {won} won, {lost} lost, "
        f"exact McNemar p = {mcnemar(won, lost):.3g}; it has to rise"
    )
    return Gate(name="higher accuracy", passed=change.lower > 0, words=words)


def _said(change: Interval, unit: str = "") -> str:
    return f"{change.value:+.4g} ({change.lower:+.4g} to {change.upper:+.4g}, 95 %){f' {unit}' if unit else ''}"
