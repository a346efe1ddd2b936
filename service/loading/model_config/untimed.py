"""A configuration that leaves open which axis is time, held against the graph: its tensors as they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.files import read_regular
from service.core.tensors import DTYPES, encode
from service.engine.untimed import Untimed, WholeState, WholeTensor
from service.loading.manifest import ManifestError
from service.loading.model_config.controls import control_specs
from service.loading.model_config.datatypes import data_type_of
from service.loading.model_config.file import FILE, is_file_name
from service.loading.model_config.told import held_against
from soloist.v1.model_pb2 import InputSpec, Signature, StateSpec
from soloist.v1.tensor_pb2 import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from service.loading.model_config.graph_tensors import GraphTensor, GraphTensors
    from service.loading.model_config.parameters import Parameters
    from soloist.oip import model_config_pb2 as oip


def read_untimed(config: oip.ModelConfig, parameters: Parameters, graph: GraphTensors, folder: Path | None) -> Untimed:
    """Read a complete configuration; files with initial states lie in `folder`.

    Raises:
        ManifestError: it contradicts the graph.

    """
    sequences, batched = config.sequence_batching, config.max_batch_size > 0
    states = [_state(each, graph, folder, batched=batched) for each in sequences.state]
    controls = control_specs(sequences.control_input, parameters, graph, batched=batched)
    elsewhere = {each.input_name for each in sequences.state} | {each.name for each in sequences.control_input}
    inputs = [_input(each, parameters, graph, batched=batched) for each in config.input if each.name not in elsewhere]
    carried = {each.output_name for each in sequences.state}
    outputs = [_tensor(o, graph.output(o.name), batched=batched) for o in config.output if o.name not in carried]
    if not outputs:
        raise ManifestError(f"{FILE}: there is no output beside the states")
    _all_named([*(each.name for each in inputs), *elsewhere], graph)
    return Untimed(
        max_batch_size=config.max_batch_size,
        inputs=inputs,
        outputs=outputs,
        states=states,
        controls=[(each, _control(each.tensor, graph, batched=batched)) for each in controls],
        constants={
            each.name: _constant(each, parameters.constant(each.name), batched=batched)
            for each in inputs
            if parameters.is_constant(each.name)
        },
    )


def signature_of(untimed: Untimed) -> Signature:
    """Say it as a signature does: without frames, and every tensor with all of its axes."""
    signature = Signature(
        inputs=[InputSpec(tensor=_spec(each), optional=each.optional) for each in untimed.inputs],
        extra_outputs=[_spec(each) for each in untimed.outputs],
        controls=[control for control, _ in untimed.controls],
    )
    for each in signature.inputs:
        if each.tensor.name in untimed.constants:
            each.constant.CopyFrom(encode(untimed.constants[each.tensor.name]))
    for state in untimed.states:
        spec = _spec(state.tensor)
        signature.states.append(
            StateSpec(
                name=spec.name,
                input=spec.name,
                output=state.output,
                data_type=spec.data_type,
                shape=state.initial.shape,
            )
        )
    return signature


def _input(each: oip.ModelInput, parameters: Parameters, graph: GraphTensors, *, batched: bool) -> WholeTensor:
    if each.optional and not parameters.is_constant(each.name) and each.name not in graph.defaults:
        raise ManifestError(
            f"{FILE}: input {each.name!r} is optional, and the graph has no value for it (an initializer of that name)"
        )
    return _tensor(each, graph.input(each.name), batched=batched, optional=each.optional)


def _tensor(
    told: oip.ModelInput | oip.ModelOutput, found: GraphTensor, *, batched: bool, optional: bool = False
) -> WholeTensor:
    leading = (-1,) if batched and (found.sizes or told.dims) else ()
    shape = leading + tuple(told.dims)
    inside = leading + tuple(told.reshape.shape) if told.HasField("reshape") else shape
    if told.HasField("reshape") and not _holds_as_many(shape, inside):
        raise ManifestError(f"{FILE}: {told.name!r} can't be reshaped from {list(told.dims)} to {list(inside)}")
    dtype = _dtype(told.name, told.data_type, found)
    sizes = held_against(told.name, list(inside), found, batched=batched)
    # What the graph knows of a size, callers have to keep to.
    return WholeTensor(
        name=told.name,
        dtype=dtype,
        shape=shape if told.HasField("reshape") else sizes,
        inside=inside if told.HasField("reshape") else sizes,
        optional=optional,
    )


def _dtype(name: str, data_type: oip.DataType.ValueType, found: GraphTensor) -> np.dtype[Any]:
    if data_type != found.data_type:
        raise ManifestError(f"{FILE}: {name!r} is of another type in the graph: {found.type}")
    return DTYPES[data_type_of(name, data_type)]


def _holds_as_many(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one.count(-1) == other.count(-1) and abs(math.prod(one)) == abs(math.prod(other))


def _state(
    told: oip.ModelSequenceBatching.State, graph: GraphTensors, folder: Path | None, *, batched: bool
) -> WholeState:
    before, behind = graph.input(told.input_name), graph.output(told.output_name)
    if before.data_type != behind.data_type:
        raise ManifestError(
            f"state {before.name!r} is {before.type} and comes back from {behind.name!r} as {behind.type}"
        )
    if len(told.initial_state) > 1:
        raise ManifestError(f"{FILE}: state {told.input_name!r} begins in {len(told.initial_state)} ways")
    dtype = _dtype(before.name, told.data_type, before)
    initial = next(iter(told.initial_state), None)
    dims = initial.dims if initial is not None and initial.dims else told.dims
    # As elsewhere: a size that isn't told is 1 before the first request.
    sizes = [1 if size == -1 else size for size in dims]
    leading = [-1] if batched else []
    held = held_against(before.name, [*leading, *(told.dims or sizes)], before, batched=batched)
    held_against(before.name, [*leading, *sizes], before, batched=batched)
    array = np.zeros(([1] if batched else []) + sizes, dtype)
    if initial is not None and initial.WhichOneof("state_data") == "data_file":
        array = _from_file(before.name, initial.data_file, array, folder)
    array.setflags(write=False)
    tensor = WholeTensor(name=before.name, dtype=dtype, shape=held, inside=held, optional=True)
    return WholeState(tensor=tensor, output=told.output_name, initial=array)


def _from_file(name: str, file: str, like: NDArray[Any], folder: Path | None) -> NDArray[Any]:
    if folder is None or not is_file_name(file):
        raise ManifestError(f"{FILE}: state {name!r} begins from {file!r}, which is no file of initial_state/")
    try:
        content = read_regular(folder / file)
    except OSError as error:
        raise ManifestError(f"{FILE}: state {name!r} begins from {file}: {error.strerror}") from error
    if len(content) != like.nbytes:
        raise ManifestError(f"{file} has {len(content)} bytes, state {name!r} takes {like.nbytes}")
    return np.frombuffer(content, like.dtype).reshape(like.shape).copy()


def _control(spec: TensorSpec, graph: GraphTensors, *, batched: bool) -> WholeTensor:
    sizes = graph.input(spec.name).sizes or ((-1, 1) if batched else (1,))
    return WholeTensor(name=spec.name, dtype=DTYPES[spec.data_type], shape=sizes, inside=sizes)


def _constant(tensor: WholeTensor, value: Any, *, batched: bool) -> NDArray[Any]:
    shape = tensor.inside[batched:]
    try:
        exact = np.asarray(value)
        array = exact.astype(tensor.dtype)
        if -1 in shape or (array.dtype.kind in "iub" and not (array == exact).all()):
            raise ManifestError(f"{FILE}: the constant for {tensor.name!r} doesn't fit {tensor.dtype} {list(shape)}")
        return array.reshape(shape) if array.size == math.prod(shape) else np.broadcast_to(array, shape)
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{FILE}: the constant for {tensor.name!r} doesn't fit: {error}") from error


def _all_named(told: Collection[str], graph: GraphTensors) -> None:
    missing: Iterable[str] = sorted(set(graph.inputs) - set(told))
    if missing:
        raise ManifestError(f"{FILE}: nothing is said of the inputs {', '.join(missing)}")


def _spec(tensor: WholeTensor) -> TensorSpec:
    data_type = next(number for number, dtype in DTYPES.items() if dtype == tensor.dtype)
    return TensorSpec(name=tensor.name, data_type=data_type, shape=tensor.shape)
