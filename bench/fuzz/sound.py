"""Requests that a server answers: what lies begins as one of these, and changes in one place."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from bench.fuzz.known import word_of
from bench.fuzz.methods import CHANGES_MODELS
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import admin_pb2, feedback_pb2, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from bench.fuzz.known import Known, KnownModel, Port
    from bench.fuzz.methods import Method

_BYTES = {"BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
          "FP16": 2, "FP32": 4, "FP64": 8}  # fmt: skip
_TYPED = {"BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
          "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
          "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents"}  # fmt: skip
_MOST_FRAMES = 6
# Finite all of them; what a model makes of the largest isn't.
_SCALES = (1.0, 1.0, 1.0, 1.0, 0.0, 1e-42, 1e10, 3e37)


def request(method: Method, known: Known, rng: Random) -> Message:
    """Make a request of one method that is in order, as far as one exists."""
    make = _MAKERS.get(method.name)
    return _named(method, known, rng) if make is None else make(known, rng)


def predict(model: KnownModel, rng: Random) -> pb.PredictRequest:
    """Send a whole sequence."""
    frames = rng.randint(1, _MOST_FRAMES)
    return pb.PredictRequest(
        model=model.name,
        frames=_frames(model, frames, rng),
        inputs=_inputs(model, frames, rng),
        output_selection=rng.choice((0, 1, 2)),  # type: ignore[arg-type]  # numbers of the enum
    )


def opening(model: KnownModel, rng: Random) -> pb.StreamRequest:
    """Begin a stream."""
    selection = rng.choice((0, 1, 2))
    return pb.StreamRequest(open=pb.Open(model=model.name, output_selection=selection))  # type: ignore[arg-type]


def chunk(model: KnownModel, first_frame: int, rng: Random, frames: int = 0) -> pb.StreamRequest:
    """Send frames of a stream, so many of them."""
    frames = frames or rng.randint(1, _MOST_FRAMES)
    sent = pb.Chunk(first_frame=first_frame, frames=_frames(model, frames, rng), inputs=_inputs(model, frames, rng))
    return pb.StreamRequest(chunk=sent)


def compare(model: KnownModel, known: Known, rng: Random) -> pb.CompareRequest:
    """Vary little, so that it ends soon."""
    frames = rng.randint(2, _MOST_FRAMES)
    conditions = [
        pb.Condition(neighbours=pb.BatchNeighbours(count=rng.randint(1, 3))),
        pb.Condition(padded_frames=frames + 1),
        pb.Condition(chunk_frames=1),
    ]
    neighbours = [_frames(model, rng.randint(1, _MOST_FRAMES), rng)] * 3 if rng.random() < 0.3 else []
    siblings = [known.draw_own(rng).name]
    return pb.CompareRequest(
        model=model.name,
        frames=_frames(model, frames, rng),
        conditions=rng.sample(conditions, 2),
        siblings=siblings,
        neighbours=neighbours,
        seed=rng.getrandbits(32),
    )


def labels(known: Known, rng: Random) -> list[feedback_pb2.GroundTruth]:
    """Report some labels of answers that were given, and of one that wasn't."""
    return [
        feedback_pb2.GroundTruth(
            prediction_id=known.prediction_id(rng),
            class_index=rng.randint(0, 9),
            step=rng.choice((None, 0, 1)),
            event_time=Timestamp(seconds=1_700_000_000),
        )
        for _ in range(rng.randint(1, 4))
    ]


def rollout(model: KnownModel, rng: Random) -> admin_pb2.UpdateRolloutRequest:
    """Change how one model's sequences are spread."""
    label = admin_pb2.VersionLabel(label=rng.choice(("stable", "canary", "x")), version=rng.choice((0, model.version)))
    return admin_pb2.UpdateRolloutRequest(
        model=model.name, labels=[label], canary_percent=rng.choice((0.0, 50.0, 100.0)), shadow_version=0
    )


def infer(model: KnownModel, rng: Random) -> oip.ModelInferRequest:
    """Send tensors of the shapes that the model tells, raw or typed, sometimes with its states."""
    message = oip.ModelInferRequest(model_name=model.name, id=str(rng.getrandbits(16)))
    rows, frames = rng.choice((1, 1, 2, 3)), rng.randint(1, _MOST_FRAMES)
    ports = [*model.inputs, *(model.states if rng.random() < 0.2 else ())]
    is_raw = rng.random() < 0.7
    for port in ports:
        open_sizes = iter((rows, frames))
        shape = [next(open_sizes, 1) if size == -1 else size for size in port.shape]
        _add(message, port, shape, rng, is_raw=is_raw)
    if model.outputs and rng.random() < 0.3:
        message.outputs.add(name=rng.choice(model.outputs))
    return message


def _add(message: oip.ModelInferRequest, port: Port, shape: list[int], rng: Random, *, is_raw: bool) -> None:
    tensor = message.inputs.add(name=port.name, datatype=port.datatype, shape=shape)
    count = math.prod(shape)
    if is_raw or port.datatype not in _TYPED:
        message.raw_input_contents.append(_data(port.datatype, count, rng))
    else:
        kind = float if port.datatype.startswith("FP") else bool if port.datatype == "BOOL" else int
        getattr(tensor.contents, _TYPED[port.datatype]).extend([kind(rng.getrandbits(1))] * count)


def _frames(model: KnownModel, frames: int, rng: Random) -> tensor_pb2.Tensor:
    spec = model.manifest.signature.frames
    per_run = model.manifest.signature.frames_per_run
    return _tensor(spec, [frames * (per_run or 1), *list(spec.shape)[2:]], rng)


def _inputs(model: KnownModel, frames: int, rng: Random) -> list[tensor_pb2.NamedTensor]:
    return [
        tensor_pb2.NamedTensor(
            name=each.tensor.name,
            tensor=_tensor(
                each.tensor,
                [frames, *list(each.tensor.shape)[2:]] if each.per_frame else list(each.tensor.shape)[1:],
                rng,
            ),
        )
        for each in model.manifest.signature.inputs
        if not each.HasField("constant")
    ]


def _tensor(spec: tensor_pb2.TensorSpec, shape: list[int], rng: Random) -> tensor_pb2.Tensor:
    shape = [max(size, 1) for size in shape]
    count = math.prod(shape)
    return tensor_pb2.Tensor(data_type=spec.data_type, shape=shape, data=_data(word_of(spec.data_type), count, rng))


def _data(word: str, count: int, rng: Random) -> bytes:
    # Small numbers only: they are tokens, too. Halves are zeros, which every type has.
    if word == "FP32":
        return struct.pack("<f", rng.gauss(0, 1) * rng.choice(_SCALES)) * count
    if word == "FP64":
        return struct.pack("<d", rng.gauss(0, 1) * rng.choice(_SCALES)) * count
    if word == "FP16":
        return bytes(2 * count)
    return (bytes([rng.getrandbits(1)]) + bytes(_BYTES[word] - 1)) * count


def _named(method: Method, known: Known, rng: Random) -> Message:
    message = method.empty()
    model = known.spare if method.name in CHANGES_MODELS else known.draw(rng)
    for field in ("model", "model_name", "name"):
        if field in method.request.fields_by_name:
            setattr(message, field, model.name)
    return message


def _stream(known: Known, rng: Random) -> Message:
    model = known.draw(rng)
    return rng.choice((opening(model, rng), chunk(model, 0, rng), pb.StreamRequest(close=pb.Close())))


# Of methods whose requests say more than a name.
_MAKERS: Mapping[str, Callable[[Known, Random], Message]] = {
    "Predict": lambda known, rng: predict(known.draw(rng), rng),
    "Stream": _stream,
    "Compare": lambda known, rng: compare(known.draw_own(rng), known, rng),
    "ModelInfer": lambda known, rng: infer(known.draw(rng), rng),
    "ModelStreamInfer": lambda known, rng: infer(known.draw(rng), rng),
    "Report": lambda known, rng: feedback_pb2.ReportRequest(labels=labels(known, rng)),
    "ReportStream": lambda known, rng: feedback_pb2.ReportStreamRequest(labels=labels(known, rng)),
    "UpdateRollout": lambda known, rng: rollout(known.spare, rng),
}
