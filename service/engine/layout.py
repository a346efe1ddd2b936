"""The order of a tensor's axes inside a graph. All other code sees batch first, then time.

Shapes: B rows, T frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from soloist.v1.model_pb2 import Signature
    from soloist.v1.tensor_pb2 import Layout

NONE = -1


@dataclass(frozen=True, kw_only=True)
class Axes:
    """One tensor: [B, T, *outside] if `per_frame`, else [B, *outside]; inside, it has axes `batch` and `time`.

    None stands for a missing axis: then a run has one row, or one frame. `inside` are the sizes of the other axes
    inside, with as many elements as `outside`; -1 varies.
    """

    batch: int | None
    time: int | None
    per_frame: bool
    outside: tuple[int, ...]
    inside: tuple[int, ...]

    @property
    def is_plain(self) -> bool:
        """Return whether the order is the same inside."""
        time = 1 if self.per_frame else None
        return self.batch == 0 and self.time == time and self.inside == self.outside

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape inside; -1 varies."""
        others = iter(self.inside)
        rank = len(self.inside) + (self.batch is not None) + (self.time is not None)
        return tuple(-1 if axis in (self.batch, self.time) else next(others) for axis in range(rank))

    def inward(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return [B, T, *outside] or [B, *outside] with the axes of the graph."""
        if self.inside != self.outside:
            array = _reshaped(array, self._leading, self.inside)
        if self.per_frame and self.time is None:
            array = np.asarray(array[:, 0])
        if self.batch is None:
            array = np.asarray(array[0])
        return np.ascontiguousarray(array.transpose(self._order)) if array.ndim else array

    def outward(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the inverse of `inward`; without such an axis, an array counts as one row and one frame."""
        array = array.transpose(np.argsort(self._order)) if array.ndim else array
        if self.batch is None:
            array = array[None]
        if self.per_frame and self.time is None:
            array = array[:, None]
        if self.inside != self.outside:
            array = _reshaped(array, self._leading, self.outside)
        return np.ascontiguousarray(array)

    @property
    def _leading(self) -> int:
        return 1 + self.per_frame

    @cached_property
    def _order(self) -> list[int]:
        """Return the order of the outside axes inside the graph, without the missing ones."""
        leading = [axis for axis in (self.batch, self.time) if axis is not None]
        others = iter(range(len(leading), len(leading) + len(self.inside)))
        rank = len(leading) + len(self.inside)
        return [leading.index(axis) if axis in leading else next(others) for axis in range(rank)]


class Layouts:
    """The tensors of one graph whose axes have another order."""

    def __init__(self, axes: Mapping[str, Axes]) -> None:
        self._axes = {name: each for name, each in axes.items() if not each.is_plain}

    def __bool__(self) -> bool:
        return bool(self._axes)

    def inward(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the arrays with the axes of the graph."""
        return {name: self._axes[name].inward(array) if name in self._axes else array for name, array in arrays.items()}

    def outward(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the inverse of `inward`."""
        return {
            name: self._axes[name].outward(array) if name in self._axes else array for name, array in arrays.items()
        }


def _reshaped(array: NDArray[Any], leading: int, sizes: tuple[int, ...]) -> NDArray[Any]:
    """Return an array with other axes after its `leading` ones; at most one of `sizes` is -1, even if it is empty."""
    if array.size == 0 and -1 in sizes:
        known = math.prod(size for size in sizes if size != -1)
        varying = math.prod(array.shape[leading:]) // known if known else 0
        sizes = tuple(varying if size == -1 else size for size in sizes)
    return array.reshape(array.shape[:leading] + sizes)


def axes_of(signature: Signature) -> dict[str, Axes]:
    """Return the axes of every tensor with a layout in the signature."""
    specs = [(spec.name, spec.shape, spec, True) for spec in (signature.frames, signature.outputs)]
    specs += [(spec.name, spec.shape, spec, True) for spec in signature.extra_outputs]
    specs += [(each.tensor.name, each.tensor.shape, each.tensor, each.per_frame) for each in signature.inputs]
    specs += [(each.tensor.name, each.tensor.shape, each.tensor, False) for each in signature.controls]
    specs += [(signature.length.name, signature.length.shape, signature.length, False)]
    axes = {
        name: read(spec.layout, outside=tuple(shape)[1 + per_frame :], per_frame=per_frame)
        for name, shape, spec, per_frame in specs
        if spec.HasField("layout")
    }
    for state in signature.states:
        if state.HasField("layout"):
            both = read(state.layout, outside=tuple(state.shape), per_frame=False)
            axes[state.input] = axes[state.output] = both
    return axes


def read(layout: Layout, *, outside: tuple[int, ...], per_frame: bool) -> Axes:
    """Read one layout; `outside` are the sizes of the axes after batch and time."""
    return Axes(
        batch=None if layout.batch_axis == NONE else layout.batch_axis,
        time=None if layout.time_axis == NONE else layout.time_axis,
        per_frame=per_frame,
        outside=outside,
        inside=tuple(layout.other_axes) or outside,
    )
