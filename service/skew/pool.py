"""The pool of one version: sums of every layer over many sequences, in which older ones count less and less."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from service.skew.moments import PooledSums
from service.skew.reading import Reading, least_sequences, read_layer
from service.skew.weights import SequenceWeights

if TYPE_CHECKING:
    from service.engine.probe import LayerSums
    from soloist.v1.model_pb2 import Probe


class Pool:
    """Every frame counts alike, as in BatchNorm's own statistics, and half as much after each `half_life_seconds`.

    Written on one thread, read on any.
    """

    def __init__(
        self,
        probe: Probe,
        *,
        half_life_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Args: `clock` and `wall_clock` are in seconds, the second since 1970."""
        self._layers = list(probe.layers)
        self._least_sequences = least_sequences(self._layers)
        self._half_life_seconds = half_life_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._weights = SequenceWeights()
        self._sums: dict[str, PooledSums] = {}
        self._faded_at = clock()
        self._frames = 0
        self._since = self._until = float("nan")

    def add(self, sequence_id: str, frame_count: int, sums: LayerSums) -> bool:
        """Pool the sums [1, C] of a run over the next frames of one sequence.

        Returns:
            False, and the pool as it was, when a sum isn't finite: it would never fade.

        """
        if not all(np.isfinite(each).all() for pair in sums.values() for each in pair):
            return False
        with self._lock:
            self._fade()
            self._weights.add(sequence_id, frame_count)
            for name, (sum_BC, squares_BC) in sums.items():
                new = PooledSums(frames=frame_count, total=sum_BC[0], squares=squares_BC[0])
                self._sums[name] = self._sums[name] + new if name in self._sums else new
            self._frames += frame_count
            self._until = self._wall_clock()
            self._since = self._until if np.isnan(self._since) else self._since
        return True

    def read(self) -> Reading:
        """Say what the pool holds."""
        with self._lock:
            count, sums = self._weights.effective_count, dict(self._sums)
            enough = count >= self._least_sequences
            return Reading(
                layers=tuple(read_layer(each, sums[each.name], count) for each in self._layers) if enough else (),
                least_sequences=self._least_sequences,
                effective_sequences=count,
                sequences=self._weights.sequence_count,
                frames=self._frames,
                since=self._since,
                until=self._until,
            )

    def _fade(self) -> None:
        now = self._clock()
        factor = 0.5 ** ((now - self._faded_at) / self._half_life_seconds)
        self._faded_at = now
        self._weights.fade(factor)
        self._sums = {name: sums.weighted(factor) for name, sums in self._sums.items()}
