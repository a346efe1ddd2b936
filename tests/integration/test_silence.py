"""Streams whose callers fall silent or vanish: their sessions end, and the end is counted for what it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc
import pytest

from soloist import Client, SoloistError
from soloist.client.errors import from_rpc_error
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, chunk, ones, opening, translated
from tests.integration.strict import ON_BOTH
from tests.servers import RunningServer, eventually, running_server


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("impatient")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, session_idle_seconds=0.1, transport=transport) as server:
        yield server


@pytest.mark.parametrize("said", [(), (opening(),), (opening(), chunk(0, ones(3)))], ids=["nothing", "open", "chunk"])
def test_a_silent_stream_is_ended(impatient: RunningServer, said: tuple[pb.StreamRequest, ...]) -> None:
    ends = _ended(impatient, "idle")
    error, answers = _fall_silent(impatient, said)
    assert (error.code.name, error.reason) == ("ABORTED", "SESSION_IDLE")
    assert error.facts == {"idle_seconds": "0.1"}
    assert "begin another stream" in error.message
    assert len(answers) == len(said)
    assert _ended(impatient, "idle") == ends + bool(said)
    assert impatient.total("soloist_sessions_open") == 0


def test_a_stream_whose_answers_are_not_taken_is_ended(impatient: RunningServer, transport: str) -> None:
    ends = _ended(impatient, "idle")
    begun = opening()
    begun.open.output_selection = pb.OUTPUT_SELECTION_EVERY_FRAME
    long = 10_000
    with asking(impatient.grpc) as asker:
        call = asker.stub.Stream(iter([begun, *(chunk(first, ones(long)) for first in range(0, 400 * long, long))]))
        assert eventually(lambda: _ended(impatient, "idle") == ends + 1)
        assert impatient.total("soloist_sessions_open") == 0
        answers: list[pb.StreamResponse] = []
        with pytest.raises(SoloistError) as caught, translated():  # who reads after all is told
            answers.extend(call)
    if transport == "grpc":
        assert caught.value.reason == "SESSION_IDLE"
        assert "read the answers" in caught.value.message
    else:  # a message was cut, and a status after it would make it look whole
        assert caught.value.code.name == "CANCELLED"
    assert len(answers) < 400


def _fall_silent(
    server: RunningServer, said: tuple[pb.StreamRequest, ...]
) -> tuple[SoloistError, list[pb.StreamResponse]]:
    over = threading.Event()

    def messages() -> Iterator[pb.StreamRequest]:
        yield from said
        over.wait(timeout=30)

    answers: list[pb.StreamResponse] = []
    with asking(server.grpc) as asker:
        try:
            answers.extend(asker.stub.Stream(messages()))
        except grpc.RpcError as error:
            return from_rpc_error(error), answers
        finally:
            over.set()
    raise AssertionError("the server waited for ever")


@ON_BOTH
def test_a_stream_that_ends_without_close_is_counted_as_cancelled(strict: RunningServer, asker: Asker) -> None:
    ends, calls = _ended(strict, "cancelled"), _cancelled_calls(strict)
    with pytest.raises(SoloistError):
        asker.converse(opening(), chunk(0, ones(3)))
    assert eventually(lambda: _cancelled_calls(strict) == calls + 1)
    assert _ended(strict, "cancelled") == ends + 1


@ON_BOTH
def test_a_stream_that_its_caller_cancels_is_counted_as_cancelled(strict: RunningServer) -> None:
    ends, calls = _ended(strict, "cancelled"), _cancelled_calls(strict)
    with Client(strict.grpc) as client:
        stream = client.stream("sums").__enter__()
        stream.send([[1.0, 2.0]])
        stream.cancel()
    assert eventually(lambda: _cancelled_calls(strict) == calls + 1)
    assert _ended(strict, "cancelled") == ends + 1


@ON_BOTH
def test_a_stream_whose_connection_breaks_is_counted_as_cancelled(strict: RunningServer) -> None:
    ends, calls = _ended(strict, "cancelled"), _cancelled_calls(strict)
    with Client(strict.grpc) as client:
        client.stream("sums").__enter__()
    assert eventually(lambda: _cancelled_calls(strict) == calls + 1)
    assert _ended(strict, "cancelled") == ends + 1


def _ended(server: RunningServer, how: str) -> float:
    return server.total("soloist_sessions_ended_total", model="sums", reason=how)


def _cancelled_calls(server: RunningServer) -> float:
    return server.total("soloist_requests_total", model="sums", api="Stream", code="CANCELLED")
