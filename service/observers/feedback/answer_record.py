"""The record of an answer on its way from the event loop to the log, and the rows made from many.

Shapes: T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.loading.servable import Servable
    from service.serving.prediction import Prediction
    from soloist.v1.model_pb2 import Model


class Record(NamedTuple):
    """An answer without its frames and states. `outputs` are [T, K], or [1, K] of the last frame."""

    id: str
    servable: Servable
    is_shadow: bool
    sequence_id: str
    outputs: NDArray[Any]
    first_frame: int
    frame_count: int
    is_whole: bool
    batch_size: int
    client: str

    @classmethod
    def of(cls, prediction: Prediction, *, is_shadow: bool) -> Self:
        """Return the record of an answer."""
        return cls(
            id=prediction.id,
            servable=prediction.servable,
            is_shadow=is_shadow,
            sequence_id=prediction.sequence_id,
            # Outputs of the last frame alone may be a view, which would keep those of all frames in memory.
            outputs=prediction.outputs.copy() if len(prediction.outputs) == 1 else prediction.outputs,
            first_frame=prediction.first_frame,
            frame_count=len(prediction.row.frames),
            is_whole=prediction.is_whole,
            batch_size=prediction.batch_size,
            client=prediction.client,
        )


class Row(NamedTuple):
    """The row of a record; `classes` and `confidences` are those of its last frames, at least of one."""

    record: Record
    classes: NDArray[np.int32]
    confidences: NDArray[np.float32]


def fits(outputs: NDArray[Any], class_count: int) -> bool:
    """Return whether outputs are [T, K] with one per class, so that the largest names one."""
    return outputs.ndim == 2 and outputs.shape[1] == class_count and outputs.dtype.kind in "fiub"


def rows(records: Sequence[Record], max_frames: int) -> Iterator[Row]:
    """Yield the rows of many answers, whose classes are found at once, version by version."""
    for servable, group in groupby(sorted(records, key=_version), key=lambda record: record.servable):
        of_version = list(group)
        kept = [record.outputs[-max_frames:] for record in of_version]
        classes, confidences = judge(np.concatenate(kept), temperature(servable.manifest))
        ends = np.cumsum([len(outputs) for outputs in kept])[:-1]
        parts = zip(of_version, np.split(classes, ends), np.split(confidences, ends), strict=True)
        yield from (Row(*part) for part in parts)


def judge(logits_TK: NDArray[Any], temperature: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the class at each frame, the first of equals, and its confidence: softmax(logits / temperature).

    Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. The confidence is
    NaN if the outputs aren't finite.
    """
    classes_T = logits_TK.argmax(axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        x_TK = logits_TK.astype(np.float64)
        x_TK -= x_TK.max(axis=-1, keepdims=True)
        confidences_T = 1.0 / np.exp(x_TK / temperature).sum(axis=-1)
    return classes_T.astype(np.int32), confidences_T.astype(np.float32)


def temperature(manifest: Model) -> float:
    """Return the temperature that a model's logits are divided by for calibrated confidence; 1 if unknown."""
    declared = manifest.calibration.temperature
    return declared if declared > 0 else 1.0


def _version(record: Record) -> int:
    return id(record.servable)
