"""ModelMetadata and ModelConfig: what a model takes and gives, in the protocol's two ways of saying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.model_config import LENGTH_INPUT, MODEL_FILE
from service.oip.datatypes import config_type_of, word_of
from service.oip.model_view import ModelView
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip import model_config_pb2 as config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.engine.servable import Servable
    from service.engine.untimed import WholeTensor
    from service.handlers.call import Call
    from service.oip.parts import Parts
    from service.oip.port import Port

_PLATFORM, _BACKEND = "onnxruntime_onnx", "onnxruntime"
_Sequences = config.ModelSequenceBatching


async def model_metadata(parts: Parts, call: Call, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
    """Tell the versions that are ready, and every tensor that a client may send and will get.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    servable = _found(parts, call, request.name, request.version)
    view = parts.view(servable)
    entries = parts.serving.repository.entries()
    return pb.ModelMetadataResponse(
        name=servable.name,
        versions=[str(each.version) for each in entries if each.name == servable.name and each.servable is not None],
        platform=_PLATFORM,
        inputs=_tensors(view.inputs),
        outputs=_tensors(view.outputs),
    )


async def model_config(parts: Parts, call: Call, request: pb.ModelConfigRequest) -> pb.ModelConfigResponse:
    """Tell the configuration by which the model is served.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    servable = _found(parts, call, request.name, request.version)
    if servable.description is not None:
        told = config.ModelConfig(platform=_PLATFORM, backend=_BACKEND, default_model_filename=_file_of(servable))
        told.MergeFrom(servable.description.config)
        told.name = servable.name
        if told.HasField("sequence_batching"):
            idle_seconds = servable.idle_seconds(parts.sequences.idle_seconds)
            told.sequence_batching.max_sequence_idle_microseconds = round(idle_seconds * 1e6)
        return pb.ModelConfigResponse(config=told)
    return pb.ModelConfigResponse(config=_own_config(parts, servable))


def _own_config(parts: Parts, servable: Servable) -> config.ModelConfig:
    view = ModelView(servable)
    told = config.ModelConfig(
        name=servable.name,
        platform=_PLATFORM,
        backend=_BACKEND,
        max_batch_size=parts.max_rows,
        default_model_filename=_file_of(servable),
        input=[_input(port) for port in view.inputs],
        output=[
            config.ModelOutput(name=port.name, data_type=config_type_of(port.dtype), dims=port.dims)
            for port in view.outputs
        ],
    )
    if view.length is not None:
        told.parameters[LENGTH_INPUT].string_value = view.length.name
    if servable.manifest.causal:
        told.sequence_batching.CopyFrom(_sequence_batching(parts, view))
    return told


def _found(parts: Parts, call: Call, name: str, version: str) -> Servable:
    servable = parts.resolve(name, version)
    call.model, call.version = servable.name, str(servable.version)
    return servable


def _file_of(servable: Servable) -> str:
    return servable.path.name if servable.path is not None else MODEL_FILE


def _tensors(ports: Iterable[Port | WholeTensor]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [
        pb.ModelMetadataResponse.TensorMetadata(name=port.name, datatype=word_of(port.dtype), shape=port.shape)
        for port in ports
    ]


def _input(port: Port) -> config.ModelInput:
    return config.ModelInput(
        name=port.name, data_type=config_type_of(port.dtype), dims=port.dims, optional=port.optional
    )


def _sequence_batching(parts: Parts, view: ModelView) -> _Sequences:
    told = _Sequences(max_sequence_idle_microseconds=round(parts.sequences.idle_seconds * 1e6))
    told.oldest.max_candidate_sequences = parts.max_rows
    for name, before in view.state_inputs.items():
        data_type = config_type_of(before.dtype)
        told.state.add(
            input_name=before.name,
            output_name=view.state_outputs[name].name,
            data_type=data_type,
            dims=before.dims,
            initial_state=[_Sequences.InitialState(name="zero", data_type=data_type, dims=before.dims, zero_data=True)],
        )
    return told
