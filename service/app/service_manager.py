"""What is told to the service manager that started the server: sd_notify(3), over its datagram socket.

The protocol is a line of text in a datagram, and its manual page has a program like this one for copying. The packages
that do the same have no releases for years, or bring a library of C.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Self

_SOCKET, _MICROSECONDS, _WATCHED = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
# Of the time after which the manager takes the server for hung.
_PART = 0.4
# How long what is told once may wait for a manager that is slow to read.
_PATIENCE_SECONDS = 0.5


class ServiceManager:
    """The manager, if there is one; without it nothing is told to anybody. May be called on any thread."""

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        """Create it.

        Args:
            address: the path of its socket, or "@" and an abstract name; empty if there is no manager.
            watchdog_seconds: how long the server may be silent before it is taken for hung; 0: for ever.

        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Self:
        """Return the manager that the environment names, and take its variables out: they aren't for children."""
        address, microseconds, watched = (environment.pop(name, "") for name in (_SOCKET, _MICROSECONDS, _WATCHED))
        is_watched = microseconds.isdecimal() and watched in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if is_watched else 0.0)

    def ready(self) -> None:
        """Tell that the server serves."""
        self._tell("READY=1", within_seconds=_PATIENCE_SECONDS)

    def status(self, text: str) -> None:
        """Tell how the server is, in words."""
        self._tell(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        """Tell that the server drains."""
        self._tell("STOPPING=1\nSTATUS=draining", within_seconds=_PATIENCE_SECONDS)

    @asynccontextmanager
    async def told(
        self,
        watch: Callable[[str], AsyncIterable[object]] | None = None,
        why_not_ready: Callable[[], str] = str,
    ) -> AsyncIterator[None]:
        """Tell how the server is, and that its event loop is alive, until the block ends.

        Args:
            watch: yields, for the name of a service, whenever its status may have changed; without it nothing is told
                of readiness.
            why_not_ready: returns why calls would be refused; empty if they would not.

        """
        work = [self._feed()]
        if watch is not None:
            work.append(self._follow(watch(""), why_not_ready))
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _follow(self, readiness: AsyncIterable[object], why_not_ready: Callable[[], str]) -> None:
        async for _ in readiness:
            self.status(why_not_ready() or "ready")

    async def _feed(self) -> None:
        while self.watchdog_seconds:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(_PART * self.watchdog_seconds)

    def _tell(self, text: str, *, within_seconds: float = 0.0) -> None:
        """Send a text. A manager that reads nothing isn't waited for: what is told again and again may be lost."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(within_seconds)
            sock.connect(self._address)
            sock.send(text.encode())
