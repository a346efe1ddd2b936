"""Requests that a server answers: what lies begins as one of these, and changes in one place."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from bench.fuzz.methods import CHANGES_MODELS
from bench.fuzz.server_facts import oip_word
from soloist.data_types import BY_OIP_WORD
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import admin_pb2, feedback_pb2, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from bench.fuzz.methods import Method
    from bench.fuzz.server_facts import ModelFacts, ServerFacts, TensorPort

_MOST_FRAMES = 6
# Finite all of them; what a model makes of the largest isn't.
_SCALES = (1.0, 1.0, 1.0, 1.0, 0.0, 1e-42, 1e10, 3e37)


def request(method: Method, facts: ServerFacts, rng: Random) -> Message:
    """Return a request of one method that is in order, as far as one exists."""
    make = _MAKERS.get(method.name)
    return _named(method, facts, rng) if make is None else make(facts, rng)


def predict(model: ModelFacts, rng: Random) -> pb.PredictRequest:
    """Send a whole sequence."""
    frames = rng.randint(1, _MOST_FRAMES)
    return pb.PredictRequest(
        model=model.name,
        frames=_frames(model, frames, rng),
        inputs=_inputs(model, frames, rng),
        output_selection=rng.choice((0, 1, 2)),  # type: ignore[arg-type]  # numbers of the enum
    )


def opening(model: ModelFacts, rng: Random) -> pb.StreamRequest:
    """Begin a stream."""
    selection = rng.choice((0, 1, 2))
    return pb.StreamRequest(open=pb.Open(model=model.name, output_selection=selection))  # type: ignore[arg-type]


def chunk(model: ModelFacts, first_frame: int, rng: Random, frames: int = 0) -> pb.StreamRequest:
    """Send frames of a stream, so many of them."""
    frames = frames or rng.randint(1, _MOST_FRAMES)
    sent = pb.Chunk(first_frame=first_frame, frames=_frames(model, frames, rng), inputs=_inputs(model, frames, rng))
    return pb.StreamRequest(chunk=sent)


def compare(model: ModelFacts, facts: ServerFacts, rng: Random) -> pb.CompareRequest:
    """Vary little, so that it ends soon."""
    frames = rng.randint(2, _MOST_FRAMES)
    conditions = [
        pb.Condition(neighbours=pb.BatchNeighbours(count=rng.randint(1, 3))),
        pb.Condition(padded_frames=frames + 1),
        pb.Condition(chunk_frames=1),
    ]
    neighbours = [_frames(model, rng.randint(1, _MOST_FRAMES), rng)] * 3 if rng.random() < 0.3 else []
    siblings = [facts.draw_own(rng).name]
    return pb.CompareRequest(
        model=model.name,
        frames=_frames(model, frames, rng),
        conditions=rng.sample(conditions, 2),
        siblings=siblings,
        neighbours=neighbours,
        seed=rng.getrandbits(32),
    )


def labels(facts: ServerFacts, rng: Random) -> list[feedback_pb2.GroundTruth]:
    """Report some labels of answers that were given, and of one that wasn't."""
    return [
        feedback_pb2.GroundTruth(
            prediction_id=facts.prediction_id(rng),
            class_index=rng.randint(0, 9),
            step=rng.choice((None, 0, 1)),
            event_time=Timestamp(seconds=1_700_000_000),
        )
        for _ in range(rng.randint(1, 4))
    ]


def rollout(model: ModelFacts, rng: Random) -> admin_pb2.UpdateRolloutRequest:
    """Change how one model's sequences are spread."""
    label = admin_pb2.VersionLabel(label=rng.choice(("stable", "canary", "x")), version=rng.choice((0, model.version)))
    return admin_pb2.UpdateRolloutRequest(
        model=model.name, labels=[label], canary_percent=rng.choice((0.0, 50.0, 100.0)), shadow_version=0
    )


def infer(model: ModelFacts, rng: Random) -> oip.ModelInferRequest:
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


def _add(message: oip.ModelInferRequest, port: TensorPort, shape: list[int], rng: Random, *, is_raw: bool) -> None:
    tensor = message.inputs.add(name=port.name, datatype=port.datatype, shape=shape)
    count = math.prod(shape)
    element = BY_OIP_WORD.get(port.datatype)
    if is_raw or element is None or element.contents_field is None:
        message.raw_input_contents.append(_data(port.datatype, count, rng))
    else:
        kind = float if port.datatype.startswith("FP") else bool if port.datatype == "BOOL" else int
        getattr(tensor.contents, element.contents_field).extend([kind(rng.getrandbits(1))] * count)


def _frames(model: ModelFacts, frames: int, rng: Random) -> tensor_pb2.Tensor:
    spec = model.manifest.signature.frames
    per_run = model.manifest.signature.frames_per_run
    return _tensor(spec, [frames * (per_run or 1), *list(spec.shape)[2:]], rng)


def _inputs(model: ModelFacts, frames: int, rng: Random) -> list[tensor_pb2.NamedTensor]:
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
    return tensor_pb2.Tensor(data_type=spec.data_type, shape=shape, data=_data(oip_word(spec.data_type), count, rng))


def _data(word: str, count: int, rng: Random) -> bytes:
    # Small numbers only: they are tokens, too. Halves are zeros, which every type has.
    if word == "FP32":
        return struct.pack("<f", rng.gauss(0, 1) * rng.choice(_SCALES)) * count
    if word == "FP64":
        return struct.pack("<d", rng.gauss(0, 1) * rng.choice(_SCALES)) * count
    if word == "FP16":
        return bytes(2 * count)
    return (bytes([rng.getrandbits(1)]) + bytes(BY_OIP_WORD[word].dtype.itemsize - 1)) * count


def _named(method: Method, facts: ServerFacts, rng: Random) -> Message:
    message = method.empty()
    model = facts.spare if method.name in CHANGES_MODELS else facts.draw(rng)
    for field in ("model", "model_name", "name"):
        if field in method.request.fields_by_name:
            setattr(message, field, model.name)
    return message


def _stream(facts: ServerFacts, rng: Random) -> Message:
    model = facts.draw(rng)
    return rng.choice((opening(model, rng), chunk(model, 0, rng), pb.StreamRequest(close=pb.Close())))


# Of methods whose requests say more than a name.
_MAKERS: Mapping[str, Callable[[ServerFacts, Random], Message]] = {
    "Predict": lambda facts, rng: predict(facts.draw(rng), rng),
    "Stream": _stream,
    "Compare": lambda facts, rng: compare(facts.draw_own(rng), facts, rng),
    "ModelInfer": lambda facts, rng: infer(facts.draw(rng), rng),
    "ModelStreamInfer": lambda facts, rng: infer(facts.draw(rng), rng),
    "Report": lambda facts, rng: feedback_pb2.ReportRequest(labels=labels(facts, rng)),
    "ReportStream": lambda facts, rng: feedback_pb2.ReportStreamRequest(labels=labels(facts, rng)),
    "UpdateRollout": lambda facts, rng: rollout(facts.spare, rng),
}
