"""httpunk's side of a connection, as it is set up here: windows, limits and bodies."""

from __future__ import annotations

from typing import Any

from httpunk._httpunk import H2Stopped
from httpunk.h2.server import H2Server, ServerRequest

from service.transport.httpunk.frames import Frames

# What a stream and a connection may send before it is read. With httpunk's own, 1 MiB each, one handler that doesn't
# read would stop every other call of its connection.
_STREAM_WINDOW_BYTES, _CONNECTION_WINDOW_BYTES = 2**19, 2**25
# Calls that were reset before they were seen. httpunk's own 20 would end connections of honest callers.
_MAX_PENDING_RESETS = 2_000
# httpunk keeps this much of a header list, drops the rest, and serves the call.
_HEADER_LIST_BYTES = 2**20


class Server(H2Server):
    """The requests of one connection."""

    def __init__(self, transport: Any, *, backend: Any, max_concurrent_streams: int) -> None:
        # Not by the class above, which would make a connection of httpunk's own.
        self.frames = self._conn = Frames(
            transport,
            backend=backend,
            max_concurrent_streams=max_concurrent_streams,
            initial_window_size=_STREAM_WINDOW_BYTES,
            initial_connection_window_size=_CONNECTION_WINDOW_BYTES,
            max_header_list_size=_HEADER_LIST_BYTES,
            max_pending_accept_reset_streams=_MAX_PENDING_RESETS,
            auto_date_header=False,
        )


def is_reset(request: ServerRequest) -> bool:
    """Return whether the caller has cancelled a request; httpunk tells it openly to a coroutine only."""
    return bool(request._stream.reset_evt.is_set())


def sent_now(request: ServerRequest, data: bytes) -> int | None:
    """Send data of an answer that has begun, as far as the caller has room for it; return how much, None for all.

    Raises:
        HTTPunkError: the caller has cancelled, or its connection is lost.

    """
    sent: int | None = request._conn._try_send_data(request._stream, data, 0, False)
    return sent


class Body:
    """The body of a request as it arrives. As httpunk's own `aiter_bytes`, but a read that is cancelled may go on."""

    __slots__ = ("_connection", "_stream")

    def __init__(self, request: ServerRequest) -> None:
        self._connection, self._stream = request._conn, request._stream

    def has_arrived(self) -> bool:
        """Return whether `chunk` would neither wait nor raise."""
        items = self._stream.body_recv.items
        return bool(items) and not isinstance(items[0], H2Stopped)

    async def chunk(self) -> bytes | None:
        """Return what comes next; None stands for the end.

        Raises:
            HTTPunkError: the caller has cancelled, or its connection is lost.

        """
        return self._taken(await self._stream.body_recv.receive())

    def chunk_now(self) -> bytes | None:
        """Return what comes next, which has arrived; None stands for the end."""
        return self._taken(self._stream.body_recv.items.popleft())

    def _taken(self, item: Any) -> bytes | None:
        if item is None:
            return None
        connection, stream = self._connection, self._stream
        if isinstance(item, H2Stopped):
            raise connection._stopped_error(stream, item)
        chunk, is_budgeted = item
        if is_budgeted:
            connection.release_data_frame(stream.id, len(chunk))
        connection._after(connection.release_capacity(stream.id, len(chunk)))  # the caller may send as much again
        return bytes(chunk)
