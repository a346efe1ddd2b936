"""Work beside the answers that must never delay one: a bounded queue, one thread, and a share of one core."""

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


class BackgroundWorker(Generic[Item]):
    """Started and stopped as a context. `offer` may be called on any thread, before and after that too.

    The share of one core is what keeps it below everything else. A low priority would not: a thread that is put aside
    while it holds the interpreter's lock keeps the event loop waiting.
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
        """Args: `work` is called on the thread; `drop` with each that still waits at the end; `worker` names both."""
        self._work = failures.guard(worker, work)
        self._drop = failures.guard(worker, drop)
        self._core_ratio = core_ratio
        self._queue: queue.Queue[Item | None] = queue.Queue(max_queued)
        self._stopped = threading.Event()
        # Between an offer that looked in time and the end: an item that came after it would wait for ever.
        self._lock = threading.Lock()
        turns = partial(failures.run, worker, self._turn, self._stopped)
        self._thread = threading.Thread(target=turns, name=f"soloist-{worker}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin to stop: what waits is dropped, work under way ends by itself, and nobody waits for it."""
        with self._lock:
            self._stopped.set()
        with suppress(queue.Empty):
            while (left := self._queue.get_nowait()) is not None:
                self._drop(left)
                self._queue.task_done()
        self._queue.put_nowait(None)

    def offer(self, item: Item) -> bool:
        """Hand over an item; False when there is no room, or no time any more."""
        with self._lock:
            if self._stopped.is_set():
                return False
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                return False
        return True

    def settle(self) -> None:
        """Wait until all that was handed over is done or dropped. Blocks."""
        self._queue.join()

    def _turn(self) -> bool:
        """Do the next, and pause for it; False at the end."""
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
