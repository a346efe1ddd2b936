"""The life of a client, blocking and for asyncio: it holds a connection until it is closed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from soloist.client.connection import AsyncConnection, Connection


class Connected:
    """A blocking client that holds the connection to one server. Close it, or use `with`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the connection; what is under way is cancelled."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncConnected:
    """An asyncio client that holds the connection to one server. Close it, or use `async with`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def close(self) -> None:
        """Close the connection; what is under way is cancelled."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
