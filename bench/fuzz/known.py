"""What is known of the server: names, shapes and versions that exist, so that inputs get past the first check."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import grpc

from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.model_pb2 import Model
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from soloist.v1.tensor_pb2 import DataType

_REMEMBERED = 256


def word_of(data_type: DataType.ValueType) -> str:
    """Give the Open Inference Protocol's word for one of our element types."""
    name = DataType.Name(data_type).removeprefix("DATA_TYPE_") if data_type in DataType.values() else ""
    return name.replace("FLOAT", "FP") if name != "UNSPECIFIED" else "FP32"


@dataclass(frozen=True, kw_only=True)
class Port:
    """A tensor as the Open Inference Protocol tells it."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model that can be called; `manifest` says nothing of frames where which axis is time isn't known."""

    name: str
    version: int
    manifest: Model
    inputs: Sequence[Port]
    outputs: Sequence[str]
    states: Sequence[Port]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The models, the one of them that may be unloaded, and ids of answers that were given."""

    models: Sequence[KnownModel]
    spare: KnownModel
    prediction_ids: deque[str] = field(default_factory=lambda: deque(["0" * 32], maxlen=_REMEMBERED))

    def draw(self, rng: Random) -> KnownModel:
        """Choose a model."""
        return rng.choice(self.models)

    def draw_own(self, rng: Random) -> KnownModel:
        """Choose a model that takes lengths, as those do that can be compared; any where there is none."""
        return rng.choice([each for each in self.models if each.manifest.signature.HasField("length")] or self.models)

    def prediction_id(self, rng: Random) -> str:
        """Choose the id of an answer."""
        return rng.choice(self.prediction_ids)

    def names(self, model: KnownModel) -> list[str]:
        """Give the names of tensors of a model."""
        return [*(port.name for port in (*model.inputs, *model.states)), *model.outputs]


def look(target: str, *, timeout_seconds: float = 30.0) -> Known:
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
    return Known(models=models, spare=models[-1])


def _model(manifest: Model, metadata: oip.ModelMetadataResponse, status: pb.ModelStatus) -> KnownModel:
    return KnownModel(
        name=status.name,
        version=status.version,
        manifest=manifest,
        inputs=[Port(name=each.name, datatype=each.datatype, shape=tuple(each.shape)) for each in metadata.inputs],
        outputs=[each.name for each in metadata.outputs] + [each.output for each in manifest.signature.states],
        states=[
            Port(name=each.input, datatype=word_of(each.data_type), shape=(1, *each.shape))
            for each in manifest.signature.states
        ],
    )
