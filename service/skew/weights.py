"""How many independent sequences a pool is worth: long ones and recent ones weigh more, and that has its price."""

from __future__ import annotations

from collections import OrderedDict

# Whoever says nothing while so many others begin is taken for another sequence when it goes on.
_MAX_OPEN = 10_000


class SequenceWeights:
    """Frames of every sequence, each fading with its age; chunks of one sequence add up to one weight."""

    def __init__(self, *, max_open: int = _MAX_OPEN) -> None:
        """Args: `max_open` is the most sequences whose next chunk is still known as theirs."""
        self.sequence_count = 0
        self._max_open = max_open
        self._weights: OrderedDict[str, float] = OrderedDict()  # in units of `_unit`, so that fading touches none
        self._unit = 1.0
        self._total = 0.0
        self._squares = 0.0

    def fade(self, factor: float) -> None:
        """Multiply every weight by `factor` (0 to 1)."""
        self._total *= factor
        self._squares *= factor**2
        self._unit *= factor
        if self._unit < 1e-100:  # far below what a sum of floats still notices
            self._weights.clear()
            self._unit = 1.0

    def add(self, sequence_id: str, frame_count: int) -> None:
        """Add frames of a sequence, whose first it may be."""
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
        """Number of equal sequences that would tell as much: (Σw)² / Σw² (L. Kish, Survey Sampling, 1965, §11.7)."""
        return self._total**2 / self._squares if self._squares else 0.0
