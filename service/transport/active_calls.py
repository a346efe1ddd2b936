"""The calls in progress: whether another may begin, when the last has ended, and how to cut those that remain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from service.core.errors import Reason, ServiceError
from service.core.time_limits import TimeLimit

# How often a call that was sending a message when it should have been cut is checked again.
_CUT_AGAIN_SECONDS = 0.005
# The name of the coroutine in which grpc.aio runs the handler of a call.
_CALL = "_handle_exceptions"
_Task = asyncio.Task[Any]
_beside: WeakKeyDictionary[_Task, _Task] = WeakKeyDictionary()


class ActiveCalls:
    """The calls in progress, admitted until draining begins. Belongs to the event loop.

    `sending` are the tasks of calls that are sending a message. They are cut after it: gRPC takes no status during a
    message, and would reset the call without a reason. Once `is_cutting`, no message may begin.
    """

    def __init__(self) -> None:
        self.is_cutting = False
        self.sending: set[asyncio.Task[Any] | None] = set()
        # One limit for each call that is being answered. It never expires by itself; `cut` makes it expire.
        self._scopes: dict[TimeLimit, asyncio.Task[Any] | None] = {}
        # Includes calls whose answer or status is still being sent.
        self._under_way = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return self._under_way

    def begin(self, scope: TimeLimit, task: asyncio.Task[Any] | None) -> None:
        """Admit one call, whose `scope` may be cut; it counts until its caller has the answer or status.

        That is when the task that answers the call ends.

        Raises:
            ServiceError: SERVER_DRAINING, when the call comes too late.

        """
        if self._draining:
            raise ServiceError(Reason.SERVER_DRAINING)
        self._scopes[scope] = task
        self._under_way += 1
        if self._under_way == 1:
            self._idle.clear()
        if task is not None:
            # A callback of the call itself would make grpc.aio keep it in memory until the next garbage collection.
            task.add_done_callback(self._ended)

    def end(self, scope: TimeLimit) -> None:
        """Cut a call no more."""
        self._scopes.pop(scope, None)

    def _ended(self, _call: object) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()

    def drain(self) -> None:
        """Admit no more calls."""
        self._draining = True

    async def idle(self, within_seconds: float) -> bool:
        """Wait until no call is in progress; return False if some still are after `within_seconds`."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def cut(self) -> None:
        """End every call in progress with SERVER_DRAINING."""
        self.is_cutting = True
        for scope, task in self._scopes.items():
            if task not in self.sending:
                scope.expire()
        if self.sending:
            asyncio.get_running_loop().call_later(_CUT_AGAIN_SECONDS, self.cut)


@contextmanager
def remembered() -> Iterator[None]:
    """Record the tasks of calls that begin on this event loop within the block."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(_begin)
    try:
        yield
    finally:
        loop.set_task_factory(before)


def drop(call: _Task | None) -> None:
    """End a call without a status. Does nothing if the task isn't that of a call, or was dropped before."""
    if call is not None and (other := _beside.pop(call, None)) is not None:
        call.cancel()
        other.cancel()


def _begin(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> _Task:
    task: _Task = asyncio.Task(work, loop=loop, **options)
    if getattr(work, "__name__", "") == _CALL and (beside := asyncio.current_task(loop)) is not None:
        _beside[task] = beside
    return task
