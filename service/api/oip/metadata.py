"""The methods that describe server and models: ServerLive to ModelConfig."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from service.api.oip.model_view import ModelView
from service.core.errors import ServiceError
from service.loading.model_config import LENGTH_INPUT, MODEL_FILE, config_type_of
from soloist.data_types import oip_word_of
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip import model_config_pb2 as config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.api.oip.context import OipContext
    from service.api.oip.tensor_port import TensorPort
    from service.engine.untimed import WholeTensor
    from service.loading.servable import Servable
    from service.serving.call import Call

_NAME = "soloist"
_VERSION = version(_NAME)  # read from a file
_EXTENSIONS = ("sequence", "model_configuration", "model_repository", "statistics", "parameters", "binary_tensor_data")
_PLATFORM, _BACKEND = "onnxruntime_onnx", "onnxruntime"
_Sequences = config.ModelSequenceBatching


async def server_live(_context: OipContext, _call: Call, _request: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
    """Return that the server is live: it could not answer otherwise."""
    return pb.ServerLiveResponse(live=True)


async def server_ready(context: OipContext, _call: Call, _request: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
    """Return whether the server takes calls."""
    return pb.ServerReadyResponse(ready=not context.health.why_not_ready)


async def model_ready(context: OipContext, call: Call, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
    """Return whether a model can be called; a missing one can't."""
    try:
        servable = context.resolve(request.name, request.version)
    except ServiceError:
        return pb.ModelReadyResponse(ready=False)
    call.model, call.version = servable.name, str(servable.version)
    return pb.ModelReadyResponse(ready=True)


async def server_metadata(
    _context: OipContext, _call: Call, _request: pb.ServerMetadataRequest
) -> pb.ServerMetadataResponse:
    """Return name, version, and extensions of the protocol."""
    return pb.ServerMetadataResponse(name=_NAME, version=_VERSION, extensions=_EXTENSIONS)


async def model_metadata(context: OipContext, call: Call, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
    """Return the ready versions, and every tensor that a client may send and will get.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    servable = _found(context, call, request.name, request.version)
    view = context.view(servable)
    entries = context.serving.repository.entries()
    return pb.ModelMetadataResponse(
        name=servable.name,
        versions=[str(each.version) for each in entries if each.name == servable.name and each.servable is not None],
        platform=_PLATFORM,
        inputs=_tensors(view.inputs),
        outputs=_tensors(view.outputs),
    )


async def model_config(context: OipContext, call: Call, request: pb.ModelConfigRequest) -> pb.ModelConfigResponse:
    """Return the configuration that the model is served with.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    servable = _found(context, call, request.name, request.version)
    if servable.description is not None:
        result = config.ModelConfig(platform=_PLATFORM, backend=_BACKEND, default_model_filename=_file_of(servable))
        result.MergeFrom(servable.description.config)
        result.name = servable.name
        if result.HasField("sequence_batching"):
            idle_seconds = servable.idle_seconds(context.sequences.idle_seconds)
            result.sequence_batching.max_sequence_idle_microseconds = round(idle_seconds * 1e6)
        return pb.ModelConfigResponse(config=result)
    return pb.ModelConfigResponse(config=_own_config(context, servable))


def _own_config(context: OipContext, servable: Servable) -> config.ModelConfig:
    view = ModelView(servable)
    result = config.ModelConfig(
        name=servable.name,
        platform=_PLATFORM,
        backend=_BACKEND,
        max_batch_size=context.max_rows,
        default_model_filename=_file_of(servable),
        input=[_input(port) for port in view.inputs],
        output=[
            config.ModelOutput(name=port.name, data_type=config_type_of(port.dtype), dims=port.dims)
            for port in view.outputs
        ],
    )
    if view.length is not None:
        result.parameters[LENGTH_INPUT].string_value = view.length.name
    if servable.manifest.causal:
        result.sequence_batching.CopyFrom(_sequence_batching(context, view))
    return result


def _found(context: OipContext, call: Call, name: str, version: str) -> Servable:
    servable = context.resolve(name, version)
    call.model, call.version = servable.name, str(servable.version)
    return servable


def _file_of(servable: Servable) -> str:
    return servable.path.name if servable.path is not None else MODEL_FILE


def _tensors(ports: Iterable[TensorPort | WholeTensor]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [
        pb.ModelMetadataResponse.TensorMetadata(name=port.name, datatype=oip_word_of(port.dtype), shape=port.shape)
        for port in ports
    ]


def _input(port: TensorPort) -> config.ModelInput:
    return config.ModelInput(
        name=port.name, data_type=config_type_of(port.dtype), dims=port.dims, optional=port.optional
    )


def _sequence_batching(context: OipContext, view: ModelView) -> _Sequences:
    result = _Sequences(max_sequence_idle_microseconds=round(context.sequences.idle_seconds * 1e6))
    result.oldest.max_candidate_sequences = context.max_rows
    for name, before in view.state_inputs.items():
        data_type = config_type_of(before.dtype)
        result.state.add(
            input_name=before.name,
            output_name=view.state_outputs[name].name,
            data_type=data_type,
            dims=before.dims,
            initial_state=[_Sequences.InitialState(name="zero", data_type=data_type, dims=before.dims, zero_data=True)],
        )
    return result
