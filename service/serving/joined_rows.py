"""Chunks of one stream as one run: rows that follow one another are joined, and the answer is cut into theirs.

The certificate's promise of chunking is what makes it right: a sequence has the same bits however it is cut.

Shapes: T frames, K outputs a frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from service.engine.row import Row
from service.serving.batcher import Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.row import States
    from service.loading.servable import Servable
    from service.serving.call import Call
    from service.serving.inference import Serving

_log = structlog.get_logger("soloist.batcher")
_UNKNOWN: States = {}


async def infer_joined(
    serving: Serving, call: Call, servable: Servable, rows: Sequence[Row], *, every_frame: bool
) -> list[Answer] | None:
    """Answer rows of one stream, each following the one before, with one run. The caller records the requests.

    Only the last answer has states: those in between are unknown.

    Returns:
        The answer to each, or None if they don't run together: then each has to run by itself, and fails by itself.

    """
    began = time.perf_counter()
    lengths = [len(row.frames) for row in rows]
    try:
        # The outputs of every frame, since each row has its own last.
        whole = await serving.infer_row(call, servable, _joined(rows), every_frame=True, may_wait=True)
        answers = _cut(whole, lengths, every_frame=every_frame)
    except Exception as error:  # ONNX Runtime has many error classes, which share no base
        _log.warning(
            "a joined run failed, so its chunks run one by one",
            model=servable.name,
            version=servable.version,
            chunks=len(rows),
            cause=str(error),
        )
        return None
    except BaseException:
        serving.recorder.failed(servable, seconds=time.perf_counter() - began)
        raise
    serving.recorder.joined(servable, len(rows))
    return answers


def _joined(rows: Sequence[Row]) -> Row:
    return Row(
        frames=np.concatenate([row.frames for row in rows]),
        states=rows[0].states,
        joined_frames=len(rows[0].frames),
    )


def _cut(whole: Answer, lengths: Sequence[int], *, every_frame: bool) -> list[Answer]:
    """Cut the answer to joined rows of some lengths. Whatever was padding counts for the last.

    Raises:
        ValueError: there isn't one output for each frame.

    """
    total = sum(lengths)
    if any(len(array) != total for array in (whole.outputs, *whole.extra.values())):
        raise ValueError(f"{len(whole.outputs)} outputs for {total} frames")
    answers = []
    for first, end in pairwise(accumulate(lengths, initial=0)):
        extra = whole.extra and {name: _of(array, first, end, every_frame) for name, array in whole.extra.items()}
        answers.append(
            Answer(
                outputs=_of(whole.outputs, first, end, every_frame),
                extra=extra,
                states=_UNKNOWN,
                queue_seconds=whole.queue_seconds,
                compute_seconds=whole.compute_seconds,
                run=whole.run,
                batch_size=whole.batch_size,
                padded_frames=end - first,
            )
        )
    answers[-1].states = whole.states
    answers[-1].padded_frames += whole.padded_frames - total
    return answers


def _of(array_TK: NDArray[Any], first: int, end: int, every_frame: bool) -> NDArray[Any]:
    # A copy of one, since a view would keep all of them in memory.
    return array_TK[first:end] if every_frame else array_TK[end - 1 : end].copy()
