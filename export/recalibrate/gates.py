"""The gates before a recalibrated version: each passes or not, and says on which figures and what it rests on.

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

NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Least effective number of sequences, by their lengths and by their likeness in time, and least span of time."""

    sequences: float = 100.0
    span_seconds: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The outcome of one. `passed` is None where nothing is decided: it stops nothing, and vouches for nothing."""

    name: str
    passed: bool | None
    words: str
    rests_on: str

    def __str__(self) -> str:
        outcome = {True: "passed", False: "FAILED", None: "noted "}[self.passed]
        return f"{outcome}  {self.name}: {self.words}; rests on {self.rests_on}"


def enough_sequences(frame_counts_N: NDArray[Any], bounds: Bounds) -> Gate:
    """Ask for enough sequences, of which none outweighs the others: statistics weigh them by their frames."""
    effective, count = kish_count(frame_counts_N), len(frame_counts_N)
    words = (
        f"{count} sequences of {int(np.sum(frame_counts_N))} frames are worth {effective:.1f} of equal "
        f"length, {bounds.sequences:g} are needed"
    )
    passed = effective >= bounds.sequences
    return Gate(name="enough sequences", passed=passed, words=words, rests_on=_counted(count, "sequence"))


def independent_in_time(features_NF: NDArray[Any], seconds_N: NDArray[Any], bounds: Bounds) -> Gate:
    """Ask for sequences that are not all of one moment, and are worth enough independent ones.

    `features_NF` describes each sequence, `seconds_N` is when it began. One test over all features says whether they
    are independent. Where it says no, they are worth as many as their slowest feature leaves: with many features the
    slowest is slow by chance alone, so it isn't asked before.
    """
    name, count = "independent in time", len(seconds_N)
    rests_on = _counted(count, "sequence")
    if count < 2:
        return Gate(name=name, passed=False, words=f"{count} sequences tell nothing of time", rests_on=rests_on)
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
    passed = effective >= bounds.sequences and span >= bounds.span_seconds
    return Gate(name=name, passed=passed, words=words, rests_on=rests_on)


def lower_skew(stale: Sequence[LayerSample], recalibrated: Sequence[LayerSample], *, seed: int = 0) -> Gate:
    """Ask for less divergence of live from stored moments, on sequences that the new statistics have not seen.

    Each version is measured by its own probe: what enters a layer depends on the layers before.
    """
    change = divergence_change(stale, recalibrated, seed=seed)
    words = f"mean divergence of {_counted(len(stale), 'layer')} changes by {_said(change, 'nats')}; it has to fall"
    rests_on = _counted(len(stale[0].frames), "sequence") + ", on no label"
    return Gate(name="lower skew", passed=change.upper < 0, words=words, rests_on=rests_on)


def higher_accuracy(stale_right_N: NDArray[Any], recalibrated_right_N: NDArray[Any]) -> Gate:
    """Ask for more right answers to the same labelled sequences, which the new statistics have not seen."""
    change = accuracy_change(stale_right_N, recalibrated_right_N)
    won = int(np.sum(~stale_right_N & recalibrated_right_N))
    lost = int(np.sum(stale_right_N & ~recalibrated_right_N))
    count = len(stale_right_N)
    words = (
        f"accuracy on {count} labelled sequences changes by {_said(change)}: {won} won, {lost} lost, "
        f"exact McNemar p = {mcnemar(won, lost):.3g}; it has to rise"
    )
    return Gate(name="higher accuracy", passed=change.lower > 0, words=words, rests_on=_counted(count, "label"))


def changed_answers(stale_N: NDArray[Any], recalibrated_N: NDArray[Any]) -> Gate:
    """Say by how much accuracy can change at most where no label is known, from the top classes of both versions."""
    count, changed = len(stale_N), int(np.sum(stale_N != recalibrated_N))
    words = (
        f"no label is known; {changed} of {count} answers change, so accuracy does by {changed / count:.1%} at most, "
        "up or down"
    )
    rests_on = _counted(count, "sequence") + ", on no label"
    return Gate(name="higher accuracy", passed=None, words=words, rests_on=rests_on)


def difference_from_shadow(stale_alike_N: NDArray[Any], recalibrated_alike_N: NDArray[Any], version: int) -> Gate:
    """Say how many answers differ from those that a shadow gave to the same sequences. It decides nothing.

    A shadow may make the mistakes that the stale version makes under a shift: then the better version is the one that
    differs more often.
    """
    change = accuracy_change(stale_alike_N, recalibrated_alike_N)
    count, before, after = len(stale_alike_N), int(np.sum(~stale_alike_N)), int(np.sum(~recalibrated_alike_N))
    words = (
        f"of {count} answers {before} differed from the shadow's, now {after} do: agreement changes by "
        f"{_said(change)}; a shadow may be wrong as well, so this decides nothing"
    )
    rests_on = _counted(count, "answer") + f" of shadow version {version}"
    return Gate(name="difference from the shadow", passed=None, words=words, rests_on=rests_on)


def _said(change: Interval, unit: str = "") -> str:
    return f"{change.value:+.4g} ({change.lower:+.4g} to {change.upper:+.4g}, 95 %){f' {unit}' if unit else ''}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}" if count else NOTHING
