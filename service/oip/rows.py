"""Where one row of a request begins and ends in its arrays, and how the answers of rows become one array again.

Shapes: B rows of a request, T frames, K outputs a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.errors import Reason, ServiceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.oip.port import Port


def check_frames(
    sent: Mapping[str, NDArray[Any]], moved: Mapping[str, NDArray[Any]], frames: str, per_frame: Iterable[str]
) -> None:
    """See that inputs `per_frame`, [B, T, …] as they were `moved`, have as many frames as the sequence.

    Raises:
        ServiceError: INPUT_SHAPE_MISMATCH.

    """
    count = moved[frames].shape[1]
    for name in per_frame:
        if name in moved and moved[name].shape[1] != count:
            expected = f"an entry for each of the {count} frames"
            raise ServiceError(Reason.INPUT_SHAPE_MISMATCH, input=name, shape=list(sent[name].shape), expected=expected)


def lengths_of(frames_BT: NDArray[Any], port: Port | None, arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    """Tell the valid frames of every row; all of them where the request doesn't say.

    Raises:
        ServiceError: INPUT_VALUE_OUT_OF_RANGE.

    """
    B, T = frames_BT.shape[:2]
    if port is None or port.name not in arrays:
        return [T] * B
    lengths: list[int] = arrays[port.name].ravel().tolist()
    for length in lengths:
        if not 1 <= length <= T:
            raise ServiceError(Reason.INPUT_VALUE_OUT_OF_RANGE, input=port.name, value=length, minimum=1, maximum=T)
    return lengths


def of_row(array: NDArray[Any], index: int, length: int | None) -> NDArray[Any]:
    """Give a row's share of an input, its valid frames where there is a `length`; one row stands for all."""
    row: NDArray[Any] = array[index if len(array) > 1 else 0]
    return row if length is None else row[:length]


def state_of_row(array: NDArray[Any], index: int) -> NDArray[Any]:
    """Give the state [1, …] before a row; one stands for all."""
    return array[index : index + 1] if len(array) > 1 else array


def padded(outputs: Sequence[NDArray[Any]], frames: int) -> NDArray[Any]:
    """Put the outputs [T, K] of rows together: [B, `frames`, K], zeros behind each row's own."""
    if len(outputs) == 1 and len(outputs[0]) == frames:
        return outputs[0][None]
    together = np.zeros((len(outputs), frames, *outputs[0].shape[1:]), outputs[0].dtype)
    for index, output in enumerate(outputs):
        together[index, : len(output)] = output
    return together
