"""What a library that speaks gRPC does for the load generator: calls of messages that are bytes already."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class StreamCall(Protocol):
    """A bidirectional call whose messages are answered one by one."""

    async def ask(self, message: bytes) -> bytes:
        """Send one message and wait for its answer. Raises SoloistError when the call has ended."""

    async def send(self, message: bytes) -> object:
        """Send one message. If the call has ended, `receive` says why."""

    async def receive(self) -> bytes:
        """Wait for the next answer. Raises SoloistError when the call has ended."""

    async def finish(self) -> None:
        """Send no more, and wait until the server has ended the call too."""


class Connection(Protocol):
    """One HTTP/2 connection."""

    async def unary(self, path: str, message: bytes, timeout_seconds: float) -> bytes:
        """Return the answer to one message; `path` is /package.Service/Method. Raises SoloistError."""

    def stream(self, path: str, timeout_seconds: float) -> AbstractAsyncContextManager[StreamCall]:
        """Begin a bidirectional call that may take so long; it is cancelled if the block raises."""
