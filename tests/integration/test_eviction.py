"""A full server: what is idle longest makes room for others, and its caller is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soloist import Client, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, chunk, ones, opening, translated
from tests.integration.infer_requests import infer, step
from tests.servers import RunningServer, eventually, running_server


@pytest.fixture
def server(tmp_path: Path, transport: str) -> Iterator[RunningServer]:
    Sums(name="sums").write(tmp_path / "repository")
    bounds: dict[str, Any] = {"max_sessions": 2, "evict_after_idle_seconds": 0.0}
    with running_server(tmp_path / "repository", tmp_path, transport=transport, **bounds) as server:
        yield server


@pytest.fixture
def asker(server: RunningServer) -> Iterator[Asker]:
    with asking(server.grpc) as asker:
        yield asker


def test_the_stream_idle_longest_makes_room_and_is_told(server: RunningServer, asker: Asker) -> None:
    with Client(server.grpc) as client, client.stream("sums") as lively:
        lively.send([[1.0, 1.0]])
        waiting = asker.stub.Stream(_then_silence(opening(), chunk(0, ones(3))))
        answers = [next(waiting), next(waiting)]
        lively.send([[1.0, 1.0]])
        with client.stream("sums") as newcomer:
            assert newcomer.send([[2.0, 2.0]]).outputs.tolist() == [2.0, 2.0]
            assert server.total("soloist_sessions_open") == 2
            assert lively.send([[1.0, 1.0]]).outputs.tolist() == [3.0, 3.0]
            with pytest.raises(SoloistError) as caught, translated():  # without having sent anything
                next(waiting)
    error = caught.value
    assert [answer.WhichOneof("message") for answer in answers] == ["opened", "result"]
    assert (error.code.name, error.reason) == ("UNAVAILABLE", "SESSION_EVICTED")
    assert "to make room for others" in error.message
    assert float(error.facts["idle_seconds"]) >= 0
    assert server.total("soloist_sessions_ended_total", reason="evicted") == 1
    assert eventually(lambda: server.total("soloist_requests_total", api="Stream", code="UNAVAILABLE") == 1)
    assert eventually(lambda: server.total("soloist_sessions_open") == 0)


def test_sequences_and_streams_make_room_for_each_other(server: RunningServer, asker: Asker) -> None:
    infer(asker, step(1, start=True))
    infer(asker, step(2, start=True))
    infer(asker, step(1))
    with Client(server.grpc) as client, client.stream("sums") as stream:
        stream.send([[1.0, 1.0]])
        with pytest.raises(SoloistError) as caught:
            infer(asker, step(2))
        assert (caught.value.reason, caught.value.code.name) == ("SEQUENCE_EVICTED", "FAILED_PRECONDITION")
        infer(asker, step(1))
        infer(asker, step(3, start=True))
        with pytest.raises(SoloistError) as caught:
            stream.send([[1.0, 1.0]])
        assert caught.value.reason == "SESSION_EVICTED"
    infer(asker, step(1, end=True), step(3, end=True))
    assert server.total("soloist_sessions_ended_total", reason="evicted") == 2
    assert server.total("soloist_sessions_open") == 0
    assert server.total("soloist_session_state_bytes") == 0


def _then_silence(*messages: pb.StreamRequest) -> Iterator[pb.StreamRequest]:
    yield from messages
    threading.Event().wait(timeout=30)
