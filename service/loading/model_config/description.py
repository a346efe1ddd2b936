"""The manifest made from a configuration and a graph: the signature, and the view for clients of other servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.engine.layout import NONE
from service.loading.manifest import check
from service.loading.model_config.auxiliary_inputs import input_specs, is_per_frame
from service.loading.model_config.companion_files import read_labels
from service.loading.model_config.controls import control_specs, one_element
from service.loading.model_config.file import ConfigError, read
from service.loading.model_config.graph_tensors import GraphTensors, complete, infer
from service.loading.model_config.roles import Reader
from service.loading.model_config.states import States
from service.loading.model_config.tensor import TimeAxisUnknownError
from service.loading.model_config.untimed import read_untimed, signature_of
from soloist.data_types import dtype_of
from soloist.v1.model_pb2 import CONTROL_KIND_SEQUENCE_ID, Model, Signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from service.engine.layout import Axes
    from service.engine.onnx_runtime import ort
    from service.engine.untimed import Untimed
    from service.loading.model_config.parameters import Parameters
    from service.loading.model_config.roles import Roles
    from soloist.oip import model_config_pb2 as oip


@dataclass(frozen=True, kw_only=True)
class Description:
    """A manifest without accuracy and certificate, the whole configuration, and the clients' axes by tensor.

    `untimed` are the tensors as they are if the time axis is unknown; None if it is known.
    """

    model: Model
    config: oip.ModelConfig
    client_axes: Mapping[str, Axes]
    untimed: Untimed | None = None


def describe(config: Path | None, session: ort.InferenceSession) -> Description:
    """Describe a graph by a configuration file, or by the graph alone without one.

    Raises:
        ManifestError: the file can't be read, asks for what isn't supported, or doesn't describe this graph.

    """
    graph = GraphTensors.of(session)
    folder = config.parent if config is not None else None
    declared = read(config) if config is not None else infer(graph)
    complete(declared, graph)
    reader = Reader(declared, graph)
    reader.parameters.check(reader.inputs, [*graph.inputs, *graph.defaults, *graph.outputs])
    try:
        if _may_have_time(reader.parameters):
            return _timed(declared, reader, reader.roles(), graph, session, folder)
    except TimeAxisUnknownError:
        if reader.parameters.of_time:  # parameters about time must be complete
            raise
    return _as_it_is(declared, reader.parameters, graph, folder)


def _may_have_time(parameters: Parameters) -> bool:
    if not parameters.has_time_axis and parameters.of_time:
        raise ConfigError(f"parameter time_axis is false, but {parameters.of_time[0]} is about time")
    return parameters.has_time_axis


def _as_it_is(
    declared: oip.ModelConfig, parameters: Parameters, graph: GraphTensors, folder: Path | None
) -> Description:
    untimed = read_untimed(declared, parameters, graph, folder)
    model = Model(name=declared.name, causal=True, signature=signature_of(untimed))
    return Description(model=model, config=declared, client_axes={}, untimed=untimed)


def _timed(
    declared: oip.ModelConfig,
    reader: Reader,
    roles: Roles,
    graph: GraphTensors,
    session: ort.InferenceSession,
    folder: Path | None,
) -> Description:
    sequences = declared.sequence_batching
    states = States(sequences.state, reader.parameters, graph, batched=reader.batched)
    signature = Signature(
        frames=roles.frames.spec(per_frame=True),
        outputs=roles.outputs[0].spec(per_frame=True),
        extra_outputs=[tensor.spec(per_frame=True) for tensor in roles.outputs[1:]],
        inputs=input_specs(roles, reader.parameters, graph),
        states=states.specs(folder),
        controls=control_specs(sequences.control_input, reader.parameters, graph, batched=reader.batched),
        frames_per_run=roles.frames_per_run,
        token_count=_token_count(reader, roles),
    )
    if roles.length is not None:
        found = graph.input(roles.length.name)
        length = one_element(found.name, found.data_type, found, reader.parameters, batched=reader.batched)
        signature.length.CopyFrom(length)
    if not _takes_batches(roles, states, signature, declared):
        signature.frames.shape[0] = 1
    causal = reader.parameters.causal(default=bool(sequences.state) or roles.steps_one_frame)
    model = Model(name=declared.name, causal=causal, signature=signature, labels=_labels(declared, roles, folder))
    check(model, session)
    return Description(model=model, config=declared, client_axes=_client_axes(roles, states, reader))


def _token_count(reader: Reader, roles: Roles) -> int:
    count = reader.parameters.token_count
    if count and dtype_of(roles.frames.data_type).kind not in "iu":
        raise ConfigError(f"{roles.frames.name!r} doesn't hold whole numbers, so it has no tokens to count")
    return count


def _labels(declared: oip.ModelConfig, roles: Roles, folder: Path | None) -> list[str]:
    files = {output.name: output.label_filename for output in declared.output}
    return read_labels(roles.outputs[0], files[roles.outputs[0].name], folder)


def _takes_batches(roles: Roles, states: States, signature: Signature, declared: oip.ModelConfig) -> bool:
    """Return whether rows can share a run: every tensor has a batch axis, and inputs have one shape in all rows."""
    constant = {each.tensor.name for each in signature.inputs if each.HasField("constant")}
    sent = [tensor for tensor, _ in roles.inputs if tensor.name not in constant]
    return (
        declared.max_batch_size != 1
        and all(tensor.takes_batches for tensor in (roles.frames, *roles.outputs, *states.tensors, *sent))
        and not any(-1 in tensor.outside for tensor in (roles.frames, *sent))
        and not any(each.optional for each in signature.inputs)
        and not any(each.tensor.layout.batch_axis == NONE for each in signature.controls)
        and not any(each.kind == CONTROL_KIND_SEQUENCE_ID for each in signature.controls)
    )


def _client_axes(roles: Roles, states: States, reader: Reader) -> dict[str, Axes]:
    axes = {tensor.name: tensor.client(per_frame=True) for tensor in (roles.frames, *roles.outputs)}
    for tensor, _ in roles.inputs:
        axes[tensor.name] = tensor.client(per_frame=is_per_frame(tensor, roles, reader.parameters))
    axes |= {tensor.name: tensor.client(per_frame=False) for tensor in states.tensors}
    return axes
