"""The other processes of the server, of which some methods ask what each knows only of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

# Asks them by the name of the method and its request as bytes, and returns their responses as bytes.
Others = Callable[[str, bytes], Awaitable[Sequence[bytes]]]


async def alone(_method: str, _request: bytes) -> Sequence[bytes]:
    """Return no answers: there are no other processes."""
    return ()
