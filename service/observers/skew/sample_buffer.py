"""The sample buffer: frames of the latest sampled sequences, if an operator wants them, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.serving.prediction import Prediction

# The memory of a piece in addition to its frames: array and prediction id. With one frame per piece it is the larger
# part.
PIECE_BYTES = 256
# One long sequence must not push out all others.
_LARGEST_SHARE = 1 / 8


@dataclass(frozen=True, kw_only=True)
class BufferedSequence:
    """One sequence so far: pieces of frames, seconds since 1970, the prediction ids, in order."""

    sequence_id: str
    first_seen: float
    last_seen: float
    pieces: tuple[NDArray[Any], ...]
    prediction_ids: tuple[str, ...]

    def joined(self) -> NDArray[Any]:
        """Return all its frames, [T, C] or [T]."""
        return np.concatenate(self.pieces)


@dataclass(kw_only=True)
class _Growing:
    first_seen: float
    last_seen: float = 0.0
    pieces: list[NDArray[Any]] = field(default_factory=list)
    prediction_ids: list[str] = field(default_factory=list)
    frame_count: int = 0
    byte_count: int = 0
    is_over: bool = False


class SampleBuffer:
    """A ring: the oldest goes first. Sequences are sampled by id, so the latest of them are a fair sample, too.

    Written on one thread, read on any.
    """

    def __init__(self, *, max_sequences: int, max_bytes: int) -> None:
        self._max_sequences = max_sequences
        self._max_bytes = max_bytes
        self._byte_count = 0
        self._sequences: OrderedDict[str, _Growing] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, answered: Prediction, *, now: float) -> None:
        """Add the frames of an answer. A sequence without its beginning is left out; one with a gap ends there.

        `now` is in seconds since 1970.
        """
        with self._lock:
            growing = self._sequences.get(answered.sequence_id)
            if growing is None:
                if not self._max_sequences or answered.first_frame or _begins_with_state(answered):
                    return
                growing = self._sequences[answered.sequence_id] = _Growing(first_seen=now)
            self._grow(growing, answered, now)
            while len(self._sequences) > self._max_sequences or self._byte_count > self._max_bytes:
                self._byte_count -= self._sequences.popitem(last=False)[1].byte_count

    def look(self) -> list[BufferedSequence]:
        """Return the sequences, the oldest first."""
        with self._lock:
            return [
                BufferedSequence(
                    sequence_id=sequence_id,
                    first_seen=each.first_seen,
                    last_seen=each.last_seen,
                    pieces=tuple(each.pieces),
                    prediction_ids=tuple(each.prediction_ids),
                )
                for sequence_id, each in self._sequences.items()
                if each.pieces
            ]

    def _grow(self, growing: _Growing, answered: Prediction, now: float) -> None:
        frames = answered.row.frames
        byte_count = frames.nbytes + PIECE_BYTES
        too_large = growing.byte_count + byte_count > self._max_bytes * _LARGEST_SHARE
        growing.is_over = growing.is_over or answered.first_frame != growing.frame_count or too_large
        if growing.is_over:
            return
        growing.pieces.append(frames.copy())  # a view would keep the whole message in memory
        growing.prediction_ids.append(answered.id)
        growing.last_seen = now
        growing.frame_count += len(frames)
        growing.byte_count += byte_count
        self._byte_count += byte_count


def _begins_with_state(answered: Prediction) -> bool:
    """Return whether the caller sent the states: then the frames before are unknown."""
    return any(np.any(state) for state in answered.row.states.values())
