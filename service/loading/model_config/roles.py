"""The roles of the tensors in a configuration: the sequence, and the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.loading.model_config.file import ConfigError
from service.loading.model_config.parameters import Parameters
from service.loading.model_config.tensor import Declaration, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.loading.model_config.graph_tensors import GraphTensors
    from service.loading.model_config.tensor import Tensor
    from soloist.oip import model_config_pb2 as oip


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The tensors of a model without its states and controls; `inputs` are its auxiliary inputs."""

    frames: Tensor
    length: Tensor | None
    inputs: Sequence[tuple[Tensor, oip.ModelInput]]
    outputs: Sequence[Tensor]

    @property
    def frames_per_run(self) -> int:
        """Return how many frames the graph takes per run; 0 for any number."""
        return max(0, self.frames.time_size)

    @property
    def steps_one_frame(self) -> bool:
        """Return whether the graph has no time axis; then its other inputs have none either."""
        return self.frames.time is None


class Reader:
    """The reader of the tensors of one complete configuration."""

    def __init__(self, config: oip.ModelConfig, graph: GraphTensors) -> None:
        self.parameters = Parameters(config.parameters)
        self.batched = config.max_batch_size > 0
        self._config = config
        self._graph = graph
        sequences = config.sequence_batching
        not_inputs = {state.input_name for state in sequences.state} | {each.name for each in sequences.control_input}
        # Those that are no state and no control.
        self.inputs = [each.name for each in config.input if each.name not in not_inputs]

    def roles(self) -> Roles:
        """Return every tensor in its role.

        Raises:
            ManifestError: there is no sequence or no output, or a tensor contradicts the graph.

        """
        inputs = [each for each in self._config.input if each.name in self.inputs]
        length = next((each for each in inputs if each.name == self.parameters.length_input), None)
        others = [each for each in inputs if each is not length]
        frames = self._frames([each for each in others if not self.parameters.is_constant(each.name)])
        has_time = frames.time is not None
        carried = {state.output_name for state in self._config.sequence_batching.state}
        outputs = [
            self.tensor(each, has_time=has_time or self._names_time(each.name), is_output=True)
            for each in self._config.output
            if each.name not in carried
        ]
        if not outputs:
            raise ConfigError("there is no output except the states")
        return Roles(
            frames=frames,
            length=self.tensor(length, has_time=False) if length is not None else None,
            inputs=[(self.tensor(each, has_time=has_time), each) for each in others if each.name != frames.name],
            outputs=outputs,
        )

    def tensor(self, each: oip.ModelInput | oip.ModelOutput, *, has_time: bool, is_output: bool = False) -> Tensor:
        """Return an input or output with its axes.

        Raises:
            ManifestError: it contradicts the graph.

        """
        declaration = Declaration(
            name=each.name,
            data_type=each.data_type,
            dims=tuple(each.dims),
            reshape=tuple(each.reshape.shape) if each.HasField("reshape") else None,
            layout=self.parameters.layout(each.name),
            batched=self.batched,
            has_time=has_time,
        )
        return resolve(declaration, self._graph.output(each.name) if is_output else self._graph.input(each.name))

    def _frames(self, candidates: Sequence[oip.ModelInput]) -> Tensor:
        named = self.parameters.frames_input
        if named:
            candidates = [each for each in candidates if each.name == named]
        if not candidates:
            raise ConfigError(f"there is no input that could be the sequence{f', {named!r}' if named else ''}")
        needed = [each for each in candidates if not each.optional] or candidates
        found = [self.tensor(each, has_time=True) for each in needed]
        return next((each for each in found if each.time is not None), found[0])

    def _names_time(self, tensor: str) -> bool:
        return "time" in (self.parameters.layout(tensor) or ())
