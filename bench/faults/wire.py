"""The way to a replica: TCP through a port that stays, and that can be made to hold back all bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_READ_BYTES = 65536


class Wire:
    """What comes in at `port` goes to the replica that is there now.

    While it is cut nothing passes, not even the end of a connection, and nobody is told. Then all passes that was held
    back, as TCP would send it again.
    """

    def __init__(self) -> None:
        self.port = 0
        self.to = 0
        self._listening: asyncio.Server | None = None
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, to: int) -> None:
        """Take connections, and lead them to a port."""
        self.to = to
        self._listening = await asyncio.start_server(self.carry, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no more connections, as a machine whose server has ended; open ones go on."""
        if self._listening is not None:
            self._listening.close()

    def cut(self) -> None:
        """Hold back all bytes from now on."""
        self._whole.clear()

    def mend(self) -> None:
        """Let them pass again."""
        self._whole.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # it runs in one
        self._tasks.add(task)
        try:
            await self._whole.wait()
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.to)
            ways = [self._pass(reader, inner_writer), self._pass(inner_reader, writer)]
            halves = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for half in halves:
                    half.cancel()
                await asyncio.gather(*halves, return_exceptions=True)
                inner_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def close(self) -> None:
        """End all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        await self._whole.wait()


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    """Make a wire, and take it down when the block ends."""
    made = Wire()
    try:
        yield made
    finally:
        made.refuse()
        await made.close()
