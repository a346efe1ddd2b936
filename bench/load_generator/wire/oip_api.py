"""inference.GRPCInferenceService, the Open Inference Protocol, in bytes."""

from __future__ import annotations

import grpc

from bench.load_generator.wire.connection import Connection
from bench.load_generator.workload import Array, WorkloadError
from soloist import SoloistError
from soloist.data_types import ELEMENT_TYPES, data_type_of
from soloist.oip import grpc_service_pb2 as pb
from soloist.v1 import model_pb2, tensor_pb2

_SERVICE = "/inference.GRPCInferenceService"
_BY_WORD = {element.oip_word: element for element in ELEMENT_TYPES}
_WORDS = {element.data_type: element.oip_word for element in ELEMENT_TYPES}


class OipApi:
    """The service of one model that has one input. A stream is a sequence: it bears a number, and flags at its ends."""

    whole_path = f"{_SERVICE}/ModelInfer"
    stream_path = f"{_SERVICE}/ModelStreamInfer"
    opening: bytes | None = None
    closing: bytes | None = None

    def __init__(self, model: str, input_name: str) -> None:
        self._model = model
        self._input = input_name

    def whole(self, frames: Array) -> bytes:
        """Return a ModelInferRequest with a batch of one."""
        tensor = pb.ModelInferRequest.InferInputTensor(
            name=self._input, datatype=_WORDS[data_type_of(frames.dtype)], shape=(1, *frames.shape)
        )
        request = pb.ModelInferRequest(model_name=self._model, inputs=[tensor], raw_input_contents=[frames.tobytes()])
        return request.SerializeToString()

    def chunk(self, first_frame: int, frames: Array) -> bytes:  # noqa: ARG002  # the protocol doesn't number frames
        """Return a ModelInferRequest without the parameters of its sequence."""
        return self.whole(frames)

    def in_stream(self, chunk: bytes, sequence: int, *, first: bool, last: bool) -> bytes:
        """Return the chunk with the parameters of its sequence: serialised messages that are joined are merged."""
        parameters = {"sequence_id": pb.InferParameter(int64_param=sequence)}
        if first:
            parameters["sequence_start"] = pb.InferParameter(bool_param=True)
        if last:
            parameters["sequence_end"] = pb.InferParameter(bool_param=True)
        return chunk + pb.ModelInferRequest(parameters=parameters).SerializeToString()

    def check_chunk(self, answer: bytes) -> None:
        """Raise SoloistError if an answer is an error, whose text begins with its reason."""
        message = pb.ModelStreamInferResponse.FromString(answer).error_message
        if message:
            reason = message.partition(":")[0]
            raise SoloistError(
                message, code=grpc.StatusCode.UNKNOWN, reason=reason if reason.isidentifier() else "UNKNOWN"
            )

    def whole_bits(self, answer: bytes) -> bytes:
        """Return the outputs."""
        return _bits(pb.ModelInferResponse.FromString(answer))

    def chunk_bits(self, answer: bytes) -> bytes:
        """Return the outputs."""
        return _bits(pb.ModelStreamInferResponse.FromString(answer).infer_response)


async def oip_manifest(connection: Connection, model: str, timeout_seconds: float) -> model_pb2.Model:
    """Return what any server of the protocol tells of a model's input, in the form of our own. Raises as OipApi does.

    Raises:
        SoloistError: The server doesn't tell.
        WorkloadError: The model has several inputs, or one of a type that we don't send.

    """
    request = pb.ModelMetadataRequest(name=model).SerializeToString()
    answer = await connection.unary(f"{_SERVICE}/ModelMetadata", request, timeout_seconds)
    inputs = pb.ModelMetadataResponse.FromString(answer).inputs
    if len(inputs) != 1 or inputs[0].datatype not in _BY_WORD:
        told = ", ".join(f"{each.name} ({each.datatype})" for each in inputs) or "none"
        raise WorkloadError(f"the inputs of {model!r} are {told}: only models of one numeric input are asked")
    data_type = _BY_WORD[inputs[0].datatype].data_type
    frames = tensor_pb2.TensorSpec(name=inputs[0].name, data_type=data_type, shape=inputs[0].shape)
    return model_pb2.Model(name=model, signature=model_pb2.Signature(frames=frames))


def _bits(answer: pb.ModelInferResponse) -> bytes:
    names = [f"{output.name} {output.datatype} {list(output.shape)}".encode() for output in answer.outputs]
    typed = [output.contents.SerializeToString(deterministic=True) for output in answer.outputs]
    return b"\0".join([*names, *typed, *answer.raw_output_contents])
