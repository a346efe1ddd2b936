"""The plot of accuracy by length of the sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Measured
from claims.experiments.recurrent_batch_norm.accuracies import over_seeds
from claims.experiments.recurrent_batch_norm.lengths import FURTHER, TWICE, WITHIN

# Of the first cut hardly any sequence is longer than twice the training lengths.
_BUCKETS = {
    ("median", WITHIN): "≤ 17",
    ("median", TWICE): "18–34",
    ("median", FURTHER): "≥ 35",
    ("thirty", WITHIN): "≤ 30",
    ("thirty", TWICE): "31–60",
}


def accuracy_by_length(measured: Sequence[Measured], versions: Sequence[str]) -> Chart:
    """Draw one colour a version over the buckets of all cuts."""
    buckets = {key: name for key, name in _BUCKETS.items() if key[0] in measured[0]}
    return Chart(
        x_label="frames of the sequence (trained up to 17, and up to 30)",
        y_label="accuracy",
        x=list(buckets.values()),
        series=[
            _series(measured, version, list(buckets))
            for version in versions
            if version in measured[0]["median"]["accuracy"]
        ],
        kind="bars",
        percent=True,
    )


def _series(measured: Sequence[Measured], version: str, buckets: Sequence[tuple[str, str]]) -> Series:
    figures = [statistics.mean(version, over_seeds(measured, cut, version, bucket)) for cut, bucket in buckets]
    return Series(
        name=version,
        y=[figure.value for figure in figures],
        low=[_end(figure.low) for figure in figures],
        high=[_end(figure.high) for figure in figures],
    )


def _end(end: float | None) -> float:
    return np.nan if end is None else min(max(end, 0.0), 1.0)
