"""The retries of refused calls: which, and after which pause: exponential backoff with full jitter."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from soloist.client.errors import SoloistError, not_ready, out_of_time
from soloist.integers import LONGEST_SECONDS, positive

_T = TypeVar("_T")
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Which refusals are retried, how often, and with which pauses.

    A call is retried if its code is UNAVAILABLE (no answer, or the server drains or loads) or its reason
    is in `reasons`; with `broken_calls` also if it ended on its way, with INTERNAL and no reason.
    The pause before try n is drawn evenly from 0 to min(max, initial × multiplier^(n-1)) (full
    jitter: M. Brooker, "Exponential Backoff And Jitter", 2015). No pause outlasts the call's deadline.
    """

    attempts: int = 5
    initial_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 2.0
    multiplier: float = 2.0
    reasons: frozenset[str] = frozenset({"QUEUE_FULL"})
    broken_calls: bool = False

    def __post_init__(self) -> None:
        positive("attempts", self.attempts)
        # Not the other way round, which NaN would pass.
        if not (self.initial_backoff_seconds >= 0 and self.max_backoff_seconds >= 0 and self.multiplier >= 1):
            raise ValueError("backoff must not be negative and multiplier not below 1")

    def allows(self, error: SoloistError) -> bool:
        """Return whether the same call may succeed a moment later."""
        if self.broken_calls and error.is_broken_call:
            return True
        return error.code is grpc.StatusCode.UNAVAILABLE or error.reason in self.reasons

    def longest_pause_seconds(self, tries: int) -> float:
        """Return the upper end of the pause after `tries` (≥ 1) failed tries."""
        exponent = min(tries - 1, 64)  # beyond any bound, and a float still holds it
        return min(self.max_backoff_seconds, self.initial_backoff_seconds * self.multiplier**exponent)


NO_RETRY = RetryPolicy(attempts=1)
DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Clock, sleep and random numbers, which tests replace."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


SYSTEM_TIMING = Timing()


def time_limit(timeout_seconds: float | None) -> float | None:
    """Return a time limit as gRPC takes it, None for none, which math.inf stands for, too.

    Raises:
        ValueError: It is negative, or NaN.

    """
    if timeout_seconds is None:
        return None
    if math.isnan(timeout_seconds) or timeout_seconds < 0:
        raise ValueError(f"timeout_seconds must be 0 or more, or math.inf for no limit, not {timeout_seconds}")
    return timeout_seconds if timeout_seconds <= LONGEST_SECONDS else None


class Attempts:
    """The attempts of one call: how many are left, and how much time."""

    def __init__(self, policy: RetryPolicy, timing: Timing, timeout_seconds: float | None) -> None:
        self._policy = policy
        self._timing = timing
        self._timeout_seconds = time_limit(timeout_seconds)
        self._deadline = None if self._timeout_seconds is None else timing.monotonic() + self._timeout_seconds
        self._failed = 0

    def run(self, once: Callable[[float | None], _T]) -> _T:
        """Run `once` with the seconds left, and retry while that is allowed.

        Raises:
            SoloistError: The last attempt was refused, or there is no time for one.

        """
        while True:
            try:
                return once(self.seconds_for_a_call())
            except SoloistError as error:
                pause_seconds = self.pause_seconds(error)
                if pause_seconds is None:
                    raise
            self._timing.sleep(pause_seconds)

    async def run_async(self, once: Callable[[float | None], Awaitable[_T]]) -> _T:
        """Do as `run` does, without holding up the event loop."""
        while True:
            try:
                return await once(self.seconds_for_a_call())
            except SoloistError as error:
                pause_seconds = self.pause_seconds(error)
                if pause_seconds is None:
                    raise
            await self._timing.sleep_async(pause_seconds)

    def remaining_seconds(self) -> float | None:
        """Return the time left until the deadline, never negative; None if there is no deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - self._timing.monotonic())

    def seconds_for_a_call(self) -> float | None:
        """Return the time left for a call that begins now; None if there is no deadline.

        Raises:
            DeadlineExceededError: There is none. gRPC would send the call, and a fast server might answer it.

        """
        remaining_seconds = self.remaining_seconds()
        if remaining_seconds == 0.0:
            raise out_of_time()
        return remaining_seconds

    def poll_seconds(self) -> float:
        """Return the pause before the next poll.

        Raises:
            DeadlineExceededError: The time is over.

        """
        remaining_seconds = self.remaining_seconds()
        if remaining_seconds == 0.0:
            raise not_ready(self._timeout_seconds or 0.0)
        return _POLL_SECONDS if remaining_seconds is None else min(_POLL_SECONDS, remaining_seconds)

    def pause_seconds(self, error: SoloistError) -> float | None:
        """Count a failed attempt; return the pause before the next one, or None if there is none."""
        self._failed += 1
        if self._failed >= self._policy.attempts or not self._policy.allows(error):
            return None
        pause_seconds = self._timing.uniform(0.0, self._policy.longest_pause_seconds(self._failed))
        remaining_seconds = self.remaining_seconds()
        return pause_seconds if remaining_seconds is None or pause_seconds < remaining_seconds else None
