"""Third-party models are asked as clients of the Open Inference Protocol ask, here of a server of the test's own.

That server gives back what it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from demo.third_party.model import ThirdPartyModel, as_they_are
from demo.third_party.oip import OpenInference
from demo.third_party.package_files import Package, PackageFile
from demo.third_party.sequences import Sequence, singly
from soloist.oip import grpc_service_pb2 as pb

PART = PackageFile(package=Package(name="none", version="1", licence="none"), path="", sha256="")
SEQUENCES = [Sequence(frames=np.arange(count, dtype=np.int32)[:, None]) for count in (5, 3)]


class Echo:
    """Answers a stream's requests when all have come, the last first."""

    def __init__(self) -> None:
        self.requests: list[pb.ModelInferRequest] = []

    def handlers(self) -> grpc.GenericRpcHandler:
        """Give what a server is to be told of it."""
        stream = grpc.stream_stream_rpc_method_handler(
            self._infer,
            request_deserializer=pb.ModelInferRequest.FromString,
            response_serializer=pb.ModelStreamInferResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelStreamInfer": stream})

    def _infer(
        self, request_iterator: Iterator[pb.ModelInferRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ModelStreamInferResponse]:
        del context
        self.requests = list(request_iterator)
        for request in reversed(self.requests):
            sent = request.inputs[0]
            response = pb.ModelInferResponse(id=request.id, raw_output_contents=request.raw_input_contents[:1])
            response.outputs.add(name="y", datatype=sent.datatype, shape=sent.shape)
            yield pb.ModelStreamInferResponse(infer_response=response)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def channel(echo: Echo) -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((echo.handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()


def model(*, stateful: bool) -> ThirdPartyModel:
    return ThirdPartyModel(
        name="echo",
        file=PART,
        other_files=(),
        sequences=lambda: SEQUENCES,
        loop=lambda _session, _chunks: {},
        frames_input="x",
        as_requested=as_they_are,
        unlike="",
        stateful=stateful,
        one_frame_per_run=True,
    )


def test_where_nothing_is_carried_answers_may_come_in_any_order(echo: Echo, channel: grpc.Channel) -> None:
    pieces = [each.cut(singly(len(each))) for each in SEQUENCES]
    found = OpenInference(channel, model(stateful=False)).on_a_stream(pieces)
    assert [each["y"].tolist() for each in found] == [[0, 1, 2, 3, 4], [0, 1, 2]]
    assert not any(request.parameters for request in echo.requests)


def test_answers_of_a_sequence_count_in_the_order_they_come(channel: grpc.Channel) -> None:
    pieces = [each.cut(singly(len(each))) for each in SEQUENCES]
    found = OpenInference(channel, model(stateful=True)).on_a_stream(pieces)
    assert [each["y"].tolist() for each in found] == [[4, 3, 2, 1, 0], [2, 1, 0]]


def test_a_state_goes_with_the_request_that_starts_its_sequence(echo: Echo, channel: grpc.Channel) -> None:
    begun = Sequence(frames=SEQUENCES[1].frames, initial_states={"hidden": np.ones((1, 2), np.float32)})
    OpenInference(channel, model(stateful=True)).on_a_stream([begun.cut(singly(len(begun)))])
    assert [[each.name for each in request.inputs] for request in echo.requests] == [["x", "hidden"], ["x"], ["x"]]
    assert [request.parameters["sequence_start"].bool_param for request in echo.requests] == [True, False, False]
