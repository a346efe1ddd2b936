"""Pings on connections where nothing else happens: welcome at any sensible rate, with and without calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from bench.gates.http2 import Http2Connection, SentAwayError, http2_connection
from soloist.cli.main import main
from soloist.v1.sequence_inference_pb2 import StreamRequest
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.graphs import Sums
from tests.integration.asking import CLOSE, opening
from tests.servers import RunningServer, running_server

STREAM = "/soloist.v1.SequenceInference/Stream"
# With gRPC's own bound of five minutes the third ping too many ends a connection.
PINGS = 6


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """A server with the default bound."""
    folder = tmp_path_factory.mktemp("quiet")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, transport=transport) as server:
        yield server


@pytest.fixture(scope="module")
def patient(quiet: RunningServer, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """A server without a bound."""
    settings: dict[str, Any] = {"transport": transport, "min_ping_interval_seconds": 0}
    with running_server(quiet.repository, tmp_path_factory.mktemp("patient"), **settings) as server:
        yield server


def several_a_second(connection: Http2Connection) -> None:
    for _ in range(PINGS):
        connection.ping()
        connection.listen(0.25)


@pytest.mark.parametrize("with_call", [False, True])
def test_without_a_bound_any_rate_is_welcome(patient: RunningServer, with_call: bool) -> None:
    with http2_connection(patient.grpc) as connection:
        if with_call:
            connection.open_call(STREAM)
        for _ in range(100):
            connection.ping()


@pytest.mark.parametrize("with_call", [False, True])
def test_who_floods_the_server_is_sent_away(quiet: RunningServer, with_call: bool) -> None:
    def flood() -> None:
        for _ in range(100):
            connection.ping()

    with http2_connection(quiet.grpc) as connection:
        if with_call:
            connection.open_call(STREAM)
        with pytest.raises(SentAwayError, match="too_many_pings"):
            flood()


def test_several_pings_a_second_are_welcome(quiet: RunningServer) -> None:
    def ping(with_call: bool) -> None:
        with http2_connection(quiet.grpc) as connection:
            if with_call:
                connection.open_call(STREAM)
            several_a_second(connection)

    with ThreadPoolExecutor(2) as both:
        list(both.map(ping, [False, True]))


def test_a_client_of_grpc_that_pings_keeps_its_quiet_stream(quiet: RunningServer) -> None:
    options = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    finish, ended = threading.Event(), threading.Event()

    def messages() -> Iterator[StreamRequest]:
        yield opening()
        finish.wait()
        yield CLOSE

    with grpc.insecure_channel(quiet.grpc, options=options) as channel:
        call = SequenceInferenceStub(channel).Stream(messages())
        assert next(call).HasField("opened")
        call.add_callback(ended.set)
        # So many of its pings would have ended it.
        assert not ended.wait(4.5)
        finish.set()
        assert next(call).HasField("closed")
        assert call.code() is grpc.StatusCode.OK


def test_the_bound_can_be_set_and_no_other_value(quiet: RunningServer, tmp_path: Path, transport: str) -> None:
    with (
        running_server(quiet.repository, tmp_path, transport=transport, min_ping_interval_seconds=60) as server,
        http2_connection(server.grpc) as connection,
        pytest.raises(SentAwayError, match="too_many_pings"),
    ):
        several_a_second(connection)
    for wrong in ("-1", "nan", "inf", "soon"):
        done = CliRunner().invoke(
            main,
            ["serve", "--repository", str(tmp_path)],
            env={"SOLOIST_MIN_PING_INTERVAL_SECONDS": wrong},
        )
        assert done.exit_code == 2
        assert "min_ping_interval_seconds: " in done.stderr
