"""The current accuracy: counted every few seconds and on demand, on one thread and within a share of a core."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

import structlog

from service.core.errors import Reason, ServiceError
from service.core.failures import Worker, start_threads
from service.observers.feedback.accuracy_queries import AccuracyQueries, Identity

if TYPE_CHECKING:
    from types import TracebackType

    from service.core.failures import Failures
    from service.observers.feedback.accuracy import VersionTally
    from service.observers.feedback.log_file import LogFile
    from service.observers.feedback.policy import LogPolicy, Window

_log = structlog.get_logger("soloist.accuracy")
_WORKER = Worker.ACCURACY
# For each window. A day of a busy server is a million rows, which take seconds to count, so it is counted less often.
_CORE_RATIO = 0.02
_MAX_WAITING = 4

Counts = Mapping["Window", Mapping[Identity, "VersionTally"]]


class _Counted(NamedTuple):
    tallies: Mapping[Identity, VersionTally]
    busy_seconds: float


class AccuracyWatch:
    """The counts, started and stopped as a context. Belongs to the event loop; `latest` may be called on any thread."""

    def __init__(
        self,
        policy: LogPolicy,
        file: LogFile,
        failures: Failures,
        *,
        refresh_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create it without counts.

        Args:
            policy: the settings of the log.
            file: the log.
            failures: where failures are counted.
            refresh_seconds: the shortest time between two counts of a window.
            clock: returns seconds since 1970.

        """
        self.latest: Counts = {}
        self._policy = policy
        self._file = file
        self._failures = failures
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="soloist-accuracy")

    def __enter__(self) -> Self:
        self._connection = self._file.connection(interruptible=True)
        try:
            start_threads(self._thread, 1)
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End a count in progress."""
        self._connection.interrupt()
        self._thread.shutdown(cancel_futures=True)
        self._connection.close()

    async def follow(self) -> None:
        """Count every window for ever, each at its own pace; a window that can't be counted stops no other."""
        async with asyncio.TaskGroup() as group:
            for window in self._policy.windows:
                group.create_task(self._failures.forever(_WORKER, partial(self._turn, window)))

    async def now(self) -> Counts:
        """Count every window.

        Raises:
            ServiceError: FEEDBACK_BUSY or LOG_UNAVAILABLE.

        """
        if self._waiting >= _MAX_WAITING:
            raise ServiceError(Reason.FEEDBACK_BUSY, reports=self._waiting)
        self._waiting += 1
        try:
            return {window: (await self._count(window)).tallies for window in self._policy.windows}
        except (sqlite3.Error, OSError) as error:
            _log.exception("accuracy not counted")
            raise ServiceError(Reason.LOG_UNAVAILABLE) from error
        finally:
            self._waiting -= 1

    async def _turn(self, window: Window) -> float:
        """Count one window, and return the seconds until it may be counted again."""
        busy_seconds = 0.0
        try:
            tallies, busy_seconds = await self._count(window)
        except Exception as error:  # a file that fails, rows of another release
            self._failures.note(_WORKER, error, "accuracy not counted", window=window.name)
        else:
            self.latest = {**self.latest, window: tallies}
        return max(self._refresh_seconds, busy_seconds / _CORE_RATIO)

    async def _count(self, window: Window) -> _Counted:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._counted, window)

    def _counted(self, window: Window) -> _Counted:
        began = time.perf_counter()
        with self._connection.using() as db:
            tallies = AccuracyQueries(db).count(round((self._clock() - window.seconds) * 1000))
        return _Counted(tallies, time.perf_counter() - began)
