"""A configuration without a known time axis, resolved against the graph: its tensors as they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.tensors import encode
from service.engine.untimed import Untimed, WholeState, WholeTensor
from service.loading.manifest import ManifestError
from service.loading.model_config.auxiliary_inputs import check_default, constant_array
from service.loading.model_config.companion_files import read_initial_state
from service.loading.model_config.controls import control_specs
from service.loading.model_config.file import ConfigError, element_type
from service.loading.model_config.states import initial_of
from service.loading.model_config.tensor import merged_sizes
from soloist.data_types import data_type_of, dtype_of
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
    """Read a complete configuration; `folder` is that of config.pbtxt.

    Raises:
        ManifestError: it contradicts the graph.

    """
    sequences, batched = config.sequence_batching, config.max_batch_size > 0
    states = [_state(each, graph, folder, batched=batched) for each in sequences.state]
    controls = control_specs(sequences.control_input, parameters, graph, batched=batched)
    not_inputs = {each.input_name for each in sequences.state} | {each.name for each in sequences.control_input}
    inputs = [_input(each, parameters, graph, batched=batched) for each in config.input if each.name not in not_inputs]
    carried = {each.output_name for each in sequences.state}
    outputs = [_tensor(o, graph.output(o.name), batched=batched) for o in config.output if o.name not in carried]
    if not outputs:
        raise ConfigError("there is no output except the states")
    _all_named([*(each.name for each in inputs), *not_inputs], graph)
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
    """Return the signature: without frames, and every tensor with all of its axes."""
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
    check_default(each, parameters, graph)
    return _tensor(each, graph.input(each.name), batched=batched, optional=each.optional)


def _tensor(
    declared: oip.ModelInput | oip.ModelOutput, found: GraphTensor, *, batched: bool, optional: bool = False
) -> WholeTensor:
    leading = (-1,) if batched and (found.sizes or declared.dims) else ()
    shape = leading + tuple(declared.dims)
    inside = leading + tuple(declared.reshape.shape) if declared.HasField("reshape") else shape
    if declared.HasField("reshape") and not _holds_as_many(shape, inside):
        raise ConfigError(f"{declared.name!r} can't be reshaped from {list(declared.dims)} to {list(inside)}")
    dtype = _dtype(declared.name, declared.data_type, found)
    sizes = merged_sizes(declared.name, list(inside), found, batched=batched)
    # A size that the graph fixes holds for callers, too.
    return WholeTensor(
        name=declared.name,
        dtype=dtype,
        shape=shape if declared.HasField("reshape") else sizes,
        inside=inside if declared.HasField("reshape") else sizes,
        optional=optional,
    )


def _dtype(name: str, data_type: oip.DataType.ValueType, found: GraphTensor) -> np.dtype[Any]:
    if data_type != found.data_type:
        raise ConfigError(f"{name!r} is of another type in the graph: {found.type}")
    return element_type(name, data_type).dtype


def _holds_as_many(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one.count(-1) == other.count(-1) and abs(math.prod(one)) == abs(math.prod(other))


def _state(
    declared: oip.ModelSequenceBatching.State, graph: GraphTensors, folder: Path | None, *, batched: bool
) -> WholeState:
    before, behind = graph.input(declared.input_name), graph.output(declared.output_name)
    if before.data_type != behind.data_type:
        raise ManifestError(
            f"state {before.name!r} is {before.type} and comes back from {behind.name!r} as {behind.type}"
        )
    dtype = _dtype(before.name, declared.data_type, before)
    initial = initial_of(declared)
    dims = initial.dims if initial is not None and initial.dims else declared.dims
    # As in other servers, an open size is 1 before the first request.
    sizes = [1 if size == -1 else size for size in dims]
    leading = [-1] if batched else []
    merged = merged_sizes(before.name, [*leading, *(declared.dims or sizes)], before, batched=batched)
    merged_sizes(before.name, [*leading, *sizes], before, batched=batched)
    array = np.zeros(([1] if batched else []) + sizes, dtype)
    if initial is not None and initial.WhichOneof("state_data") == "data_file":
        content = read_initial_state(before.name, initial.data_file, folder, array.size, dtype)
        array = content.reshape(array.shape).copy()
    array.setflags(write=False)
    tensor = WholeTensor(name=before.name, dtype=dtype, shape=merged, inside=merged, optional=True)
    return WholeState(tensor=tensor, output=declared.output_name, initial=array)


def _control(spec: TensorSpec, graph: GraphTensors, *, batched: bool) -> WholeTensor:
    sizes = graph.input(spec.name).sizes or ((-1, 1) if batched else (1,))
    return WholeTensor(name=spec.name, dtype=dtype_of(spec.data_type), shape=sizes, inside=sizes)


def _constant(tensor: WholeTensor, value: Any, *, batched: bool) -> NDArray[Any]:
    shape = tensor.inside[batched:]
    if -1 in shape:
        raise ConfigError(f"the constant for {tensor.name!r} doesn't fit {tensor.dtype} {list(shape)}")
    return constant_array(tensor.name, value, tensor.dtype, shape)


def _all_named(declared: Collection[str], graph: GraphTensors) -> None:
    missing: Iterable[str] = sorted(set(graph.inputs) - set(declared))
    if missing:
        raise ConfigError(f"config.pbtxt doesn't declare the inputs {', '.join(missing)}")


def _spec(tensor: WholeTensor) -> TensorSpec:
    return TensorSpec(name=tensor.name, data_type=data_type_of(tensor.dtype), shape=tensor.shape)
