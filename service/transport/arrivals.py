"""The bound on the bytes of messages that are still arriving: gRPC assembles a message before its size is known.

It does so whatever length a caller announces, up to 4 GiB, and checks `max_receive_message_length` afterwards. So the
kernel is asked how much a connection has received (TCP_INFO of Linux): bytes that arrived and were not handed over are
held in memory. Unix domain sockets have no such figure, and aren't bounded here.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote

import structlog

from service.core.errors import ServiceError
from service.core.time_limits import TimeLimit
from service.transport.admission import Admission

_log = structlog.get_logger("soloist.calls")
_INTERVAL_SECONDS = _TURN_SECONDS = 0.02
_STATM_BYTES, _PAGE_BYTES = 256, os.sysconf("SC_PAGE_SIZE")
# The memory of the process is checked in each interval, and connections only if it has grown by this much since.
_STEP_BYTES = 16 * 2**20
# The bytes of a message on the wire in addition to its own: HTTP/2 frames, headers, and acknowledgements of answers.
_OVERHEAD_BYTES, _OVERHEAD_SHARE = 256, 64
# The field tcpi_bytes_received of struct tcp_info, a uint64 (since Linux 4.1).
_RECEIVED = struct.Struct("=128xQ")
Address = tuple[str, int]


class _Connection:
    """A connection with reads in progress, and how many bytes they have handed over."""

    __slots__ = ("client", "handed_over", "least", "reads", "turns", "users")

    def __init__(self) -> None:
        self.client = ""  # that of the latest read: a connection has one, or several behind a proxy
        self.turns: asyncio.Semaphore | None = None  # made when a read has to wait for its turn
        self.users = 0
        self.reads: dict[TimeLimit, None] = {}
        self.handed_over = 0
        # The smallest difference so far between bytes received and handed over: those that belong to no message.
        self.least: int | None = None

    def held(self, received: int) -> int:
        """Return how many of the bytes received were not handed over."""
        between = received - self.handed_over
        self.least = between if self.least is None else min(self.least, between)
        return between - self.least


class Arrivals:
    """All reads in progress. Belongs to the event loop."""

    def __init__(self, admission: Admission, *, reads_at_once: int) -> None:
        """Create it without reads.

        Args:
            admission: bounds the bytes that are arriving, together with those that it holds itself.
            reads_at_once: how many messages of a connection may arrive at once before the next waits.

        """
        self._admission = admission
        self._reads_at_once = reads_at_once
        self._connections: dict[str, _Connection] = {}
        self._cut: dict[TimeLimit, ServiceError] = {}
        self._read_began: asyncio.Future[None] | None = None  # while none is in progress

    @asynccontextmanager
    async def turn(self, peer: str) -> AsyncIterator[None]:
        """Wait for a call's turn to read its message, so that not all messages of a connection arrive at once.

        A turn is short: a slow caller goes on next to the following one, and holds up no other.
        """
        connection = self._connections.get(peer) or self._connected(peer)
        connection.users += 1
        if connection.turns is None:
            connection.turns = asyncio.Semaphore(self._reads_at_once)
        try:
            await connection.turns.acquire()
            over = [connection.turns.release]
            timer = asyncio.get_running_loop().call_later(_TURN_SECONDS, lambda: over.pop()())
            try:
                yield
            finally:
                timer.cancel()
                if over:
                    over.pop()()
        finally:
            self._leave(peer, connection)

    def is_busy(self, peer: str) -> bool:
        """Return whether a connection has enough arriving messages that the next should wait for its turn."""
        connection = self._connections.get(peer)
        return connection is not None and connection.users >= self._reads_at_once

    def begin(self, peer: str, client: str, scope: TimeLimit) -> None:
        """Add a read, which `scope` can end."""
        connection = self._connections.get(peer) or self._connected(peer)
        connection.client = client
        connection.users += 1
        connection.reads[scope] = None

    def handed_over(self, peer: str, size: int) -> None:
        """Add a message of `size` bytes that was there before it was read."""
        connection = self._connections.get(peer)
        if connection is not None:
            connection.handed_over += _on_the_wire(size)

    def end(self, peer: str, scope: TimeLimit, size: int) -> ServiceError | None:
        """Remove a read that has ended with `size` bytes, and return the reason if it was ended from here."""
        connection = self._connections[peer]
        connection.handed_over += _on_the_wire(size)
        del connection.reads[scope]
        connection.users -= 1
        if not connection.users:
            del self._connections[peer]
        return self._cut.pop(scope, None) if self._cut else None

    def _connected(self, peer: str) -> _Connection:
        if self._read_began is not None and not self._read_began.done():
            self._read_began.set_result(None)
        connection = self._connections[peer] = _Connection()
        return connection

    def _leave(self, peer: str, connection: _Connection) -> None:
        connection.users -= 1
        if not connection.users:
            del self._connections[peer]

    async def watch(self) -> None:
        """Check without end whether too much is arriving, and end the reads of those that send it.

        While no read is in progress it waits for one: an idle server has nothing to look at.
        """
        if sys.platform != "linux":
            return
        statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while True:
                await self._read_begins()
                await self._watch_reads(statm)
        finally:
            os.close(statm)

    async def _read_begins(self) -> None:
        if not self._connections:
            self._read_began = asyncio.get_running_loop().create_future()
            try:
                await self._read_began
            finally:
                self._read_began = None

    async def _watch_reads(self, statm: int) -> None:
        """Check in intervals, until there is no read after one."""
        seen = _memory_bytes(statm)
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            now = _memory_bytes(statm)
            if now < seen + _STEP_BYTES:
                seen = min(seen, now)
            else:
                seen = now
                try:
                    await self._check()
                except Exception:
                    _log.exception("checking connections failed")
            if not self._connections:
                return

    async def _check(self) -> None:
        peers = list(self._connections)
        received = await asyncio.get_running_loop().run_in_executor(None, _received, peers)
        held = {
            peer: self._connections[peer].held(size) for peer, size in received.items() if peer in self._connections
        }
        total, by_client = sum(held.values()), Counter[str]()
        for peer, size in held.items():
            by_client[self._connections[peer].client] += size
        for peer, size in sorted(held.items(), key=lambda each: -each[1]):
            client = self._connections[peer].client
            try:
                self._admission.require_room(peer, client, size, of_client=by_client[client], of_all=total)
            except ServiceError as error:
                self._end(peer, error)
            total -= size
            by_client[client] -= size

    def _end(self, peer: str, error: ServiceError) -> None:
        """End the younger half of a connection's reads: the cause is unknown among them, and old ones come first."""
        reads = list(self._connections[peer].reads)
        for scope in reads[len(reads) // 2 :]:
            if not scope.expired:
                self._cut[scope] = error
                scope.expire()


def _on_the_wire(size: int) -> int:
    return size + _OVERHEAD_BYTES + size // _OVERHEAD_SHARE


def _memory_bytes(statm: int) -> int:
    """Return the resident memory, from a file that stays open: it is read fifty times a second."""
    return int(os.pread(statm, _STATM_BYTES, 0).split()[1]) * _PAGE_BYTES


def _received(peers: Iterable[str]) -> Mapping[str, int]:
    """Return the bytes received from some peers, as the kernel counts them, without those it can't find."""
    wanted = {address: peer for peer in peers if (address := _address(peer)) is not None}
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        seen = _address_of(int(entry.name))
        if seen is not None and seen[0] in wanted:
            found[wanted[seen[0]]] = seen[1]
    return found


def _address_of(descriptor: int) -> tuple[Address, int] | None:
    try:
        borrowed = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, fileno=descriptor)
    except OSError:
        return None
    try:
        host, port = borrowed.getpeername()[:2]
        information = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
        return (_plain(host), port), _RECEIVED.unpack(information)[0]
    except (OSError, ValueError, struct.error):  # not a TCP socket, or closed meanwhile
        return None
    finally:
        borrowed.detach()  # it belongs to gRPC


def _address(peer: str) -> Address | None:
    """Parse an address as gRPC writes it: "ipv4:127.0.0.1:5", "ipv6:%5B::1%5D:5"."""
    kind, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    return (_plain(host.strip("[]")), int(port)) if kind in ("ipv4", "ipv6") else None


def _plain(host: str) -> str:
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)
