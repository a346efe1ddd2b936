"""Drops calls whose callers don't take what is sent: grpc.aio can't, so the tasks that hold a call are remembered here.

It runs each call in a task, and beside it waits in another for the call's end. Only when both are gone does gRPC reset
the call's stream and free what it still had to send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

# As grpc.aio calls what it runs a call's handler in.
_CALL = "_handle_exceptions"
_Task = asyncio.Task[Any]
_beside: WeakKeyDictionary[_Task, _Task] = WeakKeyDictionary()


@contextmanager
def remembered() -> Iterator[None]:
    """Remember the tasks of calls that begin on this event loop within the block."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(_begin)
    try:
        yield
    finally:
        loop.set_task_factory(before)


def drop(call: _Task | None) -> None:
    """End a call without a word; nothing happens where the task isn't a call's, or was dropped before."""
    if call is not None and (other := _beside.pop(call, None)) is not None:
        call.cancel()
        other.cancel()


def _begin(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> _Task:
    task: _Task = asyncio.Task(work, loop=loop, **options)
    if getattr(work, "__name__", "") == _CALL and (beside := asyncio.current_task(loop)) is not None:
        _beside[task] = beside
    return task
