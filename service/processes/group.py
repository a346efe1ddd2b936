"""The processes of a server: started, started again when they die, and ended together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from service.processes.channel import ChannelError, Message
from service.processes.process import Process
from service.processes.reports import Report, Retired

_log = structlog.get_logger("soloist.processes")
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
# The pauses of one that served this long before it died begin anew.
_STEADY_SECONDS = 60.0
# How long a process may take to hear about the others: one that hangs holds nothing up.
_TOLD_SECONDS = 1.0


class StartError(Exception):
    """A process ended before the server was ready; the text has its reason, `exit_code` is its own."""

    def __init__(self, why: str, exit_code: int) -> None:
        super().__init__(why)
        self.exit_code = exit_code


@dataclass(kw_only=True)
class Group:
    """The processes by number, from 1 on. Belongs to the event loop.

    `start` starts one, for the first time or again; `restarted` is called when one is started again.
    """

    count: int
    start: Callable[[int, bool], Awaitable[Process]]
    restarted: Callable[[], object]
    running: dict[int, Process] = field(default_factory=dict)
    retired: Retired = field(default_factory=Retired)
    _up: dict[int, asyncio.Event] = field(default_factory=dict)
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _exit_codes: list[int] = field(default_factory=list)
    _lives: set[asyncio.Task[None]] = field(default_factory=set)

    async def begin(self) -> None:
        """Start every process, and return when each has loaded its models once, or when the group ends.

        Raises:
            StartError: one has ended before.
            OSError: one could not be started.

        """
        self._up = {number: asyncio.Event() for number in range(1, self.count + 1)}
        self._lives = {asyncio.create_task(self._live(number)) for number in self._up}
        all_up = asyncio.create_task(self._all_up())
        try:
            await asyncio.wait({all_up, *self._lives}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            all_up.cancel()
        self._raise_if_ended()

    async def _all_up(self) -> None:
        for up in self._up.values():
            await up.wait()

    async def watch(self, stop: asyncio.Event) -> None:
        """Wait for `stop`. Raises what ends the watch over a process, which nothing should."""
        stopping = asyncio.ensure_future(stop.wait())
        waited: set[asyncio.Future[Any]] = {stopping, *self._lives}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self._raise_if_ended()

    def _raise_if_ended(self) -> None:
        for life in self._lives:
            if life.done():
                life.result()

    async def _live(self, number: int) -> None:
        failed = 0
        while not self._ending.is_set():
            began = time.monotonic()
            code = await self._run(number)
            if self._ending.is_set():
                self._exit_codes.append(code)
                return
            failed = 0 if time.monotonic() > began + _STEADY_SECONDS else failed
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failed, 16))
            failed += 1
            _log.error("process ended", process=number, exit_code=code, again_in_seconds=pause_seconds)
            self.restarted()
            await asyncio.gather(self.tell_readiness(), self._pause(pause_seconds))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    async def _run(self, number: int) -> int:
        try:
            process = self.running[number] = await self.start(number, self._up[number].is_set())
        except OSError as error:  # no memory, no process ids
            if not self._up[number].is_set():
                raise
            _log.error("process not started", process=number, error=str(error))
            return 1
        try:
            if self._ending.is_set():  # meanwhile
                process.channel.tell(Message(kind="drain"))
            code = await process.ended()
        finally:
            del self.running[number]
            process.kill()
            self.retired.add(process.report)
        if not self._up[number].is_set() and not self._ending.is_set():
            raise StartError(process.failure or f"process {number} ended while it started, with exit code {code}", code)
        return code

    def is_up(self, process: Process) -> None:
        """Note that a process listens and has loaded its models."""
        self._up[process.number].set()

    def why_not_ready(self, *, but: int) -> str:
        """Return which other processes can't be called, and why; empty if all can."""
        found = ((number, self._why(number)) for number in self._up if number != but)
        return "; ".join(f"process {number}: {why}" for number, why in found if why)

    def _why(self, number: int) -> str:
        process = self.running.get(number)
        return "it is started again" if process is None else process.why_not_ready

    async def tell_readiness(self) -> None:
        """Tell every process about the others, and return when each knows."""
        await asyncio.gather(*(self._tell_readiness(each) for each in self.running.values() if each.is_loaded))

    async def _tell_readiness(self, process: Process) -> None:
        with suppress(ChannelError, TimeoutError):
            async with asyncio.timeout(_TOLD_SECONDS):
                why = self.why_not_ready(but=process.number)
                await process.channel.ask(Message(kind="others", facts={"why": why}))

    async def reports(self) -> tuple[list[Report], Retired]:
        """Return what each process reports of its metrics now, and the counts of those that have ended."""
        await asyncio.gather(*(each.refresh() for each in list(self.running.values())))
        return [each.report for _, each in sorted(self.running.items())], self.retired.copy()

    async def drain(self, now: asyncio.Event, *, within_seconds: float, cut_seconds: float) -> bool:
        """Let every process end its calls and itself; one that takes longer is killed.

        Args:
            now: set when calls are to be cut.
            within_seconds: how long a process may take.
            cut_seconds: the same, from `now` on.

        Returns:
            True if each process ended by itself, with its calls.

        """
        self._ending.set()
        self._tell("drain")
        hurry = asyncio.ensure_future(now.wait())
        lives = asyncio.gather(*self._lives)
        await asyncio.wait((lives, hurry), timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        if now.is_set() and not lives.done():
            self._tell("now")
            await asyncio.wait((lives,), timeout=cut_seconds)
        hurry.cancel()
        self.kill()
        await lives
        return not any(self._exit_codes)

    def _tell(self, kind: str) -> None:
        for process in self.running.values():
            process.channel.tell(Message(kind=kind))

    def kill(self) -> None:
        """End every process at once."""
        for process in self.running.values():
            process.kill()

    async def end(self) -> None:
        """End every process at once, and wait until each has gone."""
        self._ending.set()
        self.kill()
        await asyncio.gather(*self._lives, return_exceptions=True)
