"""One tensor as the protocol's clients see it: its name, its type, and where they have its axes.

Shapes: B rows of a request, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.engine.layout import Axes
from service.errors import Reason, ServiceError
from service.oip.datatypes import word_of
from service.tensors import DTYPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from soloist.v1.model_pb2 import StateSpec
    from soloist.v1.tensor_pb2 import TensorSpec


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output. `frames` is how many of them it has a request, -1 for any number; it may be `optional`."""

    name: str
    dtype: np.dtype[Any]
    axes: Axes
    frames: int = -1
    optional: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that clients are told: at least one axis, -1 varies."""
        sizes = [self.frames if axis == self.axes.time else size for axis, size in enumerate(self.axes.shape)]
        return tuple(sizes) if self.axes.batch is None or len(sizes) > 1 else (*sizes, 1)

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape of one row, as a configuration with batches tells it: at least one axis."""
        return self.shape[1:]

    def rows_of(self, array: NDArray[Any]) -> int:
        """Tell the rows of an input, whatever else is wrong with it."""
        batch = self.axes.batch
        return 1 if batch is None or array.ndim <= batch else int(array.shape[batch])

    def read(self, array: NDArray[Any], rows: int) -> NDArray[Any]:
        """Hold an input of so many rows against the model, and move it: [B, T, …] or [B, …].

        Raises:
            ServiceError: it is of another type or shape.

        """
        if array.dtype != self.dtype:
            raise ServiceError(
                Reason.INPUT_TYPE_MISMATCH,
                input=self.name,
                data_type=word_of(array.dtype),
                expected=word_of(self.dtype),
            )
        expected = self._expected(rows)
        # One element a row is [B] to some clients and [B, 1] to others.
        if self._is_one_element and array.size == math.prod(expected) and max(array.shape, default=1) == array.size:
            array = array.reshape(expected)
        fits = array.ndim == len(expected)
        if not fits or any(told not in (-1, size) for told, size in zip(expected, array.shape, strict=True)):
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
        """Move an output [B, T, …] or [B, …] to where clients have its axes."""
        return array if self.axes.is_plain else self.axes.inward(array)

    @property
    def _is_one_element(self) -> bool:
        return self.axes.time is None and all(size == 1 for size in self.axes.inside)

    def _expected(self, rows: int) -> tuple[int, ...]:
        return tuple(rows if axis == self.axes.batch else size for axis, size in enumerate(self.axes.shape))


def plain(spec: TensorSpec, *, per_frame: bool, optional: bool = False) -> Port:
    """Show a tensor as it is: batch first, then time."""
    axes = _plain_axes(tuple(spec.shape)[1 + per_frame :], per_frame=per_frame)
    return Port(name=spec.name, dtype=DTYPES[spec.data_type], axes=axes, optional=optional)


def state(name: str, spec: StateSpec, axes: Axes | None) -> Port:
    """Show a state, one of its two tensors."""
    return Port(
        name=name,
        dtype=DTYPES[spec.data_type],
        axes=axes or _plain_axes(tuple(spec.shape), per_frame=False),
        optional=True,
    )


def _plain_axes(sizes: tuple[int, ...], *, per_frame: bool) -> Axes:
    return Axes(batch=0, time=1 if per_frame else None, per_frame=per_frame, outside=sizes, inside=sizes)


def require_outputs(names: Iterable[str], given: Container[str]) -> None:
    """Refuse outputs that a model doesn't give.

    Raises:
        ServiceError: OUTPUT_UNKNOWN.

    """
    for name in names:
        if name not in given:
            raise ServiceError(Reason.OUTPUT_UNKNOWN, output=name)
