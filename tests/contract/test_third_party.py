"""Models of somebody else's make: served whole and in chunks, unary and streamed, by both protocols, they answer with
the bits of a plain loop over ONNX Runtime.

Shapes: T frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from service.api.oip.contents import decode
from soloist import Client
from soloist.data_types import oip_word_of
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from tests.servers import RunningServer, running_server
from tests.third_party import LOOPS, UNTOLD, ThirdPartyModel, time_first

FRAMES = 13
CUTS = ((), (1,), (4, 5, 11))
STATEFUL = [model for model in LOOPS if model is not UNTOLD]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("third_party_models")
    for model in LOOPS:
        model.write(folder / "repository")
    # Slices shorter than a sequence: where a run is one frame, they change nothing.
    with running_server(
        folder / "repository", folder, max_slice_frames=5, max_slice_seconds=0.0, transport=transport
    ) as server:
        yield server


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("model", LOOPS, ids=lambda model: model.name)
def test_a_whole_sequence(server: RunningServer, model: ThirdPartyModel) -> None:
    frames = _frames(model)
    with Client(server.grpc) as client:
        found = client.predict(model.name, frames, every_frame=True, inputs=_inputs(model, frames))
        last = client.predict(model.name, frames, inputs=_inputs(model, frames))
    expected = model.alone(frames)
    first, *others = expected
    _assert_same(found.outputs, expected[first])
    _assert_same(last.outputs, expected[first][-1])
    assert set(found.extra_outputs) == set(others)
    for name in others:
        _assert_same(found.extra_outputs[name], expected[name])
        _assert_same(last.extra_outputs[name], expected[name][-1])


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("model", STATEFUL, ids=lambda model: model.name)
def test_a_stream(server: RunningServer, model: ThirdPartyModel, cuts: tuple[int, ...]) -> None:
    frames = _frames(model)
    with Client(server.grpc) as client, client.stream(model.name, every_frame=True) as stream:
        found = [stream.send(chunk, inputs=_inputs(model, chunk)) for chunk in np.split(frames, list(cuts))]
    expected, whole = model.alone(frames, cuts), model.alone(frames)
    first, *others = expected
    _assert_same(np.concatenate([each.outputs for each in found]), expected[first])
    for name in others:
        _assert_same(np.concatenate([each.extra_outputs[name] for each in found]), expected[name])
    assert {name: array.tobytes() for name, array in whole.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", STATEFUL, ids=lambda model: model.name)
def test_a_sequence_by_the_open_protocol(
    stub: GRPCInferenceServiceStub, model: ThirdPartyModel, streamed: bool
) -> None:
    frames = _frames(model)
    cuts = tuple(range(1, FRAMES)) if model.steps else CUTS[-1]
    chunks = np.split(frames, list(cuts))
    requests = [
        _request(model, chunk, start=at == 0, end=at == len(chunks) - 1, sequence=7) for at, chunk in enumerate(chunks)
    ]
    if streamed:
        reported = list(stub.ModelStreamInfer(iter(requests), timeout=30))
        assert not any(each.error_message for each in reported)
        responses = [each.infer_response for each in reported]
    else:
        responses = [stub.ModelInfer(request, timeout=30) for request in requests]
    _assert_answers(model, responses, chunks, model.alone(frames, cuts))


@pytest.mark.parametrize(
    "model",
    [model for model in LOOPS if not model.steps],
    ids=lambda model: model.name,
)
def test_a_whole_sequence_by_the_open_protocol(stub: GRPCInferenceServiceStub, model: ThirdPartyModel) -> None:
    frames = _frames(model)
    _assert_answers(model, [stub.ModelInfer(_request(model, frames), timeout=30)], [frames], model.alone(frames))


def _frames(model: ThirdPartyModel) -> Any:
    return model.frames(np.random.default_rng(3), FRAMES)


def _inputs(model: ThirdPartyModel, chunk: Any) -> dict[str, Any]:
    return {name: value(chunk) if callable(value) else value for name, value in model.inputs.items()}


def _request(
    model: ThirdPartyModel, chunk: Any, *, start: bool = False, end: bool = False, sequence: int = 0
) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name=model.name)
    for name, array in (model.client or model.feed)(chunk).items():
        message.inputs.add(name=name, datatype=oip_word_of(array.dtype), shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    if sequence:
        message.parameters["sequence_id"].int64_param = sequence
        message.parameters["sequence_start"].bool_param = start
        message.parameters["sequence_end"].bool_param = end
    return message


def _assert_answers(
    model: ThirdPartyModel, responses: list[pb.ModelInferResponse], chunks: list[Any], expected: dict[str, Any]
) -> None:
    axes = model.client_outputs or model.outputs
    found: dict[str, list[Any]] = {name: [] for name in model.outputs}
    for response, chunk in zip(responses, chunks, strict=True):
        arrays = _outputs(response)
        assert list(arrays) == list(model.outputs)
        for name, array in arrays.items():
            found[name].append(time_first(array, axes[name], chunk))
    for name, parts in found.items():
        _assert_same(np.concatenate(parts), expected[name])


def _outputs(response: pb.ModelInferResponse) -> dict[str, Any]:
    request = pb.ModelInferRequest(raw_input_contents=response.raw_output_contents)
    for output in response.outputs:
        request.inputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
    return dict(decode(request))


def _assert_same(found: Any, expected: Any) -> None:
    assert (found.dtype, found.size) == (expected.dtype, expected.size)
    assert found.tobytes() == expected.tobytes()
