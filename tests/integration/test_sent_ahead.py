"""A stream whose caller sends chunks without waiting for answers: their order, their bits, and how it may end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from soloist import Client, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.sequence_inference_pb2 import OUTPUT_SELECTION_EVERY_FRAME, OUTPUT_SELECTION_UNSPECIFIED
from tests.conftest import SMALL_MODELS
from tests.integration.asking import CLOSE, NOTHING, Asker, asking, chunk, tensor, translated
from tests.integration.drain import await_drain
from tests.servers import RunningServer, eventually, running_server

MODEL, FEATURES = "vowels-lstm-layer", 12
MAX_CHUNK_FRAMES, MAX_JOINED = 20, 8
CHUNKS = 60
IDLE_SECONDS = 1.0


@pytest.fixture(scope="module")
def server(repository: Path, transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("ahead")
    bounds: dict[str, Any] = {
        "max_chunk_frames": MAX_CHUNK_FRAMES,
        "max_joined_chunks": MAX_JOINED,
        "max_slice_frames": 4 * MAX_CHUNK_FRAMES,
        "session_idle_seconds": IDLE_SECONDS,
        "prediction_log": folder / "log.db",
        "skew_probe_ratio": 0,
        "live_check_ratio": 1,
    }
    with running_server(repository, folder, transport=transport, **bounds) as server:
        yield server


@pytest.fixture(scope="module")
def asker(server: RunningServer) -> Iterator[Asker]:
    with asking(server.grpc) as asker:
        yield asker


def cut(seed: int = 0, *, chunks: int = CHUNKS) -> list[Any]:
    """Draw a sequence in chunks of 1 to 5 frames."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(1, 6), FEATURES)).astype(np.float32) for _ in range(chunks)]


def opened(model: str = MODEL, *, every_frame: bool = False) -> pb.StreamRequest:
    selection = OUTPUT_SELECTION_EVERY_FRAME if every_frame else OUTPUT_SELECTION_UNSPECIFIED
    return pb.StreamRequest(open=pb.Open(model=model, output_selection=selection))


def in_turn(pieces: Sequence[Any]) -> list[pb.StreamRequest]:
    firsts = np.cumsum([0, *map(len, pieces)])
    return [chunk(int(first), tensor(piece)) for first, piece in zip(firsts, pieces, strict=False)]


def results(call: Any) -> tuple[list[pb.ChunkResult], SoloistError | None]:
    """Return the answers until the call ends, and how it fails if it does."""
    found: list[pb.ChunkResult] = []
    try:
        with translated():
            found.extend(each.result for each in call if each.WhichOneof("message") == "result")
    except SoloistError as error:
        return found, error
    return found, None


def waited_for(server: RunningServer, pieces: Sequence[Any], *, model: str = MODEL, every_frame: bool) -> list[bytes]:
    with Client(server.grpc) as client, client.stream(model, every_frame=every_frame) as stream:
        return [stream.send(piece).outputs.tobytes() for piece in pieces]


def is_quiet(server: RunningServer) -> bool:
    return server.total("soloist_sessions_open") == 0


@pytest.mark.parametrize("every_frame", [False, True])
@pytest.mark.parametrize("model", SMALL_MODELS)
def test_they_are_answered_in_order_with_the_bits_of_chunks_that_waited(
    server: RunningServer, asker: Asker, transport: str, model: str, every_frame: bool
) -> None:
    pieces = cut()
    expected = waited_for(server, pieces, model=model, every_frame=every_frame)
    joined = server.total("soloist_joined_chunks_sum", model=model)
    answered = server.total("soloist_predictions_total", model=model)
    responses, code = asker.converse(opened(model, every_frame=every_frame), *in_turn(pieces), CLOSE)
    found = [each.result for each in responses[1:-1]]
    assert code.name == "OK"
    assert responses[-1].closed.frame_count == sum(map(len, pieces))
    assert [each.first_frame for each in found] == np.cumsum([0, *map(len, pieces)])[:-1].tolist()
    assert [each.frame_count for each in found] == [len(piece) for piece in pieces]
    assert [each.outputs.data for each in found] == expected
    assert len({each.prediction_id for each in found}) == CHUNKS
    assert server.total("soloist_predictions_total", model=model) == answered + CHUNKS
    # grpc.aio hands over a message a turn of the event loop: what gathers depends on how long runs take.
    assert server.total("soloist_joined_chunks_sum", model=model) > joined or transport == "grpc"
    # Never more than so many.
    runs, chunks = (server.total(f"soloist_joined_chunks_{each}", model=model) for each in ("count", "sum"))
    assert 2 * runs <= chunks <= MAX_JOINED * runs


def test_joined_runs_are_checked_against_those_of_each_chunk(
    server: RunningServer, asker: Asker, transport: str
) -> None:
    asker.converse(opened(), *in_turn(cut()), CLOSE)
    checks = "soloist_invariance_checks_total"
    assert transport == "grpc" or eventually(lambda: server.total(checks, model=MODEL, outcome="equal") > 0)
    assert server.total(checks, outcome="different") == 0


NAN = np.full((2, FEATURES), np.nan)
BAD: dict[str, tuple[Any, str]] = {
    "gap": (lambda first: chunk(first + 1, tensor(np.ones((1, FEATURES)))), "CHUNK_GAP"),
    "overlap": (lambda _: chunk(0, tensor(np.ones((1, FEATURES)))), "CHUNK_OVERLAP"),
    "shape": (lambda first: chunk(first, tensor(np.ones((1, 3)))), "FEATURE_COUNT_MISMATCH"),
    "nan": (lambda first: chunk(first, tensor(NAN)), "NON_FINITE_INPUT"),
    "long": (lambda first: chunk(first, tensor(np.ones((MAX_CHUNK_FRAMES + 1, FEATURES)))), "CHUNK_TOO_LONG"),
    "nothing": (lambda _: NOTHING, "EMPTY_MESSAGE"),
    "open": (lambda _: opened(), "STREAM_ALREADY_OPEN"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_one_is_refused_after_the_answers_before_it_and_nothing_after_it_runs(
    server: RunningServer, asker: Asker, kind: str
) -> None:
    pieces, (bad, reason) = cut(), BAD[kind]
    expected = waited_for(server, pieces[:20], every_frame=False)
    answered = server.total("soloist_predictions_total", model=MODEL)
    sent = in_turn(pieces)
    first = sent[20].chunk.first_frame
    sent[20:20] = [bad(first)]
    found, error = results(asker.stub.Stream(iter([opened(), *sent, CLOSE])))
    assert error is not None
    assert error.reason == reason
    assert [each.outputs.data for each in found] == expected
    if reason == "CHUNK_GAP":
        assert error.facts["expected_first_frame"] == str(first)
    assert server.total("soloist_predictions_total", model=MODEL) == answered + 20
    assert eventually(lambda: is_quiet(server))


def test_the_last_one_may_be_repeated_among_them(server: RunningServer, asker: Asker) -> None:
    pieces = cut(chunks=12)
    expected = waited_for(server, pieces, every_frame=False)
    sent = in_turn(pieces)
    found, error = results(asker.stub.Stream(iter([opened(), *sent[:6], sent[5], sent[5], *sent[6:], sent[11], CLOSE])))
    assert error is None
    assert [each.outputs.data for each in found] == [*expected[:6], *[expected[5]] * 2, *expected[6:], expected[11]]
    assert found[5].prediction_id == found[6].prediction_id == found[7].prediction_id
    assert found[13].prediction_id == found[14].prediction_id
    _, conflict = results(asker.stub.Stream(iter([opened(), *sent[:6], chunk(sent[5].chunk.first_frame, tensor(NAN))])))
    assert conflict is not None
    assert conflict.reason == "CHUNK_CONFLICT"


def test_an_end_in_the_middle_frees_the_session(server: RunningServer, asker: Asker) -> None:
    sent = in_turn(cut())
    call: Any = asker.stub.Stream(iter([opened(), *sent]))
    next(call)
    call.cancel()
    assert eventually(lambda: is_quiet(server))
    found, error = results(asker.stub.Stream(iter([opened(), *sent])))  # no close
    assert error is not None
    assert error.reason == "STREAM_CUT"
    assert len(found) == CHUNKS
    assert eventually(lambda: is_quiet(server))


def silent_after(messages: Sequence[pb.StreamRequest], seconds: float) -> Iterator[pb.StreamRequest]:
    yield from messages
    time.sleep(seconds)  # a caller that says nothing is what is tested


def test_the_deadline_ends_it(server: RunningServer, asker: Asker) -> None:
    sent = silent_after([opened(), *in_turn(cut())], 1.0)
    found, error = results(asker.stub.Stream(sent, timeout=0.5))
    assert error is not None
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(found) == CHUNKS
    assert eventually(lambda: is_quiet(server))


def test_silence_ends_it(server: RunningServer, asker: Asker) -> None:
    found, error = results(asker.stub.Stream(silent_after([opened(), *in_turn(cut())], 2 * IDLE_SECONDS), timeout=30))
    assert error is not None
    assert error.reason == "SESSION_IDLE"
    assert len(found) == CHUNKS
    assert is_quiet(server)


def test_a_caller_that_never_reads_is_bounded_and_disturbs_nobody(server: RunningServer, asker: Asker) -> None:
    pieces = cut(chunks=20)
    expected = waited_for(server, pieces, every_frame=False)
    large = np.zeros((MAX_CHUNK_FRAMES, FEATURES), np.float32)
    before = server.total("process_resident_memory_bytes")
    endless = (chunk(number * MAX_CHUNK_FRAMES, tensor(large)) for number in itertools.count())

    def idle() -> float:
        return server.total("soloist_sessions_ended_total", reason="idle")

    idle_before = idle()
    # A window that doesn't grow: otherwise several thousand answers fit in before anyone has to read.
    with asking(server.grpc, ("grpc.http2.bdp_probe", 0)) as other:
        call: Any = other.stub.Stream(message for part in ([opened(every_frame=True)], endless) for message in part)
        assert waited_for(server, pieces, every_frame=False) == expected
        found, _ = results(asker.stub.Stream(iter([opened(), *in_turn(pieces), CLOSE])))
        assert [each.outputs.data for each in found] == expected
        # Answers that nobody takes end it.
        assert eventually(lambda: idle() > idle_before and is_quiet(server))
        assert server.total("process_resident_memory_bytes") - before < 2**26
        call.cancel()


def test_a_drain_lets_it_end(repository: Path, transport: str, tmp_path: Path) -> None:
    pieces = cut()
    with running_server(repository, tmp_path, transport=transport) as server, asking(server.grpc) as asker:
        stopping = threading.Event()

        def sent() -> Iterator[pb.StreamRequest]:
            yield opened()
            assert stopping.wait(timeout=30)
            yield from [*in_turn(pieces), CLOSE]

        call: Any = asker.stub.Stream(sent())
        next(call)
        server.ask_to_stop()
        await_drain(server)
        stopping.set()
        found, error = results(call)
        assert error is None
        assert len(found) == CHUNKS
        asker.channel.close()
        assert server.exit_code() == 0
