"""One tensor of a configuration, held against the graph: where its axes are inside, for a client, and for us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.engine.layout import NONE, Axes
from soloist.v1.tensor_pb2 import Layout, TensorSpec

if TYPE_CHECKING:
    from soloist.v1.tensor_pb2 import DataType


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """`sizes` of all axes in the graph, which are batch and time, and the `others`; `client_…`: as clients see it."""

    name: str
    data_type: DataType.ValueType
    sizes: tuple[int, ...]
    batch: int | None
    time: int | None
    others: tuple[int, ...]
    client_batch: int | None
    client_time: int | None
    client_others: tuple[int, ...]

    @property
    def time_size(self) -> int:
        """Frames that the graph takes a run: -1 for any number, 1 where it has no time axis."""
        return 1 if self.time is None else self.sizes[self.time]

    @property
    def takes_batches(self) -> bool:
        """Tell whether rows can share a run."""
        return self.batch is not None and self.sizes[self.batch] != 1

    def spec(self, *, per_frame: bool) -> TensorSpec:
        """Say it as a signature does."""
        axes = self._axes(per_frame=per_frame)
        leading = [-1 if self.takes_batches or self.batch is None else 1, *([-1] if per_frame else [])]
        spec = TensorSpec(name=self.name, data_type=self.data_type, shape=[*leading, *axes.outside])
        if not axes.is_plain:
            spec.layout.CopyFrom(self.layout())
        return spec

    def layout(self) -> Layout:
        """Say where the graph has its axes."""
        return Layout(
            batch_axis=NONE if self.batch is None else self.batch,
            time_axis=NONE if self.time is None else self.time,
            other_axes=self.others if self.others != self.outside else (),
        )

    @property
    def outside(self) -> tuple[int, ...]:
        """Sizes of the axes beside batch and time, as everything but the graph sees them."""
        return self.client_others if self.others else ()

    def client(self, *, per_frame: bool) -> Axes:
        """Say where the axes are for a client of the Open Inference Protocol."""
        return Axes(
            batch=self.client_batch,
            time=self.client_time,
            per_frame=per_frame,
            outside=self.outside,
            inside=self.client_others,
        )

    def _axes(self, *, per_frame: bool) -> Axes:
        return Axes(batch=self.batch, time=self.time, per_frame=per_frame, outside=self.outside, inside=self.others)
