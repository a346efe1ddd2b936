"""Signals that end a server, and what its callers are told meanwhile: always a reason, never a bare CANCELLED."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from soloist import Client
from soloist.client.errors import from_rpc_error
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import asking, ones, opening
from tests.integration.drain import await_drain
from tests.integration.infer_requests import request, stub_of
from tests.servers import SERVE, RunningServer, running_server

_CALLERS = 16


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("sums")
    Sums(name="sums").write(repository)
    return repository


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_terminal_that_closes_asks_for_a_drain(
    sums: Path, tmp_path: Path, number: signal.Signals, transport: str
) -> None:
    log = tmp_path / "log.db"
    with (
        running_server(sums, tmp_path, prediction_log=log, transport=transport) as server,
        Client(server.grpc) as client,
    ):
        with client.stream("sums") as stream:
            stream.send([[1.0, 1.0]])
            server.process.send_signal(number)
            await_drain(server)
            if number == signal.SIGHUP:  # terminals send it more than once
                server.process.send_signal(number)
            assert stream.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 3.0]
        assert server.exit_code() == 0


def test_signals_that_were_ignored_at_the_start_stay_so(sums: Path, tmp_path: Path) -> None:
    program = ("nohup", *SERVE)
    with running_server(sums, tmp_path, program=program) as server, Client(server.grpc) as client:
        server.process.send_signal(signal.SIGHUP)
        assert client.predict("sums", [[1.0, 2.0]]).outputs.tolist() == [1.0, 2.0]
        assert server.get("/readyz") == (200, "ready\n")
        server.ask_to_stop()
        assert server.exit_code() == 0


@pytest.mark.parametrize("drain_seconds", [0, 0.2, 5])
def test_every_call_in_a_drain_is_answered_or_told(
    sums: Path, tmp_path: Path, drain_seconds: float, transport: str
) -> None:
    with (
        running_server(sums, tmp_path, drain_seconds=drain_seconds, transport=transport) as server,
        ThreadPoolExecutor(_CALLERS) as pool,
    ):
        busy, over = threading.Semaphore(0), threading.Event()
        callers = [pool.submit(_keep_asking, server, number, busy, over) for number in range(_CALLERS)]
        for _ in range(10 * _CALLERS):
            assert busy.acquire(timeout=30)
        server.ask_to_stop()
        assert server.exit_code() == 0
        over.set()
        reported: Counter[str] = sum((caller.result() for caller in callers), Counter())
    assert set(reported) <= {"OK", "SERVER_DRAINING", "UNREACHABLE"}
    assert reported["OK"] >= 10 * _CALLERS


def _keep_asking(server: RunningServer, number: int, busy: threading.Semaphore, over: threading.Event) -> Counter[str]:
    reported: Counter[str] = Counter()
    with asking(server.grpc) as asker:
        while not over.is_set():
            try:
                if number % 4 == 0:
                    asker.stub.Predict(pb.PredictRequest(model="sums", frames=ones(3)), timeout=30)
                elif number % 4 == 1:
                    stub_of(asker).ModelInfer(request(), timeout=30)
                elif number % 4 == 2:
                    list(asker.stub.Stream(_messages(), timeout=30))
                else:
                    list(stub_of(asker).ModelStreamInfer(iter([request()]), timeout=30))
                reported["OK"] += 1
            except grpc.RpcError as error:
                reason = _reason(error)
                reported[reason] += 1
                if reason == "UNREACHABLE":
                    break
            busy.release()
    return reported


def _messages() -> Iterator[pb.StreamRequest]:
    yield opening()
    yield pb.StreamRequest(chunk=pb.Chunk(frames=ones(3)))
    yield pb.StreamRequest(close=pb.Close())


def _reason(error: grpc.RpcError) -> str:
    known = from_rpc_error(error)
    if known.facts or known.reason == "SERVER_DRAINING":
        return known.reason
    return "UNREACHABLE" if error.code() is grpc.StatusCode.UNAVAILABLE else f"{error.code()}: {error.details()}"
