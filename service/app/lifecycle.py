"""The stop of a server: the first signal begins a drain, the second ends it at once, and the end comes in time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

import structlog

if TYPE_CHECKING:
    from service.app.logging_setup import LogLines
    from service.core.health import Health
    from service.serving.sessions import Sessions
    from service.transport.active_calls import ActiveCalls

_log = structlog.get_logger("soloist.server")
# Prefixes of the names of threads that run models or decode messages.
EXECUTORS = ("soloist-engine", "soloist-comparison", "soloist-decoder")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
# `nohup` ignores the first, and shells ignore both for background processes: they stay ignored then.
_MAY_BE_IGNORED = (signal.SIGHUP, signal.SIGQUIT)
_FAILED = 1
# A cut call has to send its status; a run in progress can't be interrupted, and isn't waited for.
_CUT_SECONDS = 1.0
# The time after the drain: to cut calls, to write answers to the prediction log, to flush the log.
END_SECONDS = 2.0
_FLUSH_SECONDS = 0.2


class Stop:
    """The signals received so far.

    A closing terminal sends SIGHUP more than once, and systemd sends it behind SIGTERM. A process that wasn't running
    meanwhile gets signals by number, SIGHUP first. So SIGHUP begins a drain, and is neither the first nor the second of
    two signals that cut it short.
    """

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.now = asyncio.Event()
        self._is_asked = False

    def ask(self, number: int) -> None:
        """Record one signal."""
        self.drain.set()
        if number != signal.SIGHUP:
            if self._is_asked:
                self.now.set()
            self._is_asked = True


@contextmanager
def stop_signals(drain_seconds: float, logs: LogLines, *, end_seconds: float = END_SECONDS) -> Iterator[Stop]:
    """Handle the signals that end a server, and make sure that it ends.

    They are handled on a thread of their own: neither a blocked event loop nor a hung thread keeps the process alive
    longer than `drain_seconds` and `end_seconds` after the first, or `end_seconds` after the second. Needs a running
    event loop in the main thread.
    """
    stop = Stop()
    here, there = socket.socketpair()
    there.setblocking(False)
    arguments = (here, asyncio.get_running_loop(), stop, drain_seconds, end_seconds, logs)
    threading.Thread(target=_handle, args=arguments, name="soloist-signals", daemon=True).start()
    wakeup = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    heard = [each for each in _SIGNALS if not (each in _MAY_BE_IGNORED and signal.getsignal(each) is signal.SIG_IGN)]
    before = {number: signal.signal(number, _wake) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        there.close()


def _wake(_number: int, _frame: object) -> None:
    """Do nothing: because there is a handler, Python writes the signal's number to the socket."""


def _handle(
    here: socket.socket,
    loop: asyncio.AbstractEventLoop,
    stop: Stop,
    drain_seconds: float,
    end_seconds: float,
    logs: LogLines,
) -> None:
    give_up: float | None = None
    is_asked = False  # as in Stop, which belongs to the event loop
    with here:
        while True:
            here.settimeout(None if give_up is None else max(0.001, give_up - time.monotonic()))
            try:
                numbers = here.recv(64)
            except TimeoutError:
                _give_up(logs)
            if not numbers:  # the block has ended
                return
            for number in numbers:
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(stop.ask, number)
                if give_up is None:
                    give_up = time.monotonic() + drain_seconds + end_seconds
                elif number != signal.SIGHUP and is_asked:
                    give_up = min(give_up, time.monotonic() + end_seconds)
                is_asked = is_asked or number != signal.SIGHUP


def _give_up(logs: LogLines) -> NoReturn:
    names = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    _log.error("ended by force", threads=names)
    leave(_FAILED, logs)


def leave(code: int, logs: LogLines) -> NoReturn:
    """End the process at once, whatever its threads do. Waiting log lines are written first if possible.

    Connections are closed by the system, so a late caller gets a connection error. gRPC's own stop would answer calls
    that are arriving with CANCELLED, without a reason.
    """
    logs.flush(_FLUSH_SECONDS)
    os._exit(code)


async def drain(stop: Stop, health: Health, calls: ActiveCalls, sessions: Sessions, drain_seconds: float) -> bool:
    """Take no more calls, let those in progress finish, and cut those that take too long.

    Returns:
        True if the drain had its full time; False if a second signal cut it short.

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
    return not stop.now.is_set()
