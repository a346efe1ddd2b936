"""Hostile connections: floods of resets and header blocks, mutated bytes, requests without what every request has."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from bench.gates.http2 import CONTINUATION, HEADERS, PREFACE, Http2Connection, SentAwayError, frame, http2_connection
from bench.gates.target import Target, eventually, require
from bench.gates.traffic import Tick
from soloist.v1 import sequence_inference_pb2 as pb

_STREAM = "/soloist.v1.SequenceInference/Stream"
_ANSWER_SECONDS = 2.0
# A header block takes 20 MiB while it is read, and allocators keep some of it. It is the same after 200 as after 20.
_GROWN_MEBIBYTES = 128
_SPIN_SHARE = 0.3
# Over one connection, and before the server has to have seen them.
_RESETS_A_TIME, _RESETS_AHEAD = 500, 5_000
_BYTES_A_BLOCK = 16_384
_TIMEOUT_SECONDS = 0.05


def resets(target: Target, count: int, tick: Tick) -> str:
    """Open calls and reset them at once, as in CVE-2023-44487."""
    before, made = target.mebibytes(), 0
    while made < count:
        with suppress(SentAwayError, ConnectionError), http2_connection(target.grpc) as connection:
            for number in range(_RESETS_A_TIME):
                connection.open_call(_STREAM, 2 * number + 1)
                connection.reset(2 * number + 1)
            if made % _RESETS_AHEAD == 0:
                connection.ping()  # however fast a server is, whoever asks faster makes others wait
            connection.listen(0)
        made += _RESETS_A_TIME
        tick(_RESETS_A_TIME)
    return _unharmed(target, before, f"{made} calls")


def header_blocks(target: Target, count: int, tick: Tick) -> str:
    """Send CONTINUATION frames without end, as in CVE-2024-27316."""
    before, taken = target.mebibytes(), 0
    for _ in range(count):
        with suppress(SentAwayError, ConnectionError), http2_connection(target.grpc) as connection:
            connection.send_bytes(frame(HEADERS, 0, 1, b"\0\1a\1b"))
            taken += connection.fill(
                frame(CONTINUATION, 0, 1, b"\0\1a\1b" * (_BYTES_A_BLOCK // 5)), 100 * 2**20, _TIMEOUT_SECONDS
            )
            connection.listen(0)
        tick(1)
    return _unharmed(target, before, f"{count} connections, {taken / 2**20:.0f} MiB")


def mutated(target: Target, count: int, tick: Tick) -> str:
    """Send the bytes of a good connection with some of them changed, left out or doubled."""
    rng, before = random.Random(0), target.mebibytes()
    good = _good(target)
    host, _, port = target.grpc.rpartition(":")
    for _ in range(count):
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as sock:
            sock.settimeout(_TIMEOUT_SECONDS)
            sock.sendall(_changed(good, rng))
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65_536):
                pass
        tick(1)
    return _unharmed(target, before, f"{count} connections")


def odd_requests(target: Target, _count: int, _tick: Tick) -> str:
    """Leave out what every request has: turned down one by one, and the connection goes on."""
    odd: tuple[dict[str, str | None], ...] = (
        {":method": None},
        {":scheme": None},
        {":path": None},
        {":path": ""},
        {":method": "GET"},
        {"content-type": "text/html"},
    )
    with http2_connection(target.grpc) as connection:
        for number, fields in enumerate(odd):
            connection.open_call(_STREAM, 2 * number + 1, replaced=fields)
            connection.end_half(2 * number + 1)
            connection.await_end(2 * number + 1)
        connection.ping()
    return f"{len(odd)} kinds turned down over one connection"


def _good(target: Target) -> bytes:
    """Return the bytes of a connection with a call, its messages, and its end."""
    here, there = socket.socketpair()
    with here, there:
        connection = Http2Connection(here, b"")
        connection.open_call(_STREAM)
        opening = pb.StreamRequest(open=pb.Open(model=target.model)).SerializeToString()
        connection.send_message(opening, more=True)
        connection.end_half()
        return there.recv(65_536)


def _changed(good: bytes, rng: random.Random) -> bytes:
    data, spared = bytearray(good), len(PREFACE) if rng.random() < 0.9 else 0
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(spared, len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.randint(1, 9)]
            case _:
                data[at:at] = data[at : at + rng.randint(1, 40)]
        if len(data) <= spared:
            break
    return bytes(data)


def _unharmed(target: Target, before: float, sent: str) -> str:
    slowest = target.answer(_ANSWER_SECONDS)
    eventually(lambda: target.sessions() == 0, "sessions are left")
    share = target.cpu_share(1.0)
    require(share < _SPIN_SHARE, f"the server takes {share:.0%} of a processor for nobody")
    grown = target.mebibytes() - before
    require(grown < _GROWN_MEBIBYTES, f"memory grew by {grown:.0f} MiB")
    return f"{sent}, {grown:+.0f} MiB, then answered within {slowest:.0f} ms, {share:.0%} of a processor"
