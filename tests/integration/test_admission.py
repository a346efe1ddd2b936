"""What callers may take of the server: calls at once, and time without a word. Beyond, it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.gates.http2 import http2_connection
from soloist import NO_RETRY, Client, ResourceExhaustedError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.admission import PREDICT, STREAMS, refusal, serving
from tests.integration.asking import CLOSE, asking, ones, opening
from tests.integration.tokens import token_of, write_tokens
from tests.servers import RunningServer, eventually

UNARY = (
    PREDICT,
    "/soloist.v1.SequenceInference/GetModel",
    "/inference.GRPCInferenceService/ModelInfer",
    "/soloist.v1.Admin/LoadModel",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("impatient"), session_idle_seconds=0.3, transport=transport) as server:
        yield server


@pytest.mark.parametrize("path", [*UNARY, *STREAMS])
def test_a_call_that_never_says_anything_is_ended(impatient: RunningServer, path: str) -> None:
    api = path.rpartition("/")[2]
    before = impatient.total("soloist_requests_total", api=api, code="ABORTED")
    calls = range(1, 200, 2)
    with http2_connection(impatient.grpc) as connection:
        for stream in calls:
            connection.open_call(path, stream)
        for stream in calls:
            connection.await_end(stream)
    assert impatient.total("soloist_requests_total", api=api, code="ABORTED") == before + len(calls)


@pytest.mark.parametrize("path", UNARY)
def test_a_call_that_ends_without_its_message_is_told(impatient: RunningServer, path: str) -> None:
    api = path.rpartition("/")[2]
    before = impatient.total("soloist_requests_total", api=api, code="INVALID_ARGUMENT")
    with http2_connection(impatient.grpc) as connection:
        connection.open_call(path)
        connection.end_half()
        connection.await_end()
    assert impatient.total("soloist_requests_total", api=api, code="INVALID_ARGUMENT") == before + 1


def test_half_a_message_is_waited_for_no_longer(impatient: RunningServer) -> None:
    with http2_connection(impatient.grpc) as connection:
        connection.open_call(PREDICT)
        connection.send_message(bytes(1000), announced=2000)
        connection.await_end()


def test_an_answer_that_nobody_takes_is_given_up(impatient: RunningServer) -> None:
    asked = pb.PredictRequest(
        model="sums", frames=ones(50_000), output_selection=pb.OUTPUT_SELECTION_EVERY_FRAME
    ).SerializeToString()
    with http2_connection(impatient.grpc, initial_window=0) as connection, asking(impatient.grpc) as asker:
        connection.open_call(PREDICT)
        connection.send_message(asked)

        def given_up() -> bool:
            asker.predict(ones(3))  # gRPC keeps the last call that came until another comes
            connection.listen(0.1)
            return 1 in connection.ended

        assert eventually(given_up)


def test_a_stream_whose_answers_nobody_takes_is_given_up(impatient: RunningServer) -> None:
    with http2_connection(impatient.grpc, initial_window=0) as connection, asking(impatient.grpc) as asker:
        connection.open_call(STREAMS[0])
        connection.send_message(opening().SerializeToString(), more=True)

        def given_up() -> bool:
            asker.predict(ones(3))
            connection.listen(0.1)
            return 1 in connection.ended

        assert eventually(given_up)
        assert impatient.total("soloist_sessions_open") == 0


def test_calls_at_once_are_bounded_and_machines_have_places_of_their_own(tmp_path: Path, transport: str) -> None:
    with (
        serving(tmp_path, max_concurrent_calls=3, transport=transport) as server,
        Client(server.grpc) as client,
        ExitStack() as stack,
    ):
        client.predict("sums", [[1.0, 2.0]])
        streams = [stack.enter_context(client.stream("sums")) for _ in range(3)]
        with asking(server.grpc) as asker:
            for asked in (lambda: asker.predict(ones(3)), lambda: asker.converse(opening(), CLOSE)):
                error = refusal(asked)
                assert (error.code.name, error.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS")
                assert error.facts == {"calls": "3", "max_calls": "3"}
            health = health_pb2_grpc.HealthStub(asker.channel)
            assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
            streams[0].close()
            assert eventually(lambda: server.total("soloist_requests_total", api="Stream", code="OK") == 1)
            assert asker.predict(ones(3)).frame_count == 3


def test_one_client_has_a_part_of_the_calls(tmp_path: Path, transport: str) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", {"one": ["infer"], "other": ["infer"]})
    with (
        serving(tmp_path, tokens_file=tokens, max_calls_per_client=2, transport=transport) as server,
        Client(server.grpc, token=token_of("one"), retry=NO_RETRY) as one,
        Client(server.grpc, token=token_of("other")) as other,
    ):
        with one.stream("sums"), one.stream("sums"):
            with pytest.raises(ResourceExhaustedError) as refused:
                one.models()
            assert refused.value.reason == "CLIENT_LIMIT"
            assert refused.value.facts["client"] == "one"
            assert other.models()
        assert eventually(lambda: _answers(one))


def _answers(client: Client) -> bool:
    try:
        return bool(client.models())
    except ResourceExhaustedError:
        return False
