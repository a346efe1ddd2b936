"""The cancellation of runs: by the caller of the run, and by a bound on the time of each.

ONNX Runtime checks a run's terminate flag between two operators, also inside loops. A single operator can't be ended;
a run inside one is stuck.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TypeVar

from service.core.errors import Reason, ServiceError

if TYPE_CHECKING:
    from types import TracebackType

    from service.core.failures import Failures
    from service.engine.onnx_runtime import ort

Result = TypeVar("Result")
_WATCH_SECONDS = 0.1
# A run that goes on for this long after its cancellation is inside one operator.
_STUCK_SECONDS = 1.0


class _Run:
    """One run in progress. Any thread may end it."""

    __slots__ = ("began", "ended_at", "error", "options")

    def __init__(self, options: ort.RunOptions) -> None:
        self.options = options
        self.began = time.monotonic()
        self.ended_at: float | None = None
        self.error: ServiceError | None = None

    def end(self, error: ServiceError) -> None:
        if self.error is None:
            self.error, self.ended_at = error, time.monotonic()
            self.options.terminate = True


class _Thread(threading.local):
    scope: CancelScope | None = None


_here = _Thread()
_under_way: set[_Run] = set()


class CancelScope:
    """A block around the runs of the thread that enters it; any thread may cancel it."""

    def __init__(self) -> None:
        self._error: ServiceError | None = None
        self._run: _Run | None = None

    def __enter__(self) -> Self:
        self._outer, _here.scope = _here.scope, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.scope = self._outer

    def cancel(self, error: ServiceError) -> None:
        """End the run in progress, and begin no other: `error` is raised in the block."""
        self._error = self._error or error
        if (run := self._run) is not None:
            run.end(error)

    def is_stuck(self) -> bool:
        """Return whether a run goes on although it was cancelled."""
        run = self._run
        return run is not None and run.ended_at is not None and time.monotonic() - run.ended_at > _STUCK_SECONDS

    def refuse_cancelled(self) -> None:
        """Raise the error that it was cancelled with, if it was."""
        if self._error is not None:
            raise self._error

    def _begin(self, run: _Run) -> None:
        # In this order, so that one of the two checks sees a `cancel` on another thread.
        self._run = run
        if self._error is not None:
            self._run = None
            raise self._error

    def _end(self) -> None:
        self._run = None


def refuse_cancelled() -> None:
    """Raise the error of this thread's scope if it was cancelled: for what takes long and runs no graph."""
    if _here.scope is not None:
        _here.scope.refuse_cancelled()


def run_endable(options: ort.RunOptions, work: Callable[[], Result]) -> Result:
    """Call `work`, which runs a graph with `options`, so that it can be ended, and return what it returns.

    Raises:
        ServiceError: it was ended, or must not begin: RUN_TOO_LONG, or the error of its scope.

    """
    run, scope = _Run(options), _here.scope
    if scope is not None:
        scope._begin(run)
    _under_way.add(run)
    try:
        return work()
    except Exception as error:
        if run.error is not None:
            raise run.error from error
        raise
    finally:
        _under_way.discard(run)
        if scope is not None:
            scope._end()


@contextmanager
def run_time_limited(max_run_seconds: float, failures: Failures) -> Iterator[None]:
    """End every run of this process that takes longer, on any thread, while the block lasts."""
    stopped = threading.Event()

    def look() -> bool:
        latest = time.monotonic() - max_run_seconds
        for run in list(_under_way):
            if run.began < latest:
                run.end(ServiceError(Reason.RUN_TOO_LONG, max_run_seconds=max_run_seconds))
        return not stopped.wait(_WATCH_SECONDS)

    # A daemon, so that the end of the process doesn't wait for it.
    watch = threading.Thread(
        target=failures.run, args=("run-watch", look, stopped), name="soloist-run-watch", daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        stopped.set()
