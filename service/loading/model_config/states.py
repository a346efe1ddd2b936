"""States: paired by name, of any layout and type, and what they are before the first frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from service.core.files import read_regular
from service.core.tensors import DTYPES
from service.loading.manifest import ManifestError
from service.loading.model_config.file import FILE, is_file_name
from service.loading.model_config.told import TimeAxisUnknownError, Told, resolve
from soloist.v1.model_pb2 import StateSpec
from soloist.v1.tensor_pb2 import Tensor as TensorMessage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from service.loading.model_config.graph_tensors import GraphTensors
    from service.loading.model_config.parameters import Parameters
    from service.loading.model_config.tensor import Tensor
    from soloist.oip import model_config_pb2 as oip

FOLDER = "initial_state"


class States:
    """Those of one configuration, in order."""

    def __init__(
        self,
        told: Iterable[oip.ModelSequenceBatching.State],
        parameters: Parameters,
        graph: GraphTensors,
        *,
        batched: bool,
    ) -> None:
        self._told = list(told)
        self._parameters, self._graph, self._batched = parameters, graph, batched
        self.tensors = [self._tensor(state) for state in self._told]

    def specs(self, folder: Path | None) -> list[StateSpec]:
        """Say them as a signature does; files with initial states lie in `folder`.

        Raises:
            ManifestError: two states share a tensor, or an initial state isn't there or doesn't fit.

        """
        names = [name for state in self._told for name in (state.input_name, state.output_name)]
        for name in names:
            if names.count(name) > 1:
                raise ManifestError(f"{FILE}: {name!r} belongs to two states")
        return [
            _spec(state, tensor, _initial(state, tensor, folder))
            for state, tensor in zip(self._told, self.tensors, strict=True)
        ]

    def _tensor(self, state: oip.ModelSequenceBatching.State) -> Tensor:
        before, behind = self._graph.input(state.input_name), self._graph.output(state.output_name)
        if before.data_type != behind.data_type:
            raise ManifestError(
                f"state {before.name!r} is {before.type} and comes back from {behind.name!r} as {behind.type}"
            )
        layouts = [self._parameters.layout(name) for name in (before.name, behind.name)]
        if None not in layouts and layouts[0] != layouts[1]:
            raise ManifestError(f"{FILE}: {before.name!r} and {behind.name!r} are one state, with two layouts")
        told = Told(
            name=before.name,
            data_type=state.data_type,
            dims=_sizes(state),
            reshape=None,
            layout=layouts[0] or layouts[1],
            batched=self._batched,
            has_time=False,
        )
        tensor = resolve(told, before)
        # What begins empty, or with a size that nobody tells, will be longer: the cache of an attention.
        if -1 in tensor.others or 0 in tensor.others:
            raise TimeAxisUnknownError(
                f"{FILE}: state {before.name!r} has no size: tell it by dims, or by those of initial_state"
            )
        _carries_over(before.name, tensor.sizes, behind.name, behind.sizes)
        return tensor


def _carries_over(before: str, sizes: tuple[int, ...], behind: str, found: tuple[int, ...]) -> None:
    fits = not found or len(found) == len(sizes)
    if not fits or any(-1 not in pair and pair[0] != pair[1] for pair in zip(sizes, found, strict=False)):
        raise ManifestError(
            f"state {before!r} is {list(sizes)} and can't come back from {behind!r}, which is {list(found)}"
        )


def _sizes(state: oip.ModelSequenceBatching.State) -> tuple[int, ...]:
    dims = tuple(state.dims)
    for initial in state.initial_state[:1]:
        if initial.dims and len(initial.dims) == len(dims):
            return tuple(told if size == -1 else size for size, told in zip(dims, initial.dims, strict=True))
    return dims


def _spec(state: oip.ModelSequenceBatching.State, tensor: Tensor, initial: bytes | None) -> StateSpec:
    spec = StateSpec(
        name=state.input_name,
        input=state.input_name,
        output=state.output_name,
        data_type=tensor.data_type,
        shape=tensor.outside,
    )
    if not tensor.spec(per_frame=False).HasField("layout"):
        spec.ClearField("layout")
    else:
        spec.layout.CopyFrom(tensor.layout())
    if initial is not None:
        spec.initial.CopyFrom(TensorMessage(data_type=tensor.data_type, shape=tensor.outside, data=initial))
    return spec


def _initial(state: oip.ModelSequenceBatching.State, tensor: Tensor, folder: Path | None) -> bytes | None:
    """Read what one row holds at first; None for zeros."""
    if len(state.initial_state) > 1:
        raise ManifestError(f"{FILE}: state {state.input_name!r} begins in {len(state.initial_state)} ways")
    for told in state.initial_state:
        if told.dims and math.prod(told.dims) != math.prod(tensor.outside):
            raise ManifestError(
                f"{FILE}: state {state.input_name!r} begins with shape {list(told.dims)}, and is {list(tensor.outside)}"
            )
        if told.WhichOneof("state_data") == "data_file":
            return _file(state.input_name, tensor, folder, told.data_file)
    return None


def _file(name: str, tensor: Tensor, folder: Path | None, file: str) -> bytes:
    if folder is None or not is_file_name(file):
        raise ManifestError(f"{FILE}: state {name!r} begins from {file!r}, which is no file of {FOLDER}/")
    expected = math.prod(tensor.outside) * DTYPES[tensor.data_type].itemsize
    try:
        content = read_regular(folder / file)
    except OSError as error:
        raise ManifestError(f"{FILE}: state {name!r} begins from {FOLDER}/{file}: {error.strerror}") from error
    if len(content) != expected:
        raise ManifestError(f"{FOLDER}/{file} has {len(content)} bytes, state {name!r} takes {expected}")
    return content
