"""Requests that are on their way: calls that have begun, and whose message isn't there yet."""

from __future__ import annotations

import time


class OnTheWay:
    """What the event loop knows of requests before they are asked of the batcher.

    A run that waits for them until they are there is shared with them, and costs hardly more than without. Whatever
    takes longer to arrive isn't waited for: a caller on a slow line would delay all others.
    """

    def __init__(self, max_gather_seconds: float) -> None:
        """Create it without requests.

        Args:
            max_gather_seconds: how long a request waits for others, and how long one that has begun is waited for; 0
                to wait for none.

        """
        self._max_seconds = max_gather_seconds
        self._requests = 0
        self._newest = 0.0

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return self._requests > 0

    def begin(self) -> None:
        """Add a request whose message isn't there yet."""
        self._requests += 1
        self._newest = time.perf_counter()

    def end(self) -> None:
        """Remove a request: its message is there, or will never be."""
        self._requests -= 1

    def is_awaited(self, oldest: float) -> bool:
        """Return whether those that have waited since `oldest`, in seconds of time.perf_counter(), wait for more."""
        if not self._requests:
            return False
        return time.perf_counter() < min(oldest, self._newest) + self._max_seconds
