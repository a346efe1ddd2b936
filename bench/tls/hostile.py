"""Callers that send what isn't TLS, or not all of it, to both ports; what came of them, and of the server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice

from bench.tls.records import mutations, named_cases
from bench.tls.site import Site
from soloist import Client, SoloistError

_TRACEBACK = "Traceback (most recent call last)"
_AT_ONCE = 16
_READ_BYTES = 65536


@dataclass(kw_only=True)
class Answered:
    """How connections ended, by port, and what was wrong with the server. Memory in MiB."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    memory_before: float = 0.0
    memory_after: float = 0.0
    descriptors_before: float = 0.0
    descriptors_after: float = 0.0


async def send_all(site: Site, *, inputs: int, seed: int, handshake_seconds: float) -> Answered:
    """Send the named cases and `inputs` mutations to each port; each connection has to end in time."""
    found, server = Answered(), site.caller.server
    found.memory_before, found.descriptors_before = await asyncio.to_thread(_held, site)
    for port, address in (("grpc", server.grpc), ("http", server.http)):
        sent = chain(named_cases().values(), islice(mutations(seed), inputs))
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(_send_some(sent, port, address, found, 3 * handshake_seconds))
    found.faults += await asyncio.to_thread(_faults, site)
    found.memory_after, found.descriptors_after = await asyncio.to_thread(_held, site)
    return found


async def _send_some(sent: Iterator[bytes], port: str, address: str, found: Answered, seconds: float) -> None:
    for content in sent:
        try:
            async with asyncio.timeout(seconds):
                end = await _end(content, address)
        except TimeoutError:
            end = "stayed open"
            found.faults.append(f"{port}: a connection stayed open after {content[:64].hex()}")
        if end == "answered":
            found.faults.append(f"{port}: it was answered: {content[:64].hex()}")
        found.ends[port, end] += 1


async def _end(content: bytes, address: str) -> str:
    """Send bytes, and return how the server ended the connection."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    received = b""
    try:
        with suppress(ConnectionError):
            writer.write(content)
            await writer.drain()
        while some := await reader.read(_READ_BYTES):
            received += some
    except ConnectionError:
        return "reset"
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    if received.startswith((b"HTTP/", b"\0\0")):  # in plain: a status line, or a frame of HTTP/2
        return "answered"
    return "closed" if not received else "closed after records of TLS"


def _held(site: Site) -> tuple[float, float]:
    caller = site.caller
    return caller.total("process_resident_memory_bytes") / 2**20, caller.total("process_open_fds")


def _faults(site: Site) -> list[str]:
    caller, faults = site.caller, []
    try:
        with Client(caller.target, tls=caller.tls) as client:
            client.models()
        if failed := caller.total("soloist_background_failures_total"):
            faults.append(f"work behind the calls failed {failed:.0f} times")
    except (OSError, SoloistError) as error:
        faults.append(f"the server doesn't answer: {error}")
    if count := site.log.read_text(errors="replace").count(_TRACEBACK):
        faults.append(f"{count} tracebacks in its log")
    return faults
