"""The tensors of a graph as ONNX Runtime reports them, and a configuration completed from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.loading.manifest import ManifestError
from service.loading.model_config.file import ConfigError
from soloist.data_types import BY_ONNX_TYPE
from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.engine.onnx_runtime import ort

# The default number of rows in a run, which `soloist export` writes, too.
MAX_BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class GraphTensor:
    """A tensor. `sizes` are those of its axes, -1 varies; empty for a scalar, and if the graph doesn't say."""

    name: str
    type: str
    sizes: tuple[int, ...]

    @property
    def data_type(self) -> oip.DataType.ValueType:
        """Return the element type as a configuration has it.

        Raises:
            ManifestError: the server doesn't support this type, for instance strings.

        """
        if not self.is_supported:
            raise ManifestError(f"{self.name!r} is {self.type} in the graph, which is not supported")
        return oip.DataType.Value(BY_ONNX_TYPE[self.type].config_type)

    @property
    def is_supported(self) -> bool:
        """Return whether its elements are numbers."""
        return self.type in BY_ONNX_TYPE


@dataclass(frozen=True, kw_only=True)
class GraphTensors:
    """All tensors of one graph by name; `defaults` are optional inputs."""

    inputs: dict[str, GraphTensor]
    defaults: dict[str, GraphTensor]
    outputs: dict[str, GraphTensor]

    @classmethod
    def of(cls, session: ort.InferenceSession) -> GraphTensors:
        """Return the tensors of a session."""
        return cls(
            inputs=_by_name(session.get_inputs()),
            defaults=_by_name(session.get_overridable_initializers()),
            outputs=_by_name(session.get_outputs()),
        )

    def input(self, name: str) -> GraphTensor:
        """Return an input.

        Raises:
            ManifestError: there is none of that name.

        """
        found = self.inputs.get(name) or self.defaults.get(name)
        if found is None:
            known = ", ".join(sorted([*self.inputs, *self.defaults]))
            raise ConfigError(f"the graph has no input {name!r}; it has {known}")
        return found

    def output(self, name: str) -> GraphTensor:
        """Return an output.

        Raises:
            ManifestError: there is none of that name.

        """
        if name not in self.outputs:
            raise ConfigError(f"the graph has no output {name!r}; it has {', '.join(sorted(self.outputs))}")
        return self.outputs[name]


def _by_name(found: Iterable[ort.NodeArg]) -> dict[str, GraphTensor]:
    return {
        each.name: GraphTensor(
            name=each.name,
            type=each.type,
            sizes=tuple(size if isinstance(size, int) and size >= 0 else -1 for size in each.shape or ()),
        )
        for each in found
    }


def infer(graph: GraphTensors) -> oip.ModelConfig:
    """Return the configuration of a graph that has none: the first axis is the batch if it varies in every tensor.

    It has no states, since a graph doesn't tell which output becomes which input.

    Raises:
        ManifestError: a tensor doesn't hold numbers.

    """
    tensors = [*graph.inputs.values(), *graph.outputs.values()]
    batched = all(tensor.sizes[:1] == (-1,) for tensor in tensors)
    config = oip.ModelConfig(max_batch_size=MAX_BATCH_SIZE if batched else 0)
    complete(config, graph)
    return config


def complete(config: oip.ModelConfig, graph: GraphTensors) -> None:
    """Complete a configuration: inputs that the graph needs, all outputs if it has none, types, sizes.

    Raises:
        ManifestError: a tensor isn't in the graph, or doesn't hold numbers.

    """
    sequences = config.sequence_batching
    declared = {each.name for each in config.input} | {each.name for each in sequences.control_input}
    declared |= {each.input_name for each in sequences.state}
    for name in graph.inputs:
        if name not in declared:
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
