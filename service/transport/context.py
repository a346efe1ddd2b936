"""One call as a transport hands it over: the part of grpc.aio's context that the rest uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol

import grpc


class Caller(Protocol):
    """Who calls, until when, and how the call is ended with a status: all that the boundary has to know."""

    def peer(self) -> str:
        """Return the caller's address as gRPC writes it: "ipv4:127.0.0.1:5". It is the name of a connection, too."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller's deadline; None if it has none."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return the caller's metadata."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return what the caller's certificate says, by gRPC's names for it; empty if it has shown none."""

    async def abort_with_status(self, status: grpc.Status, /) -> NoReturn:
        """End the call with a status.

        Raises:
            grpc.aio.AbortError: always; it ends the handler.

        """


class Context(Caller, Protocol):
    """One call over gRPC. grpc.aio's contexts are of this form as they are: nothing stands between them and users.

    A transport that knows which messages have arrived also has `ready`, which returns the next one, or None.
    """

    async def read(self) -> Any:
        """Return the bytes of the next message, or grpc.aio.EOF after the last."""

    async def write(self, message: bytes, /) -> None:
        """Send a message. Waits while the caller doesn't read."""
