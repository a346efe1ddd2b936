"""A tensor as the protocol's clients see it: its name, its type, and the order of its axes.

Shapes: B rows of a request, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.engine.layout import Axes
from soloist.data_types import dtype_of, oip_word_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.row import States
    from soloist.v1.model_pb2 import StateSpec
    from soloist.v1.tensor_pb2 import TensorSpec


@dataclass(frozen=True, kw_only=True)
class TensorPort:
    """An input or output. `frames` is its number of frames per request, -1 for any; it may be `optional`."""

    name: str
    dtype: np.dtype[Any]
    axes: Axes
    frames: int = -1
    optional: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape in the metadata: at least one axis, -1 for any size."""
        sizes = [self.frames if axis == self.axes.time else size for axis, size in enumerate(self.axes.shape)]
        return tuple(sizes) if self.axes.batch is None or len(sizes) > 1 else (*sizes, 1)

    @property
    def dims(self) -> tuple[int, ...]:
        """Return the shape of one row, as in a configuration with batches: at least one axis."""
        return self.shape[1:]

    def rows_of(self, array: NDArray[Any]) -> int:
        """Return the rows of an input, which may be invalid otherwise."""
        batch = self.axes.batch
        return 1 if batch is None or array.ndim <= batch else int(array.shape[batch])

    def read(self, array: NDArray[Any], rows: int) -> NDArray[Any]:
        """Check an input of `rows` rows, and return it as [B, T, …] or [B, …].

        Raises:
            ServiceError: it has another type or shape.

        """
        if array.dtype != self.dtype:
            raise ServiceError(
                Reason.INPUT_TYPE_MISMATCH,
                input=self.name,
                data_type=oip_word_of(array.dtype),
                expected=oip_word_of(self.dtype),
            )
        expected = self._expected(rows)
        # Some clients send one element per row as [B], others as [B, 1].
        if self._is_one_element and array.size == math.prod(expected) and max(array.shape, default=1) == array.size:
            array = array.reshape(expected)
        fits = array.ndim == len(expected)
        if not fits or any(declared not in (-1, size) for declared, size in zip(expected, array.shape, strict=True)):
            words = ["varies" if size == -1 else size for size in expected]
            if self.axes.time is not None:
                words[self.axes.time] = "time"
            raise ServiceError(
                Reason.INPUT_SHAPE_MISMATCH,
                input=self.name,
                shape=list(array.shape),
                expected=f"[{', '.join(map(str, words))}]",
            )
        return array if self.axes.is_plain else self.axes.outward(array)

    def write(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an output [B, T, …] or [B, …] with the axes in the clients' order."""
        return array if self.axes.is_plain else self.axes.inward(array)

    @property
    def _is_one_element(self) -> bool:
        return self.axes.time is None and all(size == 1 for size in self.axes.inside)

    def _expected(self, rows: int) -> tuple[int, ...]:
        return tuple(rows if axis == self.axes.batch else size for axis, size in enumerate(self.axes.shape))


def plain(spec: TensorSpec, *, per_frame: bool, optional: bool = False) -> TensorPort:
    """Return the port of a tensor that is shown as it is: batch first, then time."""
    axes = _plain_axes(tuple(spec.shape)[1 + per_frame :], per_frame=per_frame)
    return TensorPort(name=spec.name, dtype=dtype_of(spec.data_type), axes=axes, optional=optional)


def state(name: str, spec: StateSpec, axes: Axes | None) -> TensorPort:
    """Return the port of a state, one of its two tensors."""
    return TensorPort(
        name=name,
        dtype=dtype_of(spec.data_type),
        axes=axes or _plain_axes(tuple(spec.shape), per_frame=False),
        optional=True,
    )


def _plain_axes(sizes: tuple[int, ...], *, per_frame: bool) -> Axes:
    return Axes(batch=0, time=1 if per_frame else None, per_frame=per_frame, outside=sizes, inside=sizes)


def require_inputs(sent: Collection[str], taken: Container[str], required: Iterable[str]) -> None:
    """Refuse inputs that a model doesn't take, and requests without one that it needs.

    Raises:
        ServiceError: INPUT_UNKNOWN or INPUT_MISSING.

    """
    for name in sent:
        if name not in taken:
            raise ServiceError(Reason.INPUT_UNKNOWN, input=name)
    for name in required:
        if name not in sent:
            raise ServiceError(Reason.INPUT_MISSING, input=name)


def states_among(arrays: Mapping[str, NDArray[Any]], inputs: Mapping[str, str]) -> States | None:
    """Return the states among the inputs of a request, None if there are none; `inputs` has the input of each state.

    Raises:
        ServiceError: INPUT_MISSING, if some but not all are there.

    """
    if not any(name in arrays for name in inputs.values()):
        return None
    for name in inputs.values():
        if name not in arrays:
            raise ServiceError(Reason.INPUT_MISSING, input=name)
    return {each: arrays[name] for each, name in inputs.items()}


def require_outputs(names: Iterable[str], given: Container[str]) -> None:
    """Refuse outputs that a model doesn't have.

    Raises:
        ServiceError: OUTPUT_UNKNOWN.

    """
    for name in names:
        if name not in given:
            raise ServiceError(Reason.OUTPUT_UNKNOWN, output=name)


def check_frames(
    sent: Mapping[str, NDArray[Any]], moved: Mapping[str, NDArray[Any]], frames: str, per_frame: Iterable[str]
) -> None:
    """Check that the inputs `per_frame`, `moved` to [B, T, …], have as many frames as the sequence.

    Raises:
        ServiceError: INPUT_SHAPE_MISMATCH.

    """
    count = moved[frames].shape[1]
    for name in per_frame:
        if name in moved and moved[name].shape[1] != count:
            expected = f"an entry for each of the {count} frames"
            raise ServiceError(Reason.INPUT_SHAPE_MISMATCH, input=name, shape=list(sent[name].shape), expected=expected)


def lengths_of(frames_BT: NDArray[Any], port: TensorPort | None, arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    """Return the number of valid frames of every row; all of them if the request has no lengths.

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
    """Return one row of an input, cut to its valid frames if there is a `length`; a single row serves all."""
    row: NDArray[Any] = array[index if len(array) > 1 else 0]
    return row if length is None else row[:length]


def state_of_row(array: NDArray[Any], index: int) -> NDArray[Any]:
    """Return the state [1, …] before a row; a single one serves all."""
    return array[index : index + 1] if len(array) > 1 else array


def padded(outputs: Sequence[NDArray[Any]], frames: int) -> NDArray[Any]:
    """Join the outputs [T, K] of rows to [B, `frames`, K], with zeros after each row's own."""
    if len(outputs) == 1 and len(outputs[0]) == frames:
        return outputs[0][None]
    together = np.zeros((len(outputs), frames, *outputs[0].shape[1:]), outputs[0].dtype)
    for index, output in enumerate(outputs):
        together[index, : len(output)] = output
    return together
