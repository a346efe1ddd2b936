"""The pool of one version: sums of every layer over many sequences, with older ones counting less and less."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from service.observers.skew.moments import PooledSums
from service.observers.skew.reading import Reading, least_sequences, read_layer

if TYPE_CHECKING:
    from service.engine.probe import LayerSums
    from soloist.v1.model_pb2 import Probe

# A sequence that sends nothing while this many others begin counts as a new one when it goes on.
_MAX_OPEN = 10_000


class SequenceWeights:
    """The weights of sequences: frames that fade with age; chunks of one sequence add up to one weight."""

    def __init__(self, *, max_open: int = _MAX_OPEN) -> None:
        """Create it without sequences.

        Args:
            max_open: how many sequences are remembered, so that their next chunk counts as theirs.

        """
        self.sequence_count = 0
        self._max_open = max_open
        self._weights: OrderedDict[str, float] = OrderedDict()  # in units of `_unit`, so that fading changes none
        self._unit = 1.0
        self._total = 0.0
        self._squares = 0.0

    def fade(self, factor: float) -> None:
        """Multiply every weight by `factor` (0 to 1)."""
        self._total *= factor
        self._squares *= factor**2
        self._unit *= factor
        if self._unit < 1e-100:  # far below what changes a sum of floats
            self._weights.clear()
            self._unit = 1.0

    def add(self, sequence_id: str, frame_count: int) -> None:
        """Add frames of a new or a known sequence."""
        known = self._weights.pop(sequence_id, None)
        self.sequence_count += known is None
        before = (known or 0.0) * self._unit
        self._total += frame_count
        self._squares += frame_count * (2 * before + frame_count)
        self._weights[sequence_id] = (before + frame_count) / self._unit
        if len(self._weights) > self._max_open:
            self._weights.popitem(last=False)

    @property
    def effective_count(self) -> float:
        """Return how many equal sequences are as informative: (Σw)² / Σw² (L. Kish, Survey Sampling, 1965, §11.7)."""
        return self._total**2 / self._squares if self._squares else 0.0


class Pool:
    """The sums of one version. All frames count the same, as in BatchNorm, and half after each `half_life_seconds`.

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
        """Create an empty pool.

        Args:
            probe: the layers to measure, from the manifest.
            half_life_seconds: after this time a frame counts half.
            clock: returns seconds; frames fade by it.
            wall_clock: returns seconds since 1970.

        """
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
            False, with the pool unchanged, if a sum isn't finite: it would never fade.

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
        """Return the reading of the pool."""
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
