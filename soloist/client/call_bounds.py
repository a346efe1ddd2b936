"""The bounds on the calls of a connection: time, attempts, and that it isn't closed."""

from __future__ import annotations

from soloist.client.errors import client_closed
from soloist.client.retry import NO_RETRY, Attempts, RetryPolicy, Timing, time_limit


class CallBounds:
    """The bounds on calls of a connection, blocking or for asyncio. Raises ValueError for a time that is none."""

    def __init__(self, *, timeout_seconds: float | None, retry: RetryPolicy, timing: Timing) -> None:
        self._timeout_seconds = time_limit(timeout_seconds)
        self._retry = retry
        self._timing = timing
        self._is_closed = False

    def attempts(self, timeout_seconds: float | None, *, retry: bool = True) -> Attempts:
        """Begin to count attempts and time; without `timeout_seconds` the connection's own bound holds."""
        self._refuse_if_closed()
        bound = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return Attempts(self._retry if retry else NO_RETRY, self._timing, bound)

    def one_attempt(self, timeout_seconds: float | None) -> Attempts:
        """Begin to count the time of a call that isn't retried, and may last for ever without `timeout_seconds`."""
        self._refuse_if_closed()
        return Attempts(NO_RETRY, self._timing, timeout_seconds)

    def resuming(self, policy: RetryPolicy, timeout_seconds: float | None) -> Attempts:
        """Begin to count attempts to continue a stream, of which `timeout_seconds` are left."""
        return Attempts(policy, self._timing, self._timeout_seconds if timeout_seconds is None else timeout_seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._timing.sleep_async(seconds)

    def _refuse_if_closed(self) -> None:
        # grpcio has an error of its own for each kind of call, and crashes when a stub is made.
        if self._is_closed:
            raise client_closed()
