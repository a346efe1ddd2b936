"""One connection over httpunk: its calls, what it may use, and what happens to them when it ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from httpunk.asyncio import H2ServerProtocol
from httpunk.exceptions import HTTPunkError

from service.core.client_address import client_of
from service.core.errors import ServiceError
from service.transport.httpunk.call import HttpunkCall
from service.transport.httpunk.calls_in_progress import CallsInProgress
from service.transport.httpunk.headers import is_grpc
from service.transport.httpunk.lifetime import Lifetime
from service.transport.httpunk.requests import Server, is_reset
from service.transport.httpunk.turned_down import turn_down
from service.transport.httpunk.waiting import Backend
from service.transport.peer_certificate import PeerCertificate, peer_certificate

if TYPE_CHECKING:
    from httpunk.h2.server import ServerRequest

    from service.transport.connection_limits import ConnectionLimits
    from service.transport.grpc_adapter import Answer
    from service.transport.httpunk.frames import Frames

# How long an ended connection may take to send what is left.
_LINGER_SECONDS = 2.0
# httpunk reads at most this much at once.
_READ_BYTES = 2**16
_numbers = itertools.count(1)


@dataclass(kw_only=True)
class Shared:
    """What the connections of a server share."""

    answers: Mapping[str, Answer]
    limits: ConnectionLimits
    connections: set[Connection] = field(default_factory=set)


class Connection(H2ServerProtocol):
    """One connection. Its transport calls it when bytes come and go, httpunk when a request has arrived."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._backend = Backend()
        self._shared, self._limits = shared, shared.limits
        self._wire: asyncio.Transport = asyncio.Transport()  # until it is connected
        self._peer = ""
        self._certificate: PeerCertificate | None = None  # of a connection without TLS
        self._calls = CallsInProgress(self._loop)
        self._lifetime: Lifetime | None = None
        self._frames: Frames | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._going: asyncio.Task[None] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._is_lost = self._is_served = False

    # --- what ends it ---

    def abort(self) -> None:
        """End it at once."""
        self._wire.abort()

    def go_away(self) -> None:
        """Tell the peer to send no more calls; those that it has sent are answered, and then it is closed."""
        if self._going is None and self._lifetime is not None:
            self._going = self._loop.create_task(self.graceful_shutdown())
            self._lifetime.went_away()

    def write(self, frame: bytes) -> None:
        """Send a whole frame. httpunk writes whole frames only, so it never stands inside another."""
        self._wire.write(frame)

    def has_calls(self) -> bool:
        """Return whether calls are in progress."""
        return bool(self._calls)

    # --- as asyncio's protocol ---

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are too many connections."""
        self._peer, shares = _peer(transport), self._limits.shares
        is_full = len(self._shared.connections) >= self._limits.max_connections
        if is_full or not (shares is None or shares.try_take(client_of(self._peer))):
            transport.abort()
            return
        self._wire = transport
        self._shared.connections.add(self)
        self._certificate = peer_certificate(transport)
        super().connection_made(transport)
        self._lifetime = Lifetime(self, self._limits, self._loop)
        serving: Any = self._serve_task
        serving.add_done_callback(self._served)

    def data_received(self, data: bytes) -> None:
        """Hand on what has come: to httpunk's reader only if it isn't waiting for it, or has to wait all the same."""
        if self._lifetime is None:
            return
        self._lifetime.received(data)
        frames, reader = self._frames, self._read_waiter
        if frames is None or reader is None or reader.done() or len(data) > _READ_BYTES or not self.can_send:
            super().data_received(data)
            return
        try:
            frames.take_in(data)
        except Exception as error:  # the reader deals with it as with its own; its traceback would refer to the reader
            reader.set_exception(error.with_traceback(None))

    def eof_received(self) -> None:
        """Close, where httpunk would keep the other half open: a gRPC client that has closed its half has gone."""
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every call. httpunk tells no handler, as long as it doesn't read or write."""
        super().connection_lost(exc)
        if self in self._shared.connections:
            self._shared.connections.remove(self)
            if self._limits.shares is not None:
                self._limits.shares.give_back(client_of(self._peer))
        if self._lifetime is not None:
            self._lifetime.end()
        self._resume()
        self._calls.abandon()
        self._is_lost = True
        self._free()

    def pause_writing(self) -> None:
        """Read no more from a peer that doesn't read: httpunk would keep every acknowledgement it owes."""
        super().pause_writing()
        self._is_writable.clear()
        self._stall = self._loop.call_later(self._limits.write_stall_seconds, self._wire.abort)

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        self._resume()

    def _resume(self) -> None:
        self._is_writable.set()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # --- as httpunk's connection ---

    async def _make_server(self) -> Server:
        server = Server(self, backend=self._backend, max_concurrent_streams=self._limits.max_calls_per_connection)
        self._frames = server.frames
        return server

    def receive_some(self, max_bytes: int = 65536) -> Any:
        """Return the next bytes for httpunk's reader, to be awaited."""
        return super().receive_some(max_bytes) if self._is_writable.is_set() else self._receive_later(max_bytes)

    async def _receive_later(self, max_bytes: int) -> Any:
        await self._is_writable.wait()
        return await super().receive_some(max_bytes)

    @property
    def can_send(self) -> bool:
        """Return whether what is sent doesn't have to wait."""
        return self._is_writable.is_set() and not self._conn_lost

    def send_now(self, data: memoryview) -> None:
        """Send what httpunk has gathered, when nothing has to wait."""
        if self._lifetime is not None:
            self._lifetime.sent(data)
        self._wire.write(data)

    def send_all(self, data: Any) -> Any:
        """Send what httpunk has gathered."""
        if self._lifetime is not None:
            self._lifetime.sent(data)
        return super().send_all(data)

    async def answered(self, request: ServerRequest) -> None:
        """Answer one call, as httpunk does what has waited for it."""
        if self._frames is not None:
            self._frames.accepted(request._stream.id)
        await self._run_h2_handler(request)

    async def handle(self, request: ServerRequest) -> None:
        """Answer one call, unless it was cancelled before anything was done: so a flood of resets costs little."""
        if is_reset(request):
            return
        answer = self._shared.answers.get(request.path or "")
        if answer is None or request.method != "POST" or request.scheme is None or not is_grpc(request.headers):
            await turn_down(request)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in one
        call = HttpunkCall(request, self._peer, self._certificate, task, self._limits.max_message_bytes)
        self._calls.add(call)
        try:
            try:
                call.begin()
            except ServiceError as error:
                await call.refuse(error)
                return
            await call.finish(await answer(None, call), self._limits.write_stall_seconds)
        except asyncio.CancelledError:
            if not await call.interrupted():
                raise
        except HTTPunkError:  # the caller has gone meanwhile, and the adapter has counted the call
            pass
        finally:
            self._calls.remove(call)
            if not self._calls and self._lifetime is not None:
                self._lifetime.calls_ended()

    def _served(self, _: object) -> None:
        self._is_served = True
        if self._is_lost:
            self._free()
        else:  # close() waits for what is unsent: a peer that doesn't read must not keep the connection
            self._linger = self._loop.call_later(_LINGER_SECONDS, self._wire.abort)

    def _free(self) -> None:
        """Free what the connection holds, now and not at some garbage collection: a flood would be faster."""
        if self._linger is not None:
            self._linger.cancel()
        if self._is_lost and self._is_served:
            self._server = self._frames = self._serve_task = self._lifetime = self._going = self._linger = None
            self._chunks.clear()


def _peer(transport: Any) -> str:
    """Return the address of a connection as gRPC writes it; Unix domain sockets are told apart by a number."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return f"unix:#{next(_numbers)}"
    if ":" not in name[0]:
        return f"ipv4:{name[0]}:{name[1]}"
    return f"ipv6:{quote(f'[{name[0]}]', safe=':')}:{name[1]}"
