"""Peers that don't read, and handlers that don't: bounded, and nobody else notices."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from bench.gates.http2 import DATA, PING, SETTINGS, SentAwayError, frame, http2_connection
from bench.gates.target import IDLE_SECONDS, Target, eventually, require
from bench.gates.traffic import Tick
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

_PREDICT, _WATCH = "/soloist.v1.SequenceInference/Predict", "/grpc.health.v1.Health/Watch"
_ANSWER_SECONDS = 2.0
_GROWN_MEBIBYTES = 64
_STALL_SECONDS = 0.5


def callers(target: Target, count: int, tick: Tick) -> str:
    """Ask for answers and take none of them: the calls end, and others are answered meanwhile."""
    frames = np.ascontiguousarray(target.frames, np.float32)
    asked = pb.PredictRequest(
        model=target.model,
        frames=tensor_pb2.Tensor(
            data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=list(frames.shape), data=frames.tobytes()
        ),
        output_selection=pb.OUTPUT_SELECTION_EVERY_FRAME,
    ).SerializeToString()
    before, slowest = target.mebibytes(), 0.0
    with http2_connection(target.grpc, initial_window=0) as connection:
        for number in range(count):
            connection.open_call(_PREDICT, 2 * number + 1)
            connection.send_message(asked, 2 * number + 1)
            if number % 20 == 19:
                slowest = max(slowest, target.answer(_ANSWER_SECONDS))
            tick(1)
        grown = target.mebibytes() - before
        require(grown < _GROWN_MEBIBYTES, f"memory grew by {grown:.0f} MiB")

        def all_ended() -> bool:
            target.answer(_ANSWER_SECONDS)  # gRPC keeps the last call that came until another comes
            connection.listen(0.1)
            return len(connection.ended) == count

        eventually(all_ended, "calls whose answers nobody takes don't end", 5 * IDLE_SECONDS)
    return f"{count} calls ended, {grown:+.0f} MiB, others answered within {slowest:.0f} ms"


def handlers(target: Target, count: int, tick: Tick) -> str:
    """Send without end to calls that read one message only: bounded, and other calls of the connection are answered."""
    before = target.mebibytes()
    with http2_connection(target.grpc) as connection:
        for number in range(count):
            connection.open_call(_WATCH, 2 * number + 1)
            connection.send_message(b"", 2 * number + 1, more=True)
            connection.fill_stream(2 * number + 1)
            tick(1)
        sent = connection.sent_bytes
        last = 2 * count + 1
        connection.open_call("/inference.GRPCInferenceService/ServerLive", last)
        connection.send_message(b"", last)
        connection.await_end(last)
        grown = target.mebibytes() - before
    require(grown < _GROWN_MEBIBYTES, f"memory grew by {grown:.0f} MiB")
    return f"{count} calls took {sent / 2**20:.0f} MiB, {grown:+.0f} MiB, another call of the connection was answered"


def pings(target: Target, count: int, _tick: Tick) -> str:
    """Send PING frames without reading their acknowledgements."""
    return _flood(target, frame(PING, 0, 0, b"8 octets"), count)


def settings(target: Target, count: int, _tick: Tick) -> str:
    """Send SETTINGS frames without reading their acknowledgements."""
    return _flood(target, frame(SETTINGS, 0, 0, b""), count)


def empty_data(target: Target, count: int, _tick: Tick) -> str:
    """Send empty DATA frames of one call."""
    return _flood(target, frame(DATA, 0, 1, b""), count, path=_WATCH)


def _flood(target: Target, flood: bytes, count: int, path: str | None = None) -> str:
    before = target.mebibytes()
    with http2_connection(target.grpc) as connection:
        if path is not None:
            connection.open_call(path)
            connection.send_message(b"", more=True)
        sent = connection.fill(1000 * flood, count * len(flood), _STALL_SECONDS)
        slowest = target.answer(_ANSWER_SECONDS)
        grown = target.mebibytes() - before
        require(grown < _GROWN_MEBIBYTES, f"{sent} bytes of frames made memory grow by {grown:.0f} MiB")
        with suppress(SentAwayError, ConnectionError):
            connection.listen(0)
    return f"{sent // len(flood)} frames taken, {grown:+.0f} MiB, others answered within {slowest:.0f} ms"
