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
from tests.guests import LOOPS, UNTOLD, Guest, time_first
from tests.servers import RunningServer, running_server

FRAMES = 13
CUTS = ((), (1,), (4, 5, 11))
STATEFUL = [guest for guest in LOOPS if guest is not UNTOLD]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("guests")
    for guest in LOOPS:
        guest.write(folder / "repository")
    # Slices shorter than a sequence: where a run is one frame, they change nothing.
    with running_server(folder / "repository", folder, max_slice_frames=5) as server:
        yield server


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("guest", LOOPS, ids=lambda guest: guest.name)
def test_a_whole_sequence(server: RunningServer, guest: Guest) -> None:
    frames = _frames(guest)
    with Client(server.grpc) as client:
        found = client.predict(guest.name, frames, every_frame=True, inputs=_inputs(guest, frames))
        last = client.predict(guest.name, frames, inputs=_inputs(guest, frames))
    expected = guest.alone(frames)
    first, *others = expected
    _assert_same(found.outputs, expected[first])
    _assert_same(last.outputs, expected[first][-1])
    assert set(found.extra_outputs) == set(others)
    for name in others:
        _assert_same(found.extra_outputs[name], expected[name])
        _assert_same(last.extra_outputs[name], expected[name][-1])


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("guest", STATEFUL, ids=lambda guest: guest.name)
def test_a_stream(server: RunningServer, guest: Guest, cuts: tuple[int, ...]) -> None:
    frames = _frames(guest)
    with Client(server.grpc) as client, client.stream(guest.name, every_frame=True) as stream:
        found = [stream.send(chunk, inputs=_inputs(guest, chunk)) for chunk in np.split(frames, list(cuts))]
    expected, whole = guest.alone(frames, cuts), guest.alone(frames)
    first, *others = expected
    _assert_same(np.concatenate([each.outputs for each in found]), expected[first])
    for name in others:
        _assert_same(np.concatenate([each.extra_outputs[name] for each in found]), expected[name])
    assert {name: array.tobytes() for name, array in whole.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("guest", STATEFUL, ids=lambda guest: guest.name)
def test_a_sequence_by_the_open_protocol(stub: GRPCInferenceServiceStub, guest: Guest, streamed: bool) -> None:
    frames = _frames(guest)
    cuts = tuple(range(1, FRAMES)) if guest.steps else CUTS[-1]
    chunks = np.split(frames, list(cuts))
    requests = [
        _request(guest, chunk, start=at == 0, end=at == len(chunks) - 1, sequence=7) for at, chunk in enumerate(chunks)
    ]
    if streamed:
        told = list(stub.ModelStreamInfer(iter(requests), timeout=30))
        assert not any(each.error_message for each in told)
        responses = [each.infer_response for each in told]
    else:
        responses = [stub.ModelInfer(request, timeout=30) for request in requests]
    _assert_answers(guest, responses, chunks, guest.alone(frames, cuts))


@pytest.mark.parametrize("guest", [guest for guest in LOOPS if not guest.steps], ids=lambda guest: guest.name)
def test_a_whole_sequence_by_the_open_protocol(stub: GRPCInferenceServiceStub, guest: Guest) -> None:
    frames = _frames(guest)
    _assert_answers(guest, [stub.ModelInfer(_request(guest, frames), timeout=30)], [frames], guest.alone(frames))


def _frames(guest: Guest) -> Any:
    return guest.frames(np.random.default_rng(3), FRAMES)


def _inputs(guest: Guest, chunk: Any) -> dict[str, Any]:
    return {name: value(chunk) if callable(value) else value for name, value in guest.inputs.items()}


def _request(
    guest: Guest, chunk: Any, *, start: bool = False, end: bool = False, sequence: int = 0
) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name=guest.name)
    for name, array in (guest.client or guest.feed)(chunk).items():
        message.inputs.add(name=name, datatype=oip_word_of(array.dtype), shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    if sequence:
        message.parameters["sequence_id"].int64_param = sequence
        message.parameters["sequence_start"].bool_param = start
        message.parameters["sequence_end"].bool_param = end
    return message


def _assert_answers(
    guest: Guest, responses: list[pb.ModelInferResponse], chunks: list[Any], expected: dict[str, Any]
) -> None:
    axes = guest.client_outputs or guest.outputs
    found: dict[str, list[Any]] = {name: [] for name in guest.outputs}
    for response, chunk in zip(responses, chunks, strict=True):
        arrays = _outputs(response)
        assert list(arrays) == list(guest.outputs)
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
