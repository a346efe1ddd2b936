"""What a configuration leaves out, taken from the graph; without any, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from service.loading.model_config.graph_tensors import GraphTensor, GraphTensors

# Rows of a run where nobody says how many: what `soloist export` writes too.
_MAX_BATCH_SIZE = 64


def infer(graph: GraphTensors) -> oip.ModelConfig:
    """Make the configuration of a graph without any: the first axis is the batch where it varies in every tensor.

    It knows no states: which output becomes which input, no graph tells.

    Raises:
        ManifestError: a tensor doesn't hold numbers.

    """
    tensors = [*graph.inputs.values(), *graph.outputs.values()]
    batched = all(tensor.sizes[:1] == (-1,) for tensor in tensors)
    config = oip.ModelConfig(max_batch_size=_MAX_BATCH_SIZE if batched else 0)
    complete(config, graph)
    return config


def complete(config: oip.ModelConfig, graph: GraphTensors) -> None:
    """Add the inputs that the graph needs, outputs where none are told, types and sizes.

    Raises:
        ManifestError: a tensor isn't in the graph, or doesn't hold numbers.

    """
    sequences = config.sequence_batching
    told = {each.name for each in config.input} | {each.name for each in sequences.control_input}
    told |= {each.input_name for each in sequences.state}
    for name in graph.inputs:
        if name not in told:
            config.input.add(name=name)
    carried = {each.output_name for each in sequences.state}
    if not any(each.name not in carried for each in config.output):
        for name, tensor in graph.outputs.items():
            if name not in carried and tensor.is_supported:
                config.output.add(name=name)
    batched = config.max_batch_size > 0
    for each in config.input:
        _fill(each, graph.input(each.name), batched=batched)
    for output in config.output:
        _fill(output, graph.output(output.name), batched=batched)
    for state in sequences.state:
        found = graph.input(state.input_name)
        state.data_type = state.data_type or found.data_type
        if not state.dims:
            state.dims.extend(found.sizes[batched:])


def _fill(tensor: oip.ModelInput | oip.ModelOutput, found: GraphTensor, *, batched: bool) -> None:
    tensor.data_type = tensor.data_type or found.data_type
    if not tensor.dims:
        sizes = found.sizes[batched:]
        tensor.dims.extend(sizes or (1,))
        if not sizes and not tensor.HasField("reshape"):
            tensor.reshape.SetInParent()
