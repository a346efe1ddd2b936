"""The selection of a batch from the waiting jobs: a pure function of their lengths.

The oldest job always runs next, so a job that finds n others waiting runs after at most n batches. No batch is larger
than `max_batch_frames` padded frames or one slice. The other jobs are those nearest to the oldest in length, since
padding costs time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

# Share of a batch's frames that may be padding. Beyond it, a separate run is cheaper.
_MAX_PADDING_RATIO = 0.5


class SelectBatch(Protocol):
    """A function that chooses from jobs of `lengths` ≥ 1 frames, oldest first; the oldest is always chosen."""

    def __call__(self, lengths: Sequence[int], /, *, max_size: int, max_frames: int) -> list[int]:
        """Return indices into `lengths`."""


def select_batch(lengths: Sequence[int], *, max_size: int, max_frames: int) -> list[int]:
    """Choose from jobs of `lengths` ≥ 1 frames, oldest first; at least one.

    Returns:
        Indices into `lengths`, sorted by length; index 0 is among them.

    """
    # Jobs of equal length are taken starting from the oldest's side, so the older ones stand nearer to it.
    order = sorted(
        range(len(lengths)), key=lambda index: (lengths[index], index if lengths[index] >= lengths[0] else -index)
    )
    first = last = order.index(0)
    frames = lengths[0]
    while last - first + 1 < max_size:
        candidates = []
        if first > 0:
            candidates.append((lengths[0] - lengths[order[first - 1]], first - 1, last))
        if last + 1 < len(order):
            candidates.append((lengths[order[last + 1]] - lengths[0], first, last + 1))
        for _, low, high in sorted(candidates):
            longest = lengths[order[high]]
            added = frames + lengths[order[low] if low < first else order[high]]
            padded = (high - low + 1) * longest
            if padded <= max_frames and padded - added <= _MAX_PADDING_RATIO * padded:
                first, last, frames = low, high, added
                break
        else:
            break
    return order[first : last + 1]
