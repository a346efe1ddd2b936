"""How much one comparison may ask for: every number of a request is held against its bounds before anything runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from service.comparison.condition import BatchMates, Chunked, Condition, Padded
from service.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MATES = 64
MAX_SCALE = 1e6
MAX_CONDITIONS = 32
MAX_SIBLINGS = 7
# Of one run, padding included; and of all conditions and models together.
MAX_RUN_FRAMES = 2**16
MAX_FRAMES = 2**21


def check(
    conditions: Sequence[Condition],
    *,
    length: int,
    mate_lengths: Sequence[int],
    max_frames: int,
    has_scale: bool,
    models: int,
) -> None:
    """Refuse what is out of range or too much.

    `length` is that of the sequence, `mate_lengths` those of the mates that came with the request, if any.
    `max_frames` is the longest sequence that the server and every model takes. `has_scale`: frames are no tokens.

    Raises:
        ServiceError: COMPARISON_OUT_OF_RANGE or COMPARISON_TOO_LARGE.

    """
    in_range("conditions", len(conditions), 1, MAX_CONDITIONS)
    most_mates = len(mate_lengths) or MAX_MATES
    for condition in conditions:
        match condition:
            case BatchMates(count=count, scale=scale):
                in_range("mates.count", count, 1, most_mates)
                lowest, highest = (0, MAX_SCALE) if has_scale else (1, 1)
                in_range("mates.scale", scale, lowest, highest)
            case Padded(frames=frames):
                in_range("padded_frames", frames, length, max_frames)
            case Chunked(frames=frames):
                in_range("chunk_frames", frames, 1, length)
    runs = [length, *(condition.run_frames(length, mate_lengths) for condition in conditions)]
    _not_too_large("one run", max(runs), MAX_RUN_FRAMES)
    _not_too_large("the comparison", models * sum(runs), MAX_FRAMES)


def in_range(field: str, value: float, minimum: float, maximum: float) -> None:
    """Refuse a number that isn't within both bounds.

    Raises:
        ServiceError: COMPARISON_OUT_OF_RANGE.

    """
    if math.isnan(value) or not minimum <= value <= maximum:
        facts = {"minimum": f"{minimum:g}", "maximum": f"{maximum:g}"}
        raise ServiceError(Reason.COMPARISON_OUT_OF_RANGE, field=field, value=value, **facts)


def _not_too_large(scope: str, frames: int, max_frames: int) -> None:
    if frames > max_frames:
        raise ServiceError(Reason.COMPARISON_TOO_LARGE, scope=scope, frame_count=frames, max_frames=max_frames)
