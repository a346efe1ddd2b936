"""Runs that don't end by themselves: nobody waits for them, they take too long, or they are stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from soloist import Client, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, opening, tensor
from tests.integration.infer_requests import request, stub_of
from tests.servers import RunningServer, eventually, running_server
from tests.third_party import LOOPING, STUCK, WIDTHS

# Turns of a loop, or boxes, that take as good as for ever, and some seconds.
_FOR_EVER, _BOXES_FOR_EVER, _SOME_BOXES = 1e12, 300_000, 60_000
_PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harmful")
    for model in (LOOPING, STUCK, WIDTHS):
        model.write(folder)
    Sums(name="sums").write(folder)
    return folder


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    settings: dict[str, Any] = {"transport": transport, "workers": 2, "log_format": "json"}
    with running_server(repository, tmp_path_factory.mktemp("logs"), **settings) as server:
        yield server
        server.ask_to_stop()
        assert server.exit_code() == 0


def _predict(asker: Asker) -> None:
    asker.predict(tensor([[_FOR_EVER]]), model="looping", timeout=0.3)


def _predict_cancelled(asker: Asker) -> None:
    call = asker.stub.Predict.future(pb.PredictRequest(model="looping", frames=tensor([[_FOR_EVER]])))
    with pytest.raises(grpc.FutureTimeoutError):
        call.result(timeout=0.3)
    assert call.cancel()


def _stream(asker: Asker) -> None:
    chunk = pb.StreamRequest(chunk=pb.Chunk(frames=tensor([[_FOR_EVER]])))
    asker.converse(opening(model="looping"), chunk, timeout=0.3)


def _model_infer(asker: Asker) -> None:
    stub_of(asker).ModelInfer(_looping(), timeout=0.3)


def _timeout_of_a_request(asker: Asker) -> None:
    stub_of(asker).ModelInfer(_looping(timeout=300_000), timeout=_PATIENCE_SECONDS)


def _model_stream_infer(asker: Asker) -> None:
    list(stub_of(asker).ModelStreamInfer(iter([_looping()]), timeout=0.3))


def _timeout_in_a_stream(asker: Asker) -> None:
    (response,) = stub_of(asker).ModelStreamInfer(iter([_looping(timeout=300_000)]), timeout=_PATIENCE_SECONDS)
    assert response.error_message.startswith("DEADLINE_EXCEEDED")


def _compare(asker: Asker) -> None:
    asker.stub.Compare(pb.CompareRequest(model="looping", frames=tensor([[_FOR_EVER]])), timeout=0.3)


def _looping(**parameters: Any) -> Any:
    frames = np.full((1, 1, 1), _FOR_EVER, np.float32)
    return request(None, model="looping", inputs={"x": frames}, parameters=parameters)


@pytest.mark.parametrize(
    "give_up",
    [
        _predict,
        _predict_cancelled,
        _stream,
        _model_infer,
        _timeout_of_a_request,
        _model_stream_infer,
        _timeout_in_a_stream,
        _compare,
    ],
)
def test_a_run_that_nobody_waits_for_frees_its_worker(server: RunningServer, give_up: Callable[[Asker], None]) -> None:
    with asking(server.grpc) as asker, ThreadPoolExecutor(4) as callers:
        for code in callers.map(lambda _: _code_of(lambda: give_up(asker)), range(4)):
            assert code in (None, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert asker.predict(tensor([[1, 2]]), model="sums", timeout=_PATIENCE_SECONDS).frame_count == 1
        compared = asker.stub.Compare(
            pb.CompareRequest(model="sums", frames=tensor([[1, 2]])), timeout=_PATIENCE_SECONDS
        )
        assert compared.frame_count == 1
    assert server.get("/readyz") == (200, "ready\n")


def test_a_run_that_takes_too_long_is_ended_and_told(repository: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_run_seconds": 0.5, "workers": 1, "batch_uncertified": True}
    with running_server(repository, tmp_path, **settings) as server, asking(server.grpc) as asker:
        with pytest.raises(SoloistError, match="max_run_seconds") as caught:
            asker.predict(tensor([[_FOR_EVER]]), model="looping", timeout=_PATIENCE_SECONDS)
        assert (caught.value.code.name, caught.value.reason) == ("RESOURCE_EXHAUSTED", "RUN_TOO_LONG")
        assert caught.value.facts == {"max_run_seconds": "0.5"}
        with pytest.raises(grpc.RpcError) as compared:
            _compare_without_deadline(asker)
        assert compared.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert asker.predict(tensor([[2], [1]]), model="looping").frame_count == 2
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_one_that_takes_too_long_leaves_its_neighbours_their_answers(repository: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_run_seconds": 0.5, "workers": 1, "batch_uncertified": True}
    lengths = [_FOR_EVER, 1, 2, _FOR_EVER, 3]
    with (
        running_server(repository, tmp_path, **settings) as server,
        asking(server.grpc) as asker,
        ThreadPoolExecutor(len(lengths)) as callers,
    ):
        reported = [
            callers.submit(asker.predict, tensor([[turns]]), model="looping", timeout=_PATIENCE_SECONDS)
            for turns in lengths
        ]
        for turns, answer in zip(lengths, reported, strict=True):
            error = answer.exception()
            if turns == _FOR_EVER:
                assert isinstance(error, SoloistError)
                assert error.reason == "RUN_TOO_LONG"
            else:
                assert error is None


def test_a_server_whose_workers_are_all_stuck_is_not_ready_until_one_is_free(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, workers=1) as server, asking(server.grpc) as asker:
        with pytest.raises(SoloistError, match=r"(?i)deadline"):
            asker.predict(tensor([[_SOME_BOXES]]), model="stuck", timeout=0.1)
        assert eventually(lambda: server.get("/readyz") == (503, "no run ends any more\n"))
        assert eventually(lambda: server.get("/readyz") == (200, "ready\n"))
        assert asker.predict(tensor([[1, 2]]), model="sums").frame_count == 1


@pytest.mark.parametrize("model", ["looping", "stuck"])
def test_a_run_does_not_hold_up_the_end(repository: Path, tmp_path: Path, model: str, transport: str) -> None:
    settings: dict[str, Any] = {"transport": transport, "workers": 1, "drain_seconds": 0.2}
    with running_server(repository, tmp_path, **settings) as server, asking(server.grpc) as asker:
        frames = tensor([[_FOR_EVER if model == "looping" else _BOXES_FOR_EVER]])
        left = asker.stub.Predict.future(pb.PredictRequest(model=model, frames=frames))
        assert eventually(lambda: _is_running(server))
        server.ask_to_stop()
        assert server.exit_code() == 0
        assert left.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("widths", [[3] * 256 + [4] * 10, [3, 4], [3] * 300 + [4] * 300])
def test_widths_that_change_between_parts_are_told(server: RunningServer, widths: list[int]) -> None:
    with asking(server.grpc) as asker:
        with pytest.raises(SoloistError) as caught:
            asker.predict(tensor([[width] for width in widths]), model="widths", timeout=_PATIENCE_SECONDS)
        assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", "GRAPH_REFUSED")
        assert asker.predict(tensor([[3.0]] * 300), model="widths").outputs.shape == [3]


def test_widths_that_change_between_chunks_are_the_callers_to_see(server: RunningServer) -> None:
    with Client(server.grpc) as client, client.stream("widths") as stream:
        assert stream.send([[3.0]]).outputs.shape == (3,)
        assert stream.send([[4.0]]).outputs.shape == (4,)


def _compare_without_deadline(asker: Asker) -> None:
    asker.stub.Compare(pb.CompareRequest(model="looping", frames=tensor([[_FOR_EVER]])), timeout=_PATIENCE_SECONDS)


def _code_of(ask: Callable[[], None]) -> grpc.StatusCode | None:
    try:
        ask()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    except SoloistError as error:
        return error.code
    return None


def _is_running(server: RunningServer) -> bool:
    """Tell whether the server computes: it has used a processor for a while."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    before = getattr(_is_running, "before", None)
    _is_running.before = ticks  # type: ignore[attr-defined]
    return before is not None and ticks > before
