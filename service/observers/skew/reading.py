"""The reading of a pool: for each layer live and stored moments, their distance, and its thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from service.observers.skew.moments import Moments, PooledSums, Skew, measure, thresholds_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from soloist.v1.model_pb2 import ProbedLayer, SkewThresholds

# The smallest pool that is shown without thresholds: moments of a few sequences would reveal their users.
_LEAST_SEQUENCES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerReading:
    """One layer. A control has no reference, hence no skew and no thresholds."""

    layer: ProbedLayer
    live: Moments
    reference: Moments | None
    skew: Skew | None
    thresholds: SkewThresholds | None

    @property
    def input_mean(self) -> float:
        """Return the mean over features of |mean|."""
        return float(np.abs(self.live.mean).mean())

    @property
    def input_deviation(self) -> float:
        """Return the mean over features of the deviation."""
        return float(np.sqrt(self.live.variance).mean())

    @property
    def is_crossed(self) -> bool:
        """Return whether a figure exceeds its threshold."""
        return self.ratio is not None and self.ratio > 1

    @property
    def ratio(self) -> float | None:
        """Return the largest figure in units of its threshold; None for a control."""
        skew, bounds = self.skew, self.thresholds
        if skew is None or bounds is None:
            return None
        return max(
            _in_units(skew.mean_tid, bounds.mean_tid),
            _in_units(skew.variance_tid, bounds.variance_tid),
            _in_units(skew.divergence_nats, bounds.divergence_nats),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """All layers of one version, none if the pool is smaller than `least_sequences`.

    `effective_sequences` is how many equal, fresh sequences are as informative as the pool. `sequences` and `frames`
    count all that were probed, however old. `since` and `until` are the times of the first and the last in seconds
    since 1970, NaN if there was none.
    """

    layers: tuple[LayerReading, ...] = ()
    least_sequences: int
    effective_sequences: float = 0.0
    sequences: int = 0
    frames: int = 0
    since: float = math.nan
    until: float = math.nan


def _in_units(figure: float, threshold: float) -> float:
    if threshold > 0:
        return figure / threshold
    return math.inf if figure > 0 else 0.0


def least_sequences(layers: Iterable[ProbedLayer]) -> int:
    """Return the size of a pool, in effective sequences, from which on its figures are meaningful."""
    windows = [each.window_sequences for layer in layers for each in layer.thresholds]
    return min(windows, default=_LEAST_SEQUENCES)


def read_layer(layer: ProbedLayer, sums: PooledSums, effective_sequences: float) -> LayerReading:
    """Return the reading of one layer: its pooled sums against the stored moments."""
    live = sums.moments()
    reference = Moments.from_message(layer.reference) if layer.HasField("reference") else None
    return LayerReading(
        layer=layer,
        live=live,
        reference=reference,
        skew=None if reference is None else measure(live, reference, layer.eps),
        thresholds=thresholds_for(layer, effective_sequences),
    )
