"""A tensor of a configuration, resolved against the graph: its axes in the graph, for clients, and for our code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.engine.layout import NONE, Axes
from service.loading.manifest import ManifestError
from service.loading.model_config.file import ConfigError, element_type
from soloist.v1.tensor_pb2 import Layout, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.loading.model_config.graph_tensors import GraphTensor
    from soloist.oip import model_config_pb2 as oip
    from soloist.v1.tensor_pb2 import DataType

_BATCH, _TIME = "batch", "time"


class TimeAxisUnknownError(ConfigError):
    """Several axes vary and none is named as time, or a state grows, so that a chunk is more than its frames."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor whose axes are known: the `sizes` of all axes in the graph; which are `batch`, `time` and the `others`.

    `client_…` are the axes as clients of the Open Inference Protocol see them.
    """

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
        """Return the frames that the graph takes per run: -1 for any number, 1 without a time axis."""
        return 1 if self.time is None else self.sizes[self.time]

    @property
    def takes_batches(self) -> bool:
        """Return whether rows can share a run."""
        return self.batch is not None and self.sizes[self.batch] != 1

    def spec(self, *, per_frame: bool) -> TensorSpec:
        """Return the tensor for a signature."""
        axes = self._axes(per_frame=per_frame)
        leading = [-1 if self.takes_batches or self.batch is None else 1, *([-1] if per_frame else [])]
        spec = TensorSpec(name=self.name, data_type=self.data_type, shape=[*leading, *axes.outside])
        if not axes.is_plain:
            spec.layout.CopyFrom(self.layout())
        return spec

    def layout(self) -> Layout:
        """Return the order of its axes in the graph."""
        return Layout(
            batch_axis=NONE if self.batch is None else self.batch,
            time_axis=NONE if self.time is None else self.time,
            other_axes=self.others if self.others != self.outside else (),
        )

    @property
    def outside(self) -> tuple[int, ...]:
        """Return the sizes of the axes other than batch and time, as all code outside the graph sees them."""
        return self.client_others if self.others else ()

    def client(self, *, per_frame: bool) -> Axes:
        """Return the axes for a client of the Open Inference Protocol."""
        return Axes(
            batch=self.client_batch,
            time=self.client_time,
            per_frame=per_frame,
            outside=self.outside,
            inside=self.client_others,
        )

    def _axes(self, *, per_frame: bool) -> Axes:
        return Axes(batch=self.batch, time=self.time, per_frame=per_frame, outside=self.outside, inside=self.others)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The declaration of one tensor. If `batched`, `dims` leave the batch axis out.

    `reshape` is None if the graph has `dims` themselves. `layout` has a word for each axis of the graph's tensor, None
    for the usual ones. `has_time` says whether an axis that varies may be time.
    """

    name: str
    data_type: oip.DataType.ValueType
    dims: tuple[int, ...]
    reshape: tuple[int, ...] | None
    layout: Sequence[str] | None
    batched: bool
    has_time: bool


def resolve(declared: Declaration, found: GraphTensor) -> Tensor:
    """Return a tensor with its axes.

    Raises:
        ManifestError: the declaration contradicts the graph or itself, or doesn't name the time axis.

    """
    inner = declared.dims if declared.reshape is None else declared.reshape
    rank = len(inner) + declared.batched
    if declared.layout is not None:
        batch, time, inner = _by_words(declared, inner)
    else:
        if declared.batched and not found.sizes and not inner:
            rank = 0  # a scalar, which can't differ between rows
        batch = 0 if declared.batched and rank else None
        time = _usual_time(declared, inner)
    sizes = list(inner)
    if declared.batched and batch is not None:
        sizes.insert(batch, -1)
    resolved = merged_sizes(declared.name, sizes, found, batched=declared.batched)
    if batch is not None and resolved[batch] > 1:
        raise ManifestError(f"{declared.name!r} always has {resolved[batch]} rows in the graph")
    return _tensor(declared, resolved, batch, time)


def _by_words(declared: Declaration, inner: tuple[int, ...]) -> tuple[int | None, int | None, tuple[int, ...]]:
    words = list(declared.layout or ())
    for word in (_BATCH, _TIME):
        if words.count(word) > 1:
            raise ConfigError(f"the layout of {declared.name!r} has two {word} axes")
    batch, time = (words.index(word) if word in words else None for word in (_BATCH, _TIME))
    if not words and inner == (1,):
        inner = ()
    if len(words) != len(inner) + (declared.batched and batch is not None):
        raise ConfigError(
            f"the layout of {declared.name!r} has {len(words)} words, and its dims {list(inner)} don't fit them"
            f"{': they leave out the batch axis, since max_batch_size is above 0' if declared.batched else ''}"
        )
    if declared.reshape is not None and not declared.batched and batch is not None:
        raise ConfigError(f"{declared.name!r} is reshaped, so it can't have a batch axis in its dims")
    if time is not None and not declared.has_time:
        raise ConfigError(f"{declared.name!r} has a time axis in its layout, which nothing here can follow")
    return batch, time, inner


def _usual_time(declared: Declaration, inner: tuple[int, ...]) -> int | None:
    if not declared.has_time or -1 not in inner:
        return None
    if declared.batched:
        return 1 + inner.index(-1) if inner[0] == -1 or declared.reshape is not None else None
    if inner.count(-1) > 1:
        raise TimeAxisUnknownError(
            f"{declared.name!r} has several axes that vary, {list(inner)}: say which one is time, "
            f'and which one batch, by the parameter "layout.{declared.name}", for instance "batch time feature"'
        )
    return inner.index(-1)


def merged_sizes(name: str, sizes: list[int], found: GraphTensor, *, batched: bool) -> tuple[int, ...]:
    """Return the sizes of a tensor's axes, from the declaration and the graph; -1 if neither has it.

    Raises:
        ManifestError: they contradict each other.

    """
    if not found.sizes:
        return tuple(sizes)
    fits = len(sizes) == len(found.sizes)
    if not fits or any(-1 not in pair and pair[0] != pair[1] for pair in zip(sizes, found.sizes, strict=True)):
        batch = ", its batch axis included" if batched else ""
        raise ConfigError(f"{name!r} has shape {sizes} by its dims{batch}, and {list(found.sizes)} in the graph")
    return tuple(max(pair) for pair in zip(sizes, found.sizes, strict=True))


def _tensor(declared: Declaration, sizes: tuple[int, ...], batch: int | None, time: int | None) -> Tensor:
    others = tuple(size for axis, size in enumerate(sizes) if axis not in (batch, time))
    if declared.reshape is None:
        client_others = others if others or declared.dims != (1,) or time is not None else declared.dims
        client_time = time
        if declared.batched and time is not None:
            client_time = time + (batch is None or time < batch)
    else:
        client_time = declared.dims.index(-1) + declared.batched if time is not None else None
        client_others = tuple(
            size for axis, size in enumerate(declared.dims, int(declared.batched)) if axis != client_time
        )
    return Tensor(
        name=declared.name,
        data_type=element_type(declared.name, declared.data_type).data_type,
        sizes=sizes,
        batch=batch,
        time=time,
        others=others,
        client_batch=0 if declared.batched else batch,
        client_time=client_time,
        client_others=client_others,
    )
