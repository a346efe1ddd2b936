"""What the asyncio clients of every audience share: a connection that ends with the block."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from soloist.client.aio_connection import AsyncConnection


class AsyncConnected:
    """Holds the connection to one server. Close it, or use `async with`."""

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
