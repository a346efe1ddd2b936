"""What callers are told, and what is run, when the server is busy: each test opens and shuts the model's gate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import numpy as np
import pytest

from soloist import Client, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import Asker, ones, tensor
from tests.integration.gated import MAX_QUEUED, GatedServer
from tests.servables import POISON
from tests.servers import eventually


def test_a_model_that_is_still_being_loaded(gated: GatedServer, gated_asker: Asker) -> None:
    with pytest.raises(SoloistError, match="try again") as caught:
        gated_asker.predict(ones(3, 1), model="loading")
    assert (caught.value.code.name, caught.value.reason) == ("UNAVAILABLE", "MODEL_LOADING")
    assert caught.value.facts["model"] == "loading"
    gated.loaded.set()
    with Client(gated.grpc) as client:  # it tries again by itself
        frames = np.array([[1.0], [2.0]], np.float32)  # what the model takes can't be asked while it loads
        assert client.predict("loading", frames).outputs.tolist() == [3.0]


def test_a_full_queue_refuses_at_once(gated: GatedServer, gated_asker: Asker) -> None:
    with ThreadPoolExecutor(MAX_QUEUED + 2) as callers, _occupied(gated, gated_asker) as occupant:
        waiting = [callers.submit(gated_asker.predict, ones(2, 1), model="gated") for _ in range(MAX_QUEUED + 1)]
        refused, rest = wait(waiting, return_when=FIRST_COMPLETED)
        error = refused.pop().exception()
        assert isinstance(error, SoloistError)
        assert (error.code.name, error.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
        assert error.facts == {"queued": str(MAX_QUEUED)}
        assert "try again with backoff" in error.message
        gated.runner.gate.set()
        assert occupant.result().frame_count == 3
        assert [answer.result().frame_count for answer in rest] == [2] * MAX_QUEUED


def test_a_full_queue_ends_no_stream(gated: GatedServer, gated_asker: Asker) -> None:
    with Client(gated.grpc) as client, client.stream("gated") as stream:
        assert stream.send([[1.0]]).outputs.tolist() == [1.0]
        gated.runner.await_run()
        gated.await_arrivals(1)
        with ThreadPoolExecutor(MAX_QUEUED + 1) as callers, _occupied(gated, gated_asker):
            waiting = [callers.submit(gated_asker.predict, ones(2, 1), model="gated") for _ in range(MAX_QUEUED)]
            gated.await_arrivals(MAX_QUEUED + 1)
            chunk = callers.submit(stream.send, [[2.0]])
            gated.await_arrivals(1)
            gated.runner.gate.set()
            assert chunk.result().outputs.tolist() == [3.0]
            assert [answer.result().frame_count for answer in waiting] == [2] * MAX_QUEUED
        assert stream.send([[3.0]]).outputs.tolist() == [6.0]


def test_what_cannot_be_answered_in_time_is_told_so_at_once(gated: GatedServer, gated_asker: Asker) -> None:
    for _ in range(2):
        with _occupied(gated, gated_asker):
            time.sleep(0.5)  # so long do runs take, as far as the server knows
    with ThreadPoolExecutor(1) as caller, _occupied(gated, gated_asker):
        gated.await_arrivals(3)
        waiting = caller.submit(gated_asker.predict, ones(2, 1), model="gated")
        gated.await_arrivals(1)
        with pytest.raises(SoloistError, match="allow more time") as caught:
            gated_asker.predict(ones(2, 1), model="gated", timeout=0.4)
        assert (caught.value.code.name, caught.value.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        gated.runner.gate.set()
        assert waiting.result().frame_count == 2


def test_a_deadline_that_passes_in_the_queue(gated: GatedServer, gated_asker: Asker) -> None:
    with _occupied(gated, gated_asker):
        with pytest.raises(SoloistError) as caught:
            gated_asker.predict(ones(2, 1), model="gated", timeout=0.1)
        assert caught.value.code.name == "DEADLINE_EXCEEDED"
        assert eventually(lambda: _counted(gated, "Predict", "DEADLINE_EXCEEDED") == 1)
    assert gated_asker.predict(ones(4, 1), model="gated").frame_count == 4
    assert gated.runner.runs == [[3], [4]]  # the late one never ran


def test_a_call_that_is_cancelled_in_the_queue_never_runs(gated: GatedServer, gated_asker: Asker) -> None:
    with _occupied(gated, gated_asker):
        late = gated_asker.stub.Predict.future(pb.PredictRequest(model="gated", frames=ones(2, 1)))
        gated.await_arrivals(2)
        assert late.cancel()
        assert eventually(lambda: _counted(gated, "Predict", "CANCELLED") == 1)
    assert gated_asker.predict(ones(4, 1), model="gated").frame_count == 4
    assert gated.runner.runs == [[3], [4]]


def test_a_deadline_that_passes_while_a_chunk_runs(gated: GatedServer) -> None:
    gated.runner.gate.clear()
    with Client(gated.grpc) as client:
        stream = client.stream("gated", timeout_seconds=0.5).__enter__()
        with pytest.raises(SoloistError) as caught:
            stream.send([[1.0]])
        assert caught.value.code.name == "DEADLINE_EXCEEDED"
    _assert_stream_ended(gated, "deadline", "DEADLINE_EXCEEDED")


def test_a_deadline_that_passes_between_chunks(gated: GatedServer) -> None:
    with Client(gated.grpc) as client:
        stream = client.stream("gated", timeout_seconds=0.5).__enter__()
        assert stream.send([[1.0]]).outputs.tolist() == [1.0]
        _assert_stream_ended(gated, "deadline", "DEADLINE_EXCEEDED")
        with pytest.raises(SoloistError) as caught:
            stream.send([[1.0]])
        assert caught.value.code.name == "DEADLINE_EXCEEDED"


def test_a_stream_that_is_cancelled_while_a_chunk_runs(gated: GatedServer) -> None:
    gated.runner.gate.clear()
    with Client(gated.grpc) as client, ThreadPoolExecutor(1) as caller:
        stream = client.stream("gated").__enter__()
        waiting = caller.submit(stream.send, [[1.0]])
        gated.runner.await_run()
        stream.cancel()
        assert isinstance(waiting.exception(), SoloistError)
    _assert_stream_ended(gated, "cancelled", "CANCELLED")


def test_a_run_that_fails_tells_nothing_of_the_inside(gated_asker: Asker) -> None:
    with pytest.raises(SoloistError) as caught:
        gated_asker.predict(tensor([[POISON]]), model="gated")
    assert (caught.value.code.name, caught.value.reason) == ("INTERNAL", "INTERNAL")
    assert caught.value.message == "internal error"
    assert caught.value.facts == {}
    assert gated_asker.predict(ones(4, 1), model="gated").frame_count == 4


@contextmanager
def _occupied(gated: GatedServer, asker: Asker) -> Iterator[Future[pb.PredictResponse]]:
    """Keep the only worker busy with 3 frames, until the gate is opened at the latest at the end."""
    gated.runner.gate.clear()
    with ThreadPoolExecutor(1) as caller:
        occupant = caller.submit(asker.predict, ones(3, 1), model="gated")
        gated.runner.await_run()
        try:
            yield occupant
        finally:
            gated.runner.gate.set()


def _counted(gated: GatedServer, api: str, code: str) -> float:
    return gated.total("soloist_requests_total", api=api, code=code)


def _assert_stream_ended(gated: GatedServer, how: str, code: str) -> None:
    assert eventually(lambda: _counted(gated, "Stream", code) == 1)
    assert gated.total("soloist_sessions_ended_total", reason=how) == 1
    assert gated.total("soloist_sessions_ended_total") == 1
    assert gated.total("soloist_sessions_open") == 0
