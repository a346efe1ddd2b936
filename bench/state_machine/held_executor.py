"""Workers that run when they are told to, on the thread of who tells them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Held(NamedTuple):
    work: Callable[[], None]
    future: Future[Any]


class HeldExecutor(Executor):
    """Holds what it is given until `run_one`."""

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hold a call."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        self._held.append(_Held(work, future))
        return future

    def run_one(self, index: int = 0) -> None:
        """Run one of those that are held; 0: the oldest."""
        held = self._held[index]
        del self._held[index]
        held.work()

    def cancel_all(self) -> None:
        """Cancel what is held, as an executor does that is shut down."""
        for held in self._held:
            held.future.cancel()
        self._held.clear()
