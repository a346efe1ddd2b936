"""The background worker: a bounded queue, one thread, and a share of one core, so that no answer is delayed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from service.core.failures import Failures

Item = TypeVar("Item")

# What the item in progress has at the end: enough to finish a file and its log line, and no more than a stop can spare.
_LAST_SECONDS = 0.5


class BackgroundWorker(Generic[Item]):
    """A worker, started and stopped as a context. `offer` may be called on any thread, before and after that too.

    The share of one core keeps it below everything else. A low priority would not: a thread that is suspended while it
    holds the interpreter's lock keeps the event loop waiting.
    """

    def __init__(
        self,
        worker: str,
        work: Callable[[Item], None],
        drop: Callable[[Item], None],
        failures: Failures,
        *,
        max_queued: int,
        core_ratio: float,
    ) -> None:
        """Create a worker that isn't started.

        Args:
            worker: names it in the metric and its thread.
            work: called with each item on the thread.
            drop: called with each item that still waits at the end.
            failures: where failures are counted.
            max_queued: how many items may wait.
            core_ratio: the share of one core that it may use.

        """
        self._work = failures.guard(worker, work)
        self._drop = failures.guard(worker, drop)
        self._core_ratio = core_ratio
        self._queue: queue.Queue[Item | None] = queue.Queue(max_queued)
        self._stopped = threading.Event()
        # Between the check of an offer and the end: an item added after the end would wait for ever.
        self._lock = threading.Lock()
        turns = partial(failures.run, worker, self._turn, self._stopped)
        self._thread = threading.Thread(target=turns, name=f"soloist-{worker}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: items that wait are dropped, and the one in progress has a moment to end. Blocks for as long."""
        with self._lock:
            self._stopped.set()
        with suppress(queue.Empty):
            while (left := self._queue.get_nowait()) is not None:
                self._drop(left)
                self._queue.task_done()
        self._queue.put_nowait(None)
        if self._thread.is_alive():  # it is not started where nothing is observed
            self._thread.join(_LAST_SECONDS)

    def offer(self, item: Item) -> bool:
        """Add an item; return False if there is no room, or the worker has stopped."""
        with self._lock:
            if self._stopped.is_set():
                return False
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                return False
        return True

    def settle(self) -> None:
        """Wait until all items are done or dropped. Blocks."""
        self._queue.join()

    def _turn(self) -> bool:
        """Work on the next item, and pause in proportion; return False at the end."""
        item = self._queue.get()
        started = time.perf_counter()
        try:
            if item is None:
                return False
            self._work(item)
        finally:
            self._queue.task_done()
        busy_seconds = time.perf_counter() - started
        self._stopped.wait(busy_seconds / self._core_ratio - busy_seconds)
        return True
