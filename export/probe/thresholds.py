"""The thresholds of skew: what windows of held-out sequences show of it, though nothing has changed.

The quantile of the figures of many windows holds both reasons for which live moments differ from stored ones without a
shift: a window is a sample, and held-out data are other data than those of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from models.data import Split
from service.engine.graph import Graph
from service.engine.probe import Probe
from service.observers.skew import Moments, PooledSums, measure
from soloist.v1.model_pb2 import ProbedLayer, SkewThresholds

QUANTILE = 0.99
WINDOWS = 500  # of each size, so five of them lie beyond the quantile
WINDOW_SEQUENCES = (8, 32, 128)
_SEED = 0


def set_thresholds(layers: Sequence[ProbedLayer], probe: Probe, graph: Graph, split: Split) -> None:
    """Return every layer with a reference its thresholds, from windows of the sequences of a held-out split."""
    sums = _of_each_sequence(probe, graph, split)
    for layer in layers:
        if layer.HasField("reference"):
            layer.thresholds.extend(thresholds(Moments.from_message(layer.reference), layer.eps, sums[layer.name]))


def _of_each_sequence(probe: Probe, graph: Graph, split: Split) -> dict[str, list[PooledSums]]:
    sums: dict[str, list[PooledSums]] = {}
    for frames in split.sequences:
        for layer, (total_BC, squares_BC) in probe.run(frames[None], [len(frames)], graph.zero_states(1)).items():
            pooled = PooledSums(frames=len(frames), total=total_BC[0], squares=squares_BC[0])
            sums.setdefault(layer, []).append(pooled)
    return sums


def thresholds(stored: Moments, eps: float, sums: list[PooledSums]) -> Iterator[SkewThresholds]:
    """Yield the thresholds of every size of window, drawn from sequences with these sums."""
    for size in WINDOW_SEQUENCES:
        figures = [measure(window.moments(), stored, eps) for window in _windows(sums, size)]

        def quantile(values: list[float]) -> float:
            return float(np.quantile(values, QUANTILE, method="higher"))

        yield SkewThresholds(
            window_sequences=size,
            mean_tid=quantile([figure.mean_tid for figure in figures]),
            variance_tid=quantile([figure.variance_tid for figure in figures]),
            divergence_nats=quantile([figure.divergence_nats for figure in figures]),
        )


def _windows(sums: list[PooledSums], size: int) -> Iterator[PooledSums]:
    """Draw windows with replacement; the same ones for every layer."""
    rng = np.random.default_rng(_SEED)
    frames = np.array([each.frames for each in sums])
    total_NC, squares_NC = np.stack([each.total for each in sums]), np.stack([each.squares for each in sums])
    for _ in range(WINDOWS):
        drawn = rng.integers(len(sums), size=size)
        yield PooledSums(
            frames=float(frames[drawn].sum()), total=total_NC[drawn].sum(axis=0), squares=squares_NC[drawn].sum(axis=0)
        )
