"""Three replicas, and what is done to them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path

from bench.faults.wire import Wire
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerProcess, serving


class Replica:
    """A server behind a wire, which may be another process after a while."""

    def __init__(self, repository: Path, settings: dict[str, object], wire: Wire, log: Path) -> None:
        self.wire = wire
        self._repository = repository
        self._settings = settings
        self._log = log
        self._stack = ExitStack()
        self._counted = 0.0
        self._server: ServerProcess | None = None

    @property
    def server(self) -> ServerProcess:
        """Return the process that runs now."""
        assert self._server is not None  # noqa: S101  # started before anybody sees it
        return self._server

    async def start(self) -> None:
        """Start a process. Raises ServerError."""
        await asyncio.to_thread(self._start)
        await self.wire.open(int(self.server.grpc.rpartition(":")[2]))

    async def kill(self) -> None:
        """End it by SIGKILL, and start another."""
        self.server.process.kill()
        await self._replaced()

    async def drain(self) -> None:
        """End it by SIGTERM, and start another."""
        self.server.process.send_signal(signal.SIGTERM)
        await self._replaced()

    async def stop(self, seconds: float) -> None:
        """Stop it for a while, so that it answers nothing and all its connections stay."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    async def cut(self, seconds: float) -> None:
        """Cut it off for a while, so that bytes are held back in both directions."""
        self.wire.cut()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.wire.mend()

    def resumed(self) -> int:
        """Return how many sequences it has continued since it was asked last."""
        now = MetricsPage.read(self.server.http).total("soloist_resumes_total", outcome="continued")
        counted, self._counted = self._counted, now
        return int(now - counted)

    async def close(self) -> None:
        """End it."""
        await asyncio.to_thread(self._stack.close)

    async def _replaced(self) -> None:
        self.wire.refuse()
        await asyncio.to_thread(self.server.process.wait)
        self._counted = 0.0
        await self.start()

    def _start(self) -> None:
        self._stack.close()
        self._server = self._stack.enter_context(serving(self._repository, self._settings, log=self._log))
