"""The company that a sequence is asked in: whose calls are under way with its own, and how one knows.

The calls of a burst are sent at once, behind a long sequence to another model that holds the server's one worker: what
comes meanwhile shares the next run. Neighbours are sent first, so the oldest of what waits is one of them. The server
doesn't say with whom an answer shared its run, but with how many: where more did than there are held-out sequences in a
burst, one of them was a neighbour; and where more frames were computed than any but a long neighbour has, it was one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist import Prediction

Array = npt.NDArray[Any]

ASKED, NEIGHBOURS = 16, 16  # sequences of a burst
# Of the sequence that holds the worker while a burst arrives; longer every round.
HOLDING_FRAMES = 24000
# Of the time that it takes: after so much of it the burst is sent. Before, it may still be on its way, and whoever
# arrives first runs first.
HEAD_START_RATIO = 0.25
ROUNDS = 10  # of asking again those that had not the company; what is left then is counted
LOUD_SCALE = 10.0
PADDED_FRAMES = 64  # at least, of a long neighbour: more than twice the longest sequence there is


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Neighbours are training sequences, times `scale`, laid end to end until they have `least_frames`."""

    name: str
    title: str
    scale: float = 1.0
    least_frames: int = 1
    is_alone: bool = False

    def neighbours(self, sequences: Sequence[Array], rng: np.random.Generator, count: int) -> list[Array]:
        """Draw so many."""
        return [self._neighbour(sequences, rng) for _ in range(0 if self.is_alone else count)]

    def holds(self, answer: Prediction) -> bool:
        """Return, by what the server says of a run, whether the answer was made in this company."""
        if self.is_alone:
            return answer.batch_size == 1 and answer.padded_frames == answer.frame_count
        if self.least_frames > 1:
            return answer.batch_size > 1 and answer.padded_frames >= self.least_frames
        return answer.batch_size > ASKED

    def _neighbour(self, sequences: Sequence[Array], rng: np.random.Generator) -> Array:
        drawn = [sequences[int(rng.integers(len(sequences)))]]
        while sum(map(len, drawn)) < self.least_frames:
            drawn.append(sequences[int(rng.integers(len(sequences)))])
        joined = np.concatenate(drawn)
        return (joined * self.scale).astype(joined.dtype)


ALONE = Condition(name="alone", title="alone", is_alone=True)
CONDITIONS = (
    ALONE,
    Condition(name="random", title="random neighbours"),
    Condition(name="loud", title=f"loud neighbours (×{LOUD_SCALE:g})", scale=LOUD_SCALE),
    Condition(name="padded", title="padded", least_frames=PADDED_FRAMES),
)
