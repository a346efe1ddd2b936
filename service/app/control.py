"""What operators change of the server itself while it runs: the log level, readiness, and the drain."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from service.api.control import Control
    from service.app.lifecycle import Stop
    from service.app.member import Member
    from service.core.health import Health
    from service.transport.active_calls import ActiveCalls

_log = structlog.get_logger("soloist.server")
_LEVEL, _READY = "log-level", "ready"
# The part of health that operators speak for.
_PART, _TAKEN_OUT = "operator", "taken out by an operator"


class LogLevel:
    """The level of the log, which falls back to its usual one. Belongs to the event loop."""

    def __init__(self, usual: str) -> None:
        """Create it; `usual` is the level of the settings."""
        self._usual = usual
        self._falling_back: asyncio.TimerHandle | None = None

    def set(self, level: str, until: float) -> str:
        """Set a level, "" for the usual one, until a time of time.monotonic(); 0: for good. Return it.

        That clock is the same in every process of the machine.
        """
        if self._falling_back is not None:
            self._falling_back.cancel()
            self._falling_back = None
        seconds = until - time.monotonic() if until else 0.0
        level = level if level and seconds >= 0 else self._usual
        # With the more talkative of both levels in force, so that each change leaves a line.
        root, number = logging.getLogger(), logging.getLevelNamesMapping()[level.upper()]
        root.setLevel(min(root.level, number, logging.INFO))
        _log.info("log level set", lowest=level, seconds=round(seconds, 3) or None)
        root.setLevel(number)
        if seconds > 0 and level != self._usual:
            self._falling_back = asyncio.get_running_loop().call_later(seconds, self.set, "", 0.0)
        return level

    def follow(self, facts: Mapping[str, Any]) -> None:
        """Make a change of all processes here, too, if it is one of the level."""
        if facts["change"] == _LEVEL:
            self.set(facts["level"], facts["until"])


class OwnControl:
    """The control of one process (service.api.control). Belongs to the event loop."""

    def __init__(self, log_level: LogLevel, health: Health, stop: Stop, calls: ActiveCalls) -> None:
        self._log_level = log_level
        self._health = health
        self._stop = stop
        self._calls = calls

    @property
    def call_count(self) -> int:
        """Return the calls in progress."""
        return len(self._calls)

    async def set_log_level(self, level: str, fallback_seconds: float) -> str:
        """Log from a level on, and fall back to the usual one."""
        return self._log_level.set(level, _until(fallback_seconds))

    async def set_ready(self, ready: bool) -> None:
        """Tell those who ask that the server isn't ready, or no longer tell them so."""
        _log.info("ready again" if ready else _TAKEN_OUT)
        self._health.report(_PART, "" if ready else _TAKEN_OUT)

    async def stop(self) -> None:
        """Begin a drain."""
        ask_to_stop(self._stop)

    async def change(self, facts: Mapping[str, Any]) -> None:
        """Make a change that all processes make."""
        self._log_level.follow(facts)
        if facts["change"] == _READY:
            await self.set_ready(facts["ready"])


class SharedControl:
    """The control of all processes of a server, from one of them (service.api.control)."""

    def __init__(self, own: OwnControl, member: Member, usual: str) -> None:
        self._own = own
        self._member = member
        self._usual = usual

    @property
    def call_count(self) -> int:
        """Return the calls in progress in this process."""
        return self._own.call_count

    async def set_log_level(self, level: str, fallback_seconds: float) -> str:
        """Log from a level on, in every process, and fall back to the usual one."""
        await self._member.change(change=_LEVEL, level=level, until=_until(fallback_seconds))
        return level or self._usual

    async def set_ready(self, ready: bool) -> None:
        """Tell those who ask any process that it isn't ready, or no longer tell them so."""
        await self._member.change(change=_READY, ready=ready)

    async def stop(self) -> None:
        """Let the supervisor begin a drain."""
        await self._member.ask_to_stop()


def shared(own: OwnControl, member: Member | None, usual: str) -> Control:
    """Return the control of all processes of the server; `usual` is the log level of the settings."""
    return own if member is None else SharedControl(own, member, usual)


def ask_to_stop(stop: Stop) -> None:
    """Send this process the signal that begins a drain, unless one has begun: a second would cut calls."""
    if not stop.drain.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _until(seconds: float) -> float:
    return time.monotonic() + seconds if seconds else 0.0
