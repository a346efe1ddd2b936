"""Chunks that arrive while a run of their stream is under way: what shares the next run, and what a failure takes."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from soloist import SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import CLOSE, Asker, asking, chunk, opening, tensor, translated
from tests.integration.gated import GatedServer, gated_server
from tests.servables import POISON

MAX_JOINED = 8


@pytest.fixture
def gated(transport: str) -> Iterator[GatedServer]:
    with gated_server(transport, max_joined_chunks=MAX_JOINED) as server:
        yield server


class Sending:
    """A stream of one-frame chunks whose messages leave when a test says so."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._outgoing: queue.SimpleQueue[pb.StreamRequest | None] = queue.SimpleQueue()
        self.call: Any = asker.stub.Stream(iter(self._outgoing.get, None), timeout=30)

    def send(self, *messages: pb.StreamRequest | None) -> None:
        for message in messages:
            self._outgoing.put(message)

    def await_arrival(self) -> None:
        """Wait until the server has had time to read what was sent: each call takes at least a turn of its loop."""
        for _ in range(3 * MAX_JOINED):
            self._asker.stub.ListModels(pb.ListModelsRequest())

    def results(self) -> list[float]:
        """Return the sums that came until the call ended."""
        found: list[pb.ChunkResult] = []
        with translated():
            found.extend(self._results())
        return [float(np.frombuffer(each.outputs.data, np.float32)[0]) for each in found]

    def refused(self) -> tuple[list[pb.ChunkResult], SoloistError]:
        """Return the answers that came, and the error that ended the call."""
        found: list[pb.ChunkResult] = []
        with pytest.raises(SoloistError) as caught, translated():
            found.extend(self._results())
        return found, caught.value

    def _results(self) -> Iterator[pb.ChunkResult]:
        return (each.result for each in self.call if each.WhichOneof("message") == "result")


def one(first_frame: int, value: float = 1.0) -> pb.StreamRequest:
    return chunk(first_frame, tensor([[value]]))


def held(gated: GatedServer, asker: Asker, first: pb.StreamRequest | None = None) -> Sending:
    """Begin a stream whose first chunk is being run."""
    gated.runner.gate.clear()
    sending = Sending(asker)
    sending.send(first or opening("gated"), one(0))
    gated.runner.await_run()
    return sending


def test_what_arrived_meanwhile_shares_runs_up_to_the_bound(gated: GatedServer) -> None:
    with asking(gated.grpc) as asker:
        sending = held(gated, asker)
        sending.send(*(one(number) for number in range(1, 20)), CLOSE, None)
        sending.await_arrival()
        gated.runner.gate.set()
        assert sending.results() == [float(number) for number in range(1, 21)]
    assert gated.runner.runs == [[1], [MAX_JOINED], [MAX_JOINED], [3]]
    assert gated.total("soloist_joined_chunks_sum") == 19
    assert gated.total("soloist_joined_chunks_count") == 3
    assert gated.total("soloist_predictions_total") == 20


def test_chunks_that_wait_for_their_answers_never_do(gated: GatedServer) -> None:
    with asking(gated.grpc) as asker:
        sending = Sending(asker)
        sending.send(opening("gated"))
        next(sending.call)
        for number in range(40):
            sending.send(one(number))
            next(sending.call)
        sending.send(CLOSE, None)
        assert sending.results() == []
    assert gated.runner.runs == [[1]] * 40


def test_one_that_fails_takes_no_answer_before_it(gated: GatedServer) -> None:
    with asking(gated.grpc) as asker:
        sending = held(gated, asker)
        sending.send(one(1), one(2), one(3, POISON), one(4), CLOSE, None)
        sending.await_arrival()
        gated.runner.gate.set()
        found, error = sending.refused()
    assert error.reason == "INTERNAL"
    assert [each.first_frame for each in found] == [0, 1, 2]
    assert gated.runner.runs == [[1], [4], [1], [1], [1]]
    assert gated.total("soloist_predictions_total") == 3
    assert gated.total("soloist_sessions_open") == 0


def test_one_whose_answer_there_is_no_memory_for_takes_no_answer_before_it(transport: str) -> None:
    large = chunk(3, tensor(np.ones((2000, 1))))  # 8,000 bytes of answer, beside three times as many
    first = pb.StreamRequest(open=pb.Open(model="gated", output_selection=pb.OUTPUT_SELECTION_EVERY_FRAME))
    with (
        gated_server(transport, max_joined_chunks=MAX_JOINED, max_connection_bytes=30_000) as gated,
        asking(gated.grpc) as asker,
    ):
        sending = held(gated, asker, first)
        sending.send(one(1), one(2), large, one(2003), CLOSE, None)
        sending.await_arrival()
        gated.runner.gate.set()
        found, error = sending.refused()
        assert error.reason == "MEMORY_FULL"
        assert [each.first_frame for each in found] == [0, 1, 2]
        assert gated.total("soloist_joined_chunks_sum") == 4
        assert gated.total("soloist_predictions_total") == 3
        assert gated.total("soloist_sessions_open") == 0


def test_a_cancel_in_the_middle_frees_the_session(gated: GatedServer) -> None:
    with asking(gated.grpc) as asker:
        sending = held(gated, asker)
        sending.send(*(one(number) for number in range(1, 20)))
        sending.await_arrival()
        sending.call.cancel()
        sending.send(None)
        sending.await_arrival()
        gated.runner.gate.set()
        sending.await_arrival()
    assert gated.total("soloist_sessions_open") == 0
    assert gated.total("soloist_predictions_total") == 0
    assert gated.runner.runs == [[1]]
