"""What callers of a TLS port may send that isn't TLS, or not all of it: named cases, and seeded mutations."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress

_HANDSHAKE, _ALERT, _APPLICATION_DATA, _HEARTBEAT = 22, 21, 23, 24
_TLS_1_2 = 0x0303
_RECORD_HEAD_BYTES = 5
_MUTATIONS = 4


def client_hello(host: str = "localhost") -> bytes:
    """Return the first flight of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not the default one, which loads all authorities every time
    context.set_alpn_protocols(["h2"])
    client = context.wrap_bio(incoming, outgoing, server_hostname=host)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def record(kind: int, payload: bytes, version: int = _TLS_1_2, length: int | None = None) -> bytes:
    """Return a record; `length` is what its head says."""
    size = len(payload) if length is None else length
    return bytes([kind]) + version.to_bytes(2, "big") + size.to_bytes(2, "big") + payload


def named_cases() -> Mapping[str, bytes]:
    """Return one of each sort. Those that are cut leave the server waiting, until the handshake has taken too long."""
    hello = client_hello()
    body = hello[_RECORD_HEAD_BYTES:]
    return {
        "nothing": b"",
        "one byte": hello[:1],
        "the head of a record": hello[:_RECORD_HEAD_BYTES],
        "half a ClientHello": hello[: len(hello) // 2],
        "all but the last byte": hello[:-1],
        "a ClientHello and no more": hello,
        "a ClientHello twice": 2 * hello,
        "a ClientHello in records of one byte": b"".join(record(_HANDSHAKE, body[i : i + 1]) for i in range(len(body))),
        "a record that is too long": record(_HANDSHAKE, b"x" * 0x5000, length=0xFFFF),
        "a record of no bytes": record(_HANDSHAKE, b""),
        "records of no bytes": 1000 * record(_HANDSHAKE, b""),
        "a length that lies": record(_HANDSHAKE, b"\x01\xff\xff\xff" + body[4:]),
        "a version that never was": record(_HANDSHAKE, body, version=0x0909),
        "SSL 3.0": record(_HANDSHAKE, body, version=0x0300),
        "an SSL 2.0 hello": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(range(37)),
        "an alert": record(_ALERT, b"\x02\x28"),
        "alerts": 1000 * record(_ALERT, b"\x01\x5a"),
        "application data": record(_APPLICATION_DATA, b"GET / HTTP/1.1\r\n\r\n"),
        "a heartbeat that asks for more than it sends": record(_HEARTBEAT, b"\x01\x40\x00"),
        "an HTTP request": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "bytes of no kind": bytes(range(256)) * 64,
        "zeros": bytes(2**16),
    }


def mutations(seed: int) -> Iterator[bytes]:
    """Yield one ClientHello after the other with bytes changed, cut out or doubled, without end."""
    chosen = random.Random(seed)
    while True:
        sent = bytearray(client_hello())
        for _ in range(chosen.randint(1, _MUTATIONS)):
            place = chosen.randrange(len(sent))
            match chosen.randrange(4):
                case 0:
                    sent[place] ^= 1 << chosen.randrange(8)
                case 1:
                    sent[place] = chosen.randrange(256)
                case 2:
                    del sent[place : place + chosen.randint(1, 32)]
                case _:
                    sent[place:place] = sent[place : place + chosen.randint(1, 32)]
            sent = sent or bytearray(b"\0")
        yield bytes(sent)
