"""The states: paired by name, of any layout and type, with their values before the first frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from service.loading.manifest import ManifestError
from service.loading.model_config.companion_files import read_initial_state
from service.loading.model_config.file import ConfigError, type_name
from service.loading.model_config.tensor import Declaration, TimeAxisUnknownError, resolve
from soloist.data_types import dtype_of
from soloist.oip import model_config_pb2 as oip
from soloist.v1.model_pb2 import StateSpec
from soloist.v1.tensor_pb2 import Tensor as TensorMessage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from service.loading.model_config.graph_tensors import GraphTensors
    from service.loading.model_config.parameters import Parameters
    from service.loading.model_config.tensor import Tensor


class States:
    """The states of one configuration, in order."""

    def __init__(
        self,
        declared: Iterable[oip.ModelSequenceBatching.State],
        parameters: Parameters,
        graph: GraphTensors,
        *,
        batched: bool,
    ) -> None:
        self._declared = list(declared)
        self._parameters, self._graph, self._batched = parameters, graph, batched
        self.tensors = [self._tensor(state) for state in self._declared]

    def specs(self, folder: Path | None) -> list[StateSpec]:
        """Return the states for a signature; `folder` is that of config.pbtxt.

        Raises:
            ManifestError: two states share a tensor, or an initial state is missing or doesn't fit.

        """
        names = [name for state in self._declared for name in (state.input_name, state.output_name)]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{name!r} belongs to two states")
        return [
            _spec(state, tensor, _initial(state, tensor, folder))
            for state, tensor in zip(self._declared, self.tensors, strict=True)
        ]

    def _tensor(self, state: oip.ModelSequenceBatching.State) -> Tensor:
        before, behind = self._graph.input(state.input_name), self._graph.output(state.output_name)
        if before.data_type != behind.data_type:
            raise ManifestError(
                f"state {before.name!r} is {before.type} and comes back from {behind.name!r} as {behind.type}"
            )
        layouts = [self._parameters.layout(name) for name in (before.name, behind.name)]
        if None not in layouts and layouts[0] != layouts[1]:
            raise ConfigError(f"{before.name!r} and {behind.name!r} are one state, with two layouts")
        declaration = Declaration(
            name=before.name,
            data_type=state.data_type,
            dims=_sizes(state),
            reshape=None,
            layout=layouts[0] or layouts[1],
            batched=self._batched,
            has_time=False,
        )
        tensor = resolve(declaration, before)
        # A state that begins empty, or with an unknown size, will grow: an attention cache.
        if -1 in tensor.others or 0 in tensor.others:
            raise TimeAxisUnknownError(
                f"state {before.name!r} has no size: give it by dims, or by those of initial_state"
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
            return tuple(first if size == -1 else size for size, first in zip(dims, initial.dims, strict=True))
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


def initial_of(state: oip.ModelSequenceBatching.State) -> oip.ModelSequenceBatching.InitialState | None:
    """Return how a state begins; None if that isn't declared.

    Raises:
        ManifestError: there are several, or one of another type or size than the state.

    """
    if len(state.initial_state) > 1:
        raise ConfigError(f"state {state.input_name!r} has {len(state.initial_state)} initial states")
    for initial in state.initial_state:
        if initial.data_type not in (oip.TYPE_INVALID, state.data_type):
            raise ConfigError(
                f"state {state.input_name!r} begins as {type_name(initial.data_type)}, "
                f"and is {type_name(state.data_type)}"
            )
        pairs = zip(initial.dims, state.dims, strict=False)
        if len(initial.dims) == len(state.dims) and any(-1 not in pair and pair[0] != pair[1] for pair in pairs):
            raise _of_another_shape(state, initial, state.dims)
        return initial
    return None


def _initial(state: oip.ModelSequenceBatching.State, tensor: Tensor, folder: Path | None) -> bytes | None:
    """Return the initial state of one row; None for zeros."""
    initial = initial_of(state)
    if initial is None:
        return None
    if initial.dims and math.prod(initial.dims) != math.prod(tensor.outside):
        raise _of_another_shape(state, initial, tensor.outside)
    if initial.WhichOneof("state_data") != "data_file":
        return None
    count, dtype = math.prod(tensor.outside), dtype_of(tensor.data_type)
    return read_initial_state(state.input_name, initial.data_file, folder, count, dtype).tobytes()


def _of_another_shape(
    state: oip.ModelSequenceBatching.State, initial: oip.ModelSequenceBatching.InitialState, shape: Iterable[int]
) -> ConfigError:
    return ConfigError(f"state {state.input_name!r} begins with shape {list(initial.dims)}, and is {list(shape)}")
