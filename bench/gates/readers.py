"""Peers that don't read, and handlers that don't: bounded, and nobody else notices."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from bench.gates.http2 import DATA, PING, SETTINGS, SentAwayError, frame, http2_connection
from bench.gates.target import IDLE_SECONDS, Target, eventually, require
from bench.gates.traffic import Tick
from bench.load_generator.workload import Array
from soloist import Client
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

_PREDICT, _WATCH = "/soloist.v1.SequenceInference/Predict", "/grpc.health.v1.Health/Watch"
_ANSWER_SECONDS = 2.0
_GROWN_MEBIBYTES = 64
_STALL_SECONDS = 0.5
# How long a server may be busy with what it has received.
_SETTLE_SECONDS = 1.0
_LONG_ANSWER_BYTES = 80_000


def callers(target: Target, count: int, tick: Tick) -> str:
    """Ask for answers and take none of them: the calls end, and others are answered meanwhile.

    gRPC keeps small answers itself until the connection ends, so there all are large.
    """
    short, long = _asked(target, target.frames), _asked(target, _frames_of_a_long_answer(target))
    before, slowest = target.mebibytes(), 0.0
    with http2_connection(target.grpc, initial_window=0) as connection:
        for number in range(count):
            connection.open_call(_PREDICT, 2 * number + 1)
            is_short = number % 2 and target.transport != "grpc"
            connection.send_message(short if is_short else long, 2 * number + 1)
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


def _asked(target: Target, frames: Array) -> bytes:
    frames = np.ascontiguousarray(frames, np.float32)
    tensor = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=list(frames.shape), data=frames.tobytes())
    selection = pb.OUTPUT_SELECTION_EVERY_FRAME
    return pb.PredictRequest(model=target.model, frames=tensor, output_selection=selection).SerializeToString()


def _frames_of_a_long_answer(target: Target) -> Array:
    with Client(target.grpc) as client:
        answer = client.predict(target.model, target.frames, every_frame=True).outputs.nbytes
    return np.tile(target.frames, (math.ceil(_LONG_ANSWER_BYTES / answer), *(1,) * (target.frames.ndim - 1)))


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


def pings(target: Target, count: int, tick: Tick) -> str:
    """Send PING frames without reading their acknowledgements."""
    return _flood(target, frame(PING, 0, 0, b"8 octets"), count, tick)


def settings(target: Target, count: int, tick: Tick) -> str:
    """Send SETTINGS frames without reading their acknowledgements."""
    return _flood(target, frame(SETTINGS, 0, 0, b""), count, tick)


def empty_data(target: Target, count: int, tick: Tick) -> str:
    """Send empty DATA frames of one call."""
    return _flood(target, frame(DATA, 0, 1, b""), count, tick, path=_WATCH)


def _flood(target: Target, flood: bytes, count: int, tick: Tick, path: str | None = None) -> str:
    before = target.mebibytes()
    with http2_connection(target.grpc) as connection:
        if path is not None:
            connection.open_call(path)
            connection.send_message(b"", more=True)
        sent = connection.fill(1000 * flood, count * len(flood), _STALL_SECONDS, lambda some: tick(some // len(flood)))
        slowest = target.answer(_ANSWER_SECONDS)
        grown = target.peak_mebibytes(_SETTLE_SECONDS) - before
        require(grown < _GROWN_MEBIBYTES, f"{sent} bytes of frames made memory grow by {grown:.0f} MiB")
        with suppress(SentAwayError, ConnectionError):
            connection.listen(0)
    return f"{sent // len(flood)} frames taken, {grown:+.0f} MiB, others answered within {slowest:.0f} ms"
