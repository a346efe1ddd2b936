"""How a server stops: the first signal asks for a drain, the second for an end at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from service.health import Health
    from service.sessions import Sessions
    from service.transport.active_calls import ActiveCalls

_log = structlog.get_logger("soloist.server")
# How the names of threads begin on which models are loaded and run.
EXECUTORS = ("soloist-engine", "soloist-comparison", "soloist-loader", "soloist-decoder")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A cut call has to send its status; a run under way can't be interrupted, and nobody waits for it.
_CUT_SECONDS = 1.0


@dataclass(frozen=True)
class Stop:
    """What the signals have said so far."""

    drain: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """Take one signal."""
        (self.now if self.drain.is_set() else self.drain).set()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Hear SIGTERM and SIGINT while the block lasts. Needs a running event loop in the main thread."""
    loop, stop = asyncio.get_running_loop(), Stop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def leave(code: int) -> None:
    """End the process where a run or a load is still under way: it can't be interrupted, and nobody waits for it.

    Otherwise Python would wait for its thread. Returns where none is.
    """
    give_up = time.monotonic() + _CUT_SECONDS
    for thread in threading.enumerate():
        if thread.name.startswith(EXECUTORS):
            thread.join(max(0.0, give_up - time.monotonic()))
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)


async def drain(stop: Stop, health: Health, calls: ActiveCalls, sessions: Sessions, drain_seconds: float) -> bool:
    """Take no more calls, let those under way finish, cut those that take too long.

    Returns:
        True when the time was the operator's; False when a second signal cut it short.

    """
    _log.info("draining", calls=len(calls), drain_seconds=drain_seconds)
    health.drain()
    calls.drain()
    idle, hurry = asyncio.ensure_future(calls.idle(drain_seconds)), asyncio.ensure_future(stop.now.wait())
    await asyncio.wait((idle, hurry), return_when=asyncio.FIRST_COMPLETED)
    idle.cancel()
    hurry.cancel()
    if len(calls):
        _log.warning("cutting calls", calls=len(calls), second_signal=stop.now.is_set())
        sessions.expect_cut()
        calls.cut()
        await calls.idle(_CUT_SECONDS)
    _log.info("stopped")
    return not stop.now.is_set()
