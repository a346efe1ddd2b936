"""Failures off the request path: they are logged once and counted, and the work goes on, or the server isn't ready.

Every long-lived thread and task, and every observer of answers, goes through here. What its end means is decided for
each Worker:

- prediction-log, accuracy, shadow, skew, live-check, statistics: they observe answers. A turn that fails is counted,
  the next one follows, and answers go on. If the thread itself ends, the server isn't ready: nothing starts it again.
- repository: a poll that fails is followed by the next one. If the polling ends, the server isn't ready.
- run-watch: if it ends, runs that take too long are no longer ended, and the server isn't ready.
- event-loop, arrivals: if they end, the loop's lag is unknown or arriving data unbounded, and the server isn't ready.
- keys: if it ends, changes of the keys file are no longer seen, and the server isn't ready.
- sequence-store: if what asks whether the store answers ends, nobody would know, and the server isn't ready.
- metrics: what can't be collected is left out of the page, and the rest is shown.
- access: if what follows the tokens file ends, tokens can't be revoked any more, and the server isn't ready.
- http: if what keeps the date of HTTP answers ends, the server isn't ready.
- certificates: a look for renewed ones that fails is followed by the next one, and the old ones are kept.

A thread that can't be started when the server starts ends the process with the reason. Tasks that a drain cancels are
not reported.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn, ParamSpec, TypeVar

import structlog

from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = structlog.get_logger("soloist.background")
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 5.0
# A failure that lasts all day is logged again now and then: the first line may have been rotated away.
_NOTED_AGAIN_SECONDS = 3600.0

P = ParamSpec("P")
R = TypeVar("R")


class Worker(StrEnum):
    """The parts that work off the request path or observe answers."""

    RUN_WATCH = "run-watch"
    EVENT_LOOP = "event-loop"
    ARRIVALS = "arrivals"
    PREDICTION_LOG = "prediction-log"
    ACCURACY = "accuracy"
    SHADOW = "shadow"
    SKEW = "skew"
    LIVE_CHECK = "live-check"
    STATISTICS = "statistics"
    REPOSITORY = "repository"
    METRICS = "metrics"
    HTTP = "http"
    CERTIFICATES = "certificates"
    ACCESS = "access"
    KEYS = "keys"
    SEQUENCE_STORE = "sequence-store"
    ACCESS_LOG = "access-log"
    TRACING = "tracing"


FAILED = CounterFamily(
    name="soloist_background_failures_total",
    text="Failures off the request path, by part; the part goes on.",
    labels=("worker",),
    values=tuple(Worker),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (FAILED,)


class Failures:
    """The failures off the request path. Its methods may be called on any thread and don't raise."""

    def __init__(
        self, registry: CollectorRegistry, give_up: Callable[[str, str], object] = lambda _worker, _why: None
    ) -> None:
        """Create the counter.

        Args:
            registry: where the counter is registered.
            give_up: called on any thread with a worker that can't go on, and the reason.

        """
        self._counter = FAILED.on(registry)
        for worker in Worker:
            self._counter.labels(worker)
        self._give_up = give_up
        self._lock = threading.Lock()
        # By worker, event, kind and place, so bounded by the number of places in the program.
        self._last_noted: dict[tuple[str, str, str, str], float] = {}

    def note(self, worker: str, error: BaseException, event: str = "background work failed", **facts: object) -> None:
        """Count a failure; the first of an event, kind and place is logged, with `facts`."""
        self._counter.labels(worker).inc()
        kind, place, now = type(error).__name__, _place(error), time.monotonic()
        noted = (worker, event, kind, place)
        with self._lock:
            before = self._last_noted.get(noted)
            is_news = before is None or now > before + _NOTED_AGAIN_SECONDS
            if is_news:
                self._last_noted[noted] = now
        if is_news:
            with suppress(Exception):  # a log that can't be written must not stop the work
                _log.error(event, worker=worker, error=kind, place=place, exc_info=error, **facts)

    def ended(self, worker: str, error: BaseException) -> None:
        """Report that a worker can't go on."""
        self.note(worker, error, "background worker ended")
        with suppress(Exception):
            self._give_up(worker, f"{worker} has ended: {type(error).__name__}")

    def guard(self, worker: str, observer: Callable[P, R]) -> Callable[P, R | None]:
        """Wrap an observer of answers so that it doesn't raise: a failure is counted, and None is returned."""

        @wraps(observer)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return observer(*args, **kwargs)
            except Exception as error:
                self.note(worker, error)
                return None

        return guarded

    def guard_all(self, observers: Sequence[tuple[str, Callable[P, object]]]) -> Callable[P, None]:
        """Wrap observers of answers, with the names of their workers, into one that calls all and doesn't raise."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            for worker, observer in observers:
                try:
                    observer(*args, **kwargs)
                except Exception as error:
                    self.note(worker, error)

        return guarded

    def run(self, worker: str, turn: Callable[[], bool], stopped: threading.Event) -> None:
        """Repeat turns on this thread until one returns False. After one that raised, the next waits, ever longer."""
        failed = 0
        try:
            while True:
                try:
                    if not turn():
                        return
                    failed = 0
                except Exception as error:
                    self.note(worker, error)
                    stopped.wait(_pause_seconds(failed))
                    failed += 1
        except BaseException as error:
            self.ended(worker, error)

    async def forever(self, worker: str, turn: Callable[[], Awaitable[float]]) -> NoReturn:
        """Repeat turns on the event loop; each returns the seconds until the next. One that raises is counted."""
        failed = 0
        while True:
            try:
                pause_seconds = await turn()
                failed = 0
            except Exception as error:
                self.note(worker, error)
                pause_seconds = _pause_seconds(failed)
                failed += 1
            await asyncio.sleep(pause_seconds)

    async def supervise(self, worker: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a task; if it ends by an error, report that it can't go on."""
        try:
            await work
        except Exception as error:
            self.ended(worker, error)


def start_threads(executor: Executor, count: int) -> None:
    """Start all threads of an executor now. Later, a thread that can't be started would make a call fail.

    Raises:
        RuntimeError: one can't be started.

    """
    all_there = threading.Barrier(count + 1)
    try:
        waiting = [executor.submit(all_there.wait) for _ in range(count)]
        all_there.wait()
    except BaseException:
        all_there.abort()
        raise
    for each in waiting:
        each.result()


def _pause_seconds(failed: int) -> float:
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failed, 16))


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
