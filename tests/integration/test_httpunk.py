"""What gRPC over httpunk does where grpc.aio can't, or does otherwise: ends told apart, metadata, odd requests, age."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.gates.http2 import SentAwayError, http2_connection
from soloist.v1 import feedback_pb2, feedback_pb2_grpc
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, ones, opening
from tests.integration.test_connections import _CALLER
from tests.servers import RunningServer, eventually, running_server

STREAM = "/soloist.v1.SequenceInference/Stream"
CALLS = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("httpunk")
    Sums(name="sums").write(folder / "repository")
    log = folder / "log.db"
    with running_server(folder / "repository", folder, transport="httpunk", prediction_log=log) as server:
        yield server


@pytest.fixture(scope="module")
def asker(server: RunningServer) -> Iterator[Asker]:
    with asking(server.grpc) as asker:
        yield asker


def counted(server: RunningServer, code: str, api: str = "ReportStream") -> float:
    return server.total("soloist_requests_total", api=api, code=code)


def test_cancels_are_counted_as_cancelled_and_half_closes_are_not(server: RunningServer, asker: Asker) -> None:
    stub = feedback_pb2_grpc.FeedbackStub(asker.channel)
    for _ in range(CALLS):
        stub.ReportStream(iter([feedback_pb2.ReportStreamRequest()]))
    assert eventually(lambda: counted(server, "OK") == CALLS)
    assert counted(server, "CANCELLED") == 0
    with http2_connection(server.grpc) as connection:
        for stream in range(1, 2 * CALLS, 2):
            connection.open_call("/soloist.v1.Feedback/ReportStream", stream)
            connection.send_message(b"", stream, more=True)
        connection.ping()
        for stream in range(1, 2 * CALLS, 2):
            connection.reset(stream)
        assert eventually(lambda: counted(server, "CANCELLED") == CALLS)
    assert counted(server, "OK") == CALLS


def test_a_killed_client_frees_its_session(server: RunningServer) -> None:
    command = [sys.executable, "-c", _CALLER, server.grpc]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "open\n"
        assert server.total("soloist_sessions_open") == 1
        os.kill(caller.pid, signal.SIGKILL)
        assert eventually(lambda: server.total("soloist_sessions_open") == 0)


def test_a_deadline_ends_a_call_whose_client_does_not(server: RunningServer) -> None:
    before = counted(server, "DEADLINE_EXCEEDED", "Stream")
    with http2_connection(server.grpc) as connection:
        connection.open_call(STREAM, grpc_timeout="100m")
        connection.send_message(opening().SerializeToString(), more=True)
        connection.await_end()
    assert counted(server, "DEADLINE_EXCEEDED", "Stream") == before + 1
    assert server.total("soloist_sessions_open") == 0


@pytest.mark.parametrize("size", [70_000, 500_000, 1_050_000])
def test_large_metadata_is_refused_and_never_cut(asker: Asker, size: int) -> None:
    asked = pb.PredictRequest(model="sums", frames=ones(3))
    with pytest.raises(grpc.RpcError) as caught:
        asker.stub.Predict(asked, metadata=(("large", "x" * size),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "the limit is 65536" in (caught.value.details() or "")
    assert asker.stub.Predict(asked, metadata=(("large", "x" * 60_000),)).frame_count == 3


def test_an_unknown_method_is_named(asker: Asker) -> None:
    ask: Any = asker.channel.unary_unary("/soloist.v1.SequenceInference/Guess")
    with pytest.raises(grpc.RpcError) as caught:
        ask(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "/soloist.v1.SequenceInference/Guess is not supported" in (caught.value.details() or "")


@pytest.mark.parametrize(
    "fields",
    [
        {":method": "GET"},
        {"content-type": "application/json"},
        {":method": None},
        {":path": None},
        {":scheme": None},
        {":path": ""},
    ],
)
def test_requests_that_are_no_calls_are_turned_down(server: RunningServer, fields: dict[str, str | None]) -> None:
    with http2_connection(server.grpc) as connection:
        connection.open_call(STREAM, replaced=fields)
        connection.end_half()
        connection.await_end()
        connection.open_call(STREAM, 3)
        connection.end_half(3)
        connection.await_end(3)  # the connection goes on


@pytest.mark.parametrize("fields", [{":method": "PUT"}, {"content-type": "application/json"}])
def test_a_body_that_nobody_wants_is_read_so_that_its_sender_sees_the_answer(
    server: RunningServer, fields: dict[str, str | None]
) -> None:
    with http2_connection(server.grpc) as connection:
        for stream, body in ((1, bytes(300_000)), (3, b"")):
            connection.open_call(STREAM, stream, replaced=fields)
            connection.send_message(body, stream)
            connection.await_end(stream)
        connection.ping()
        assert connection.was_reset == set()
        connection.open_call(STREAM, 5, replaced=fields)
        connection.send_message(bytes(5_000_000), 5)  # too much
        connection.await_end(5)
        connection.ping()
        assert connection.was_reset == {5}


def test_a_drain_says_goodbye_to_every_connection(server: RunningServer, tmp_path: Path) -> None:
    with running_server(server.repository, tmp_path, transport="httpunk", drain_seconds=20) as draining:
        with http2_connection(draining.grpc) as idle, http2_connection(draining.grpc) as busy:
            busy.open_call(STREAM)
            busy.send_message(opening().SerializeToString(), more=True)
            idle.ping()
            busy.ping()
            draining.ask_to_stop()
            for connection in (idle, busy):
                with pytest.raises(SentAwayError):
                    connection.listen(30)
            busy.end_half()
        assert draining.exit_code() == 0


def test_an_old_connection_is_told_to_go_on_both_transports(
    server: RunningServer, tmp_path: Path, transport: str
) -> None:
    settings: dict[str, Any] = {"transport": transport, "max_connection_age_seconds": 0.3}
    with (
        running_server(server.repository, tmp_path, **settings) as ageing,
        http2_connection(ageing.grpc) as connection,
        pytest.raises((SentAwayError, ConnectionError)),
    ):
        connection.listen(30)
