"""The frames of one connection: taken in when they arrive, and sent at the end of a turn of the event loop.

httpunk does both in tasks, which are woken for every frame. They still do what has to wait: reading on behind a caller
that doesn't read, and writing to it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from httpunk._httpunk import H2_FLAG_CONN_DONE, H2_FLAG_WAKE, H2StreamError
from httpunk.h2.server import ServerConnection, ServerRequest
from httpunk.h2.stream import Stream

from service.transport.httpunk.headers import MAX_METADATA_BYTES

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from service.transport.httpunk.waiting import Backend

# What is received without the end of a frame is a header block, since other frames have 16 KiB. To have less left than
# is refused anyway, a block has to lose a field of nearly a MiB, which takes more than this on the wire.
_BLOCK_BYTES = 2**18


class Carrier(Protocol):
    """What carries the frames, and answers requests."""

    @property
    def can_send(self) -> bool:
        """Return whether sending has to wait for nothing."""

    def send_now(self, data: memoryview) -> None:
        """Send."""

    def answered(self, request: ServerRequest, /) -> Coroutine[Any, Any, None]:
        """Return the work of answering a request."""


class Frames(ServerConnection):
    """httpunk's side of a connection. It also marks the requests whose header blocks were too large for httpunk."""

    def __init__(self, carrier: Any, *, backend: Backend, **options: Any) -> None:
        super().__init__(carrier, backend=backend, **options)
        self._loop = asyncio.get_running_loop()
        self._carrier: Carrier = carrier
        self._spare: Stream | None = None  # for the next request
        self._unfinished_bytes = 0
        self._will_send = self._is_over = self._takes_none = False

    def receive(self, data: bytes) -> Any:
        """Return the frames that have arrived whole."""
        frames = super().receive(data)
        if frames:
            headers = getattr(frames[0], "headers", None)
            if self._unfinished_bytes > _BLOCK_BYTES and headers is not None:
                # However much of it was dropped: now it is refused as any other that is too large.
                headers.add("metadata-cut", b"x" * MAX_METADATA_BYTES)
            self._unfinished_bytes = 0
        else:
            self._unfinished_bytes += len(data)
        return frames

    def take_in(self, data: bytes) -> None:
        """Do at once what httpunk's reader would do with what has arrived, while that waits for more.

        Raises:
            Exception: it ends the connection, and is for httpunk's reader.

        """
        if self._is_over:
            return
        spare = self._spare or Stream(self.backend)
        for frame in self.receive(data):
            try:
                spare = self._dispatch(frame, spare)
            except H2StreamError as error:
                spare = Stream(self.backend)
                self._end_stream(error)
        self._spare = spare
        if flags := self.maybe_goaway_reply():
            self._is_over = bool(flags & H2_FLAG_CONN_DONE)
            self._after(flags)

    def _end_stream(self, error: H2StreamError) -> None:
        stream_id, reason, who = error.args[:3]
        if who != "remote":
            verdict = self.reset_on_error(stream_id, reason)
            if verdict.handle is not None:
                self._notify_reset(verdict.handle, verdict.stop)
            self._after(verdict.flags)

    # --- in the place of httpunk's own ---

    def _after(self, flags: int) -> None:
        if flags & H2_FLAG_WAKE:
            flags &= ~H2_FLAG_WAKE
            if not self._will_send:
                self._will_send = True
                self._loop.call_soon(self._send)
        if flags:
            super()._after(flags)

    def _send(self) -> None:
        """Send what a turn of the event loop has left to send, or have it sent when that is possible."""
        self._will_send = False
        if not self._send_lock.is_free or not self._carrier.can_send:
            self._write_evt.set()
            return
        data, _ = self.take_pending()
        try:
            if data:
                self._carrier.send_now(data)
        except Exception as error:  # as in httpunk's writer: whatever it is, the connection is lost
            self._fail(error)
        finally:
            data.release()
        written: Any = self.credit_written()
        for handle in written:
            handle.window_evt.set()

    def _on_request(self, stream: Any, frame: Any, eof: bool) -> None:
        calls = self.backend.calls
        if calls is None or self._takes_none:
            super()._on_request(stream, frame, eof)
            return
        if eof:
            stream.body_send.send(None)
        calls.spawn(self._carrier.answered(ServerRequest(stream, self, frame)))

    def _on_conn_done(self) -> None:
        self._takes_none = True
        super()._on_conn_done()

    def _on_stop_accepting(self) -> None:
        self._takes_none = True
        super()._on_stop_accepting()
