"""From what is told of one tensor, and what the graph says, to where its axes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.loading.manifest import ManifestError
from service.loading.model_config.datatypes import data_type_of
from service.loading.model_config.file import FILE
from service.loading.model_config.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.loading.model_config.graph_tensors import GraphTensor
    from soloist.oip import model_config_pb2 as oip

_BATCH, _TIME = "batch", "time"


class TimeAxisUnknownError(ManifestError):
    """Several axes vary, and nothing says which one is time; or a state grows, so that a chunk is more than a frame."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is told of one tensor. `dims` are without the batch axis when `batched`; `reshape` None: the graph has them.

    `layout` has a word for each axis of the graph's tensor, None: the usual ones. `has_time` tells whether an axis that
    varies may be time.
    """

    name: str
    data_type: oip.DataType.ValueType
    dims: tuple[int, ...]
    reshape: tuple[int, ...] | None
    layout: Sequence[str] | None
    batched: bool
    has_time: bool


def resolve(told: Told, found: GraphTensor) -> Tensor:
    """Find a tensor's axes.

    Raises:
        ManifestError: what is told contradicts the graph or itself, or leaves open which axis is time.

    """
    inner = told.dims if told.reshape is None else told.reshape
    rank = len(inner) + told.batched
    if told.layout is not None:
        batch, time, inner = _by_words(told, inner)
    else:
        if told.batched and not found.sizes and not inner:
            rank = 0  # a scalar: rows can't have one each
        batch = 0 if told.batched and rank else None
        time = _usual_time(told, inner)
    sizes = list(inner)
    if told.batched and batch is not None:
        sizes.insert(batch, -1)
    resolved = held_against(told.name, sizes, found, batched=told.batched)
    if batch is not None and resolved[batch] > 1:
        raise ManifestError(f"{told.name!r} has {resolved[batch]} rows in the graph, always")
    return _tensor(told, resolved, batch, time)


def _by_words(told: Told, inner: tuple[int, ...]) -> tuple[int | None, int | None, tuple[int, ...]]:
    words = list(told.layout or ())
    for word in (_BATCH, _TIME):
        if words.count(word) > 1:
            raise ManifestError(f"{FILE}: the layout of {told.name!r} has two {word} axes")
    batch, time = (words.index(word) if word in words else None for word in (_BATCH, _TIME))
    if not words and inner == (1,):
        inner = ()
    if len(words) != len(inner) + (told.batched and batch is not None):
        raise ManifestError(
            f"{FILE}: the layout of {told.name!r} has {len(words)} words, and its dims {list(inner)} don't fit them"
            f"{': they leave out the batch axis, since max_batch_size is above 0' if told.batched else ''}"
        )
    if told.reshape is not None and not told.batched and batch is not None:
        raise ManifestError(f"{FILE}: {told.name!r} is reshaped, so it can't have a batch axis in its dims")
    if time is not None and not told.has_time:
        raise ManifestError(f"{FILE}: {told.name!r} has a time axis in its layout, which nothing here can follow")
    return batch, time, inner


def _usual_time(told: Told, inner: tuple[int, ...]) -> int | None:
    if not told.has_time or -1 not in inner:
        return None
    if told.batched:
        return 1 + inner.index(-1) if inner[0] == -1 or told.reshape is not None else None
    if inner.count(-1) > 1:
        raise TimeAxisUnknownError(
            f"{FILE}: {told.name!r} has several axes that vary, {list(inner)}: say which one is time, "
            f'and which one batch, by the parameter "layout.{told.name}", for instance "batch time feature"'
        )
    return inner.index(-1)


def held_against(name: str, sizes: list[int], found: GraphTensor, *, batched: bool) -> tuple[int, ...]:
    """Give the sizes of a tensor's axes, from what is told and what the graph says; -1 where neither does.

    Raises:
        ManifestError: they contradict each other.

    """
    if not found.sizes:
        return tuple(sizes)
    fits = len(sizes) == len(found.sizes)
    if not fits or any(-1 not in pair and pair[0] != pair[1] for pair in zip(sizes, found.sizes, strict=True)):
        batch = ", its batch axis included" if batched else ""
        raise ManifestError(
            f"{FILE}: {name!r} has shape {sizes} by its dims{batch}, and {list(found.sizes)} in the graph"
        )
    return tuple(max(pair) for pair in zip(sizes, found.sizes, strict=True))


def _tensor(told: Told, sizes: tuple[int, ...], batch: int | None, time: int | None) -> Tensor:
    others = tuple(size for axis, size in enumerate(sizes) if axis not in (batch, time))
    if told.reshape is None:
        client_others = others if others or told.dims != (1,) or time is not None else told.dims
        client_time = time
        if told.batched and time is not None:
            client_time = time + (batch is None or time < batch)
    else:
        client_time = told.dims.index(-1) + told.batched if time is not None else None
        client_others = tuple(size for axis, size in enumerate(told.dims, int(told.batched)) if axis != client_time)
    return Tensor(
        name=told.name,
        data_type=data_type_of(told.name, told.data_type),
        sizes=sizes,
        batch=batch,
        time=time,
        others=others,
        client_batch=0 if told.batched else batch,
        client_time=client_time,
        client_others=client_others,
    )
