"""One process of the server as its supervisor sees it: started, asked, told, and ended."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from service.processes.channel import Channel, ChannelError, Message
from service.processes.reports import Report, decoded

# How long a process may take for a report; then its last one stands.
_REPORT_SECONDS = 2.0


@dataclass(kw_only=True)
class Process:
    """A process that runs. `why_not_ready` is its own word; `failure` says why it couldn't start, if it told."""

    number: int
    child: asyncio.subprocess.Process
    channel: Channel
    is_loaded: bool = False
    why_not_ready: str = "starting"
    failure: str = ""
    report: Report = field(default_factory=dict)

    @classmethod
    async def start(
        cls,
        number: int,
        module: str,
        settings: bytes,
        answer: Callable[[int, Message], Awaitable[Message]],
        *,
        is_again: bool,
    ) -> Self:
        """Start a fresh interpreter: a fork would take over threads' locks, and the event loop's descriptors.

        Args:
            number: which process of the server it is.
            module: what it runs. Its arguments are the descriptor of its end of the channel, the number, and whether it
                is started again: 0 or 1.
            settings: what it reads on its standard input.
            answer: answers its messages.
            is_again: it takes the place of one that has ended.

        """
        ours, its = socket.socketpair()
        with its:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", module, str(its.fileno()), str(number), str(int(is_again))),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(its.fileno(),),
                # The same modules as here, wherever they were found.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(each or str(Path.cwd()) for each in sys.path)},
                # A terminal sends its signals to its whole group, and the supervisor passes them on.
                start_new_session=True,
            )
        channel = await Channel.over(ours, partial(answer, number))
        if child.stdin is not None:
            with suppress(OSError):  # it has gone already, which `wait` tells
                child.stdin.write(settings)
                await child.stdin.drain()
            child.stdin.close()
        return cls(number=number, child=child, channel=channel)

    async def ended(self) -> int:
        """Wait until it has gone, and return its exit code: minus the signal that killed it."""
        await self.channel.run()  # ends with the process, or with its channel
        return await self.child.wait()

    async def refresh(self) -> None:
        """Ask for a report of its metrics; one that is stuck or dies keeps its last."""
        with suppress(ChannelError, TimeoutError):
            async with asyncio.timeout(_REPORT_SECONDS):
                self.report = decoded((await self.channel.ask(Message(kind="report"))).body)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self.child.kill()
