"""How calls end: cancelled, half closed, at their deadline, with their client killed, and in a drain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress

from bench.gates.http2 import DATA, Http2Connection, SentAwayError, frame, http2_connection
from bench.gates.target import GateError, Target, eventually, require, target
from bench.gates.traffic import Tick
from soloist import Client
from soloist.v1 import sequence_inference_pb2 as pb

_STREAM, _REPORT = "/soloist.v1.SequenceInference/Stream", "/soloist.v1.Feedback/ReportStream"
_BATCH = 20  # more reports at once would be refused
_FREED_SECONDS = 1.0
_CALLER = """
import sys
from soloist import Client
with Client(sys.argv[1]) as client:
    streams = [client.stream(sys.argv[2]).__enter__() for _ in range(int(sys.argv[3]))]
    print("open", flush=True)
    sys.stdin.read()
"""


def cancels(target: Target, count: int, tick: Tick) -> str:
    """Cancel calls in each of four states, and half close as many: the first are counted as cancelled, the others not.

    A handler on grpc.aio can't tell them apart, so there the counts are told, and nothing is required.
    """
    before = {code: target.counted("ReportStream", code) for code in ("OK", "CANCELLED")}
    for began in range(0, count, _BATCH):
        _report_calls(target, began, min(_BATCH, count - began))
        tick(_BATCH)
    cancelled = half_closed = 0

    def all_ended() -> bool:
        nonlocal cancelled, half_closed
        cancelled = target.counted("ReportStream", "CANCELLED") - before["CANCELLED"]
        half_closed = target.counted("ReportStream", "OK") - before["OK"]
        return cancelled + half_closed >= 2 * count

    with suppress(GateError) if target.transport == "grpc" else nullcontext():
        eventually(all_ended, "not every call has ended", within_seconds=3)
    if target.transport == "grpc":
        return f"can't tell them apart: of {count} each, {cancelled} counted as cancelled and {half_closed} as OK"
    found = f"{cancelled} of {count} cancels counted as cancelled, {half_closed} of {count} half closes as OK"
    require(cancelled == half_closed == count, found)
    return found


def _report_calls(target: Target, state: int, count: int) -> None:
    cancelled, half_closed = range(1, 2 * count, 2), range(2 * count + 1, 4 * count, 2)
    with http2_connection(target.grpc) as connection:
        for stream in (*cancelled, *half_closed):
            connection.open_call(_REPORT, stream)
        for stream in half_closed:
            connection.send_message(b"", stream)
        for stream in cancelled:
            _bring(connection, stream, (state + stream // 2) % 4)
        connection.ping()
        for stream in half_closed:
            connection.await_end(stream)
        for stream in cancelled:
            connection.reset(stream)
        connection.listen(0)


def _bring(connection: Http2Connection, stream: int, state: int) -> None:
    """Bring a call into a state: nothing sent, one message, several, or half a message."""
    for _ in range((0, 1, 3, 0)[state]):
        connection.send_message(b"", stream, more=True)
    if state == 3:
        connection.send_bytes(frame(DATA, 0, stream, b"\0\0\0\0\5\1"))


def deadlines(target: Target, count: int, tick: Tick) -> str:
    """Open streams with a deadline, and never reset them: they end nevertheless."""
    before = target.counted("Stream", "DEADLINE_EXCEEDED")
    opening = pb.StreamRequest(open=pb.Open(model=target.model)).SerializeToString()
    with http2_connection(target.grpc) as connection:
        began = time.monotonic()
        for number in range(count):
            connection.open_call(_STREAM, 2 * number + 1, grpc_timeout="500m")
            connection.send_message(opening, 2 * number + 1, more=True)
            tick(1)
        for number in range(count):
            connection.await_end(2 * number + 1)
        took = time.monotonic() - began
    eventually(lambda: target.counted("Stream", "DEADLINE_EXCEEDED") == before + count, "not all counted")
    eventually(lambda: target.sessions() == 0, "sessions are left")
    return f"{count} streams with 0.5 s ended within {took:.1f} s"


def killed(target: Target, count: int, _tick: Tick) -> str:
    """Kill a client with open streams: their sessions are free at once."""
    command = [sys.executable, "-c", _CALLER, target.grpc, target.model, str(count)]
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as caller:
        if caller.stdout is None or caller.stdout.readline() != "open\n":
            raise GateError("the client opened no streams")
        require(target.sessions() == count, "not every stream has a session")
        os.kill(caller.pid, signal.SIGKILL)
        took = eventually(lambda: target.sessions() == 0, "sessions are left", _FREED_SECONDS)
    return f"{count} sessions freed after {1000 * took:.0f} ms"


def drain(tried: Target, _count: int, _tick: Tick) -> str:
    """Ask a server of its own to stop: every peer is told, streams go on to their end, and it ends by itself."""
    with target(tried.repository, tried.transport, tried.log.with_name("drain.log")) as going:
        with (
            http2_connection(going.grpc) as idle,
            Client(going.grpc) as client,
            client.stream(going.model) as stream,
        ):
            stream.send(going.frames[:1])
            idle.ping()
            going.server.process.send_signal(signal.SIGTERM)
            told = tried.transport == "grpc" or _is_told(idle)
            for at in range(1, min(5, len(going.frames))):
                stream.send(going.frames[at : at + 1])
        code = going.server.exit_code
    require(told, "an idle connection wasn't told to go")
    require(code == 0, f"exit code {code}")
    return "streams went on, exit code 0" + ("" if tried.transport == "grpc" else ", GOAWAY told")


def _is_told(connection: Http2Connection) -> bool:
    try:
        connection.listen(10)
    except SentAwayError:
        return True
    return False
