"""Work beside the answers that must never delay one: a bounded queue, one thread, and a share of one core."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

Item = TypeVar("Item")


class Sideline(Generic[Item]):
    """Started and stopped as a context. `offer` may be called on any thread, before and after that too.

    The share of one core is what keeps it below everything else. A low priority would not: a thread that is put aside
    while it holds the interpreter's lock keeps the event loop waiting.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Item], None],
        drop: Callable[[Item], None],
        *,
        max_queued: int,
        core_ratio: float,
    ) -> None:
        """Args: `work` is called on the thread, and must not raise; `drop` with each that still waits at the end."""
        self._work = work
        self._drop = drop
        self._core_ratio = core_ratio
        self._queue: queue.Queue[Item | None] = queue.Queue(max_queued)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin to stop: what waits is dropped, work under way ends by itself, and nobody waits for it."""
        self._stopped.set()
        with suppress(queue.Empty):
            while (left := self._queue.get_nowait()) is not None:
                self._drop(left)
                self._queue.task_done()
        self._queue.put_nowait(None)

    def offer(self, item: Item) -> bool:
        """Hand over an item; False when there is no room, or no time any more."""
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

    def _run(self) -> None:
        while (busy_seconds := self._run_next()) is not None:
            self._stopped.wait(busy_seconds / self._core_ratio - busy_seconds)

    def _run_next(self) -> float | None:
        """Do the next; returns how long it took in seconds, or None at the end."""
        item = self._queue.get()
        started = time.perf_counter()
        if item is not None:
            self._work(item)
        self._queue.task_done()
        return None if item is None else time.perf_counter() - started
