"""What is known of the server: names, shapes and versions that exist, so that inputs get past the first check."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import grpc

from soloist.data_types import BY_DATA_TYPE
from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.model_pb2 import Model
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from soloist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DataType

_REMEMBERED = 256


def oip_word(data_type: DataType.ValueType) -> str:
    """Return the Open Inference Protocol's word for one of our element types; FP32 where there is none."""
    return BY_DATA_TYPE.get(data_type, BY_DATA_TYPE[DATA_TYPE_FLOAT32]).oip_word


@dataclass(frozen=True, kw_only=True)
class TensorPort:
    """A tensor as the Open Inference Protocol tells it."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """A model that can be called; `manifest` says nothing of frames where which axis is time isn't facts."""

    name: str
    version: int
    manifest: Model
    inputs: Sequence[TensorPort]
    outputs: Sequence[str]
    states: Sequence[TensorPort]


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """The models, the one of them that may be unloaded, and ids of answers that were given."""

    models: Sequence[ModelFacts]
    spare: ModelFacts
    prediction_ids: deque[str] = field(default_factory=lambda: deque(["0" * 32], maxlen=_REMEMBERED))

    def draw(self, rng: Random) -> ModelFacts:
        """Choose a model."""
        return rng.choice(self.models)

    def draw_own(self, rng: Random) -> ModelFacts:
        """Choose a model that takes lengths, as those do that can be compared; any where there is none."""
        return rng.choice([each for each in self.models if each.manifest.signature.HasField("length")] or self.models)

    def prediction_id(self, rng: Random) -> str:
        """Choose the id of an answer."""
        return rng.choice(self.prediction_ids)

    def names(self, model: ModelFacts) -> list[str]:
        """Return the names of tensors of a model."""
        return [*(port.name for port in (*model.inputs, *model.states)), *model.outputs]


def read_server_facts(target: str, *, timeout_seconds: float = 30.0) -> ServerFacts:
    """Ask the server at `target` (host:port) what it has.

    Raises:
        grpc.RpcError: it doesn't answer.
        ValueError: it has no model that can be called.

    """
    with grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)]) as channel:
        own, other = SequenceInferenceStub(channel), GRPCInferenceServiceStub(channel)
        ready = [
            status
            for status in own.ListModels(pb.ListModelsRequest(), timeout=timeout_seconds).models
            if status.state == pb.MODEL_STATE_READY
        ]
        models = [
            _model(
                own.GetModel(pb.GetModelRequest(model=each.name, version=each.version), timeout=timeout_seconds).model,
                other.ModelMetadata(
                    oip.ModelMetadataRequest(name=each.name, version=str(each.version)), timeout=timeout_seconds
                ),
                each,
            )
            for each in ready
        ]
    if not models:
        raise ValueError("the repository has no model that can be called")
    return ServerFacts(models=models, spare=models[-1])


def _model(manifest: Model, metadata: oip.ModelMetadataResponse, status: pb.ModelStatus) -> ModelFacts:
    return ModelFacts(
        name=status.name,
        version=status.version,
        manifest=manifest,
        inputs=[
            TensorPort(name=each.name, datatype=each.datatype, shape=tuple(each.shape)) for each in metadata.inputs
        ],
        outputs=[each.name for each in metadata.outputs] + [each.output for each in manifest.signature.states],
        states=[
            TensorPort(name=each.input, datatype=oip_word(each.data_type), shape=(1, *each.shape))
            for each in manifest.signature.states
        ],
    )
