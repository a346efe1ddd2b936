"""The loops: open, where requests leave when they are due, and closed, where callers wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from bench.load_generator.call import Request, Send
from bench.load_generator.clock import Clock
from bench.recorder import Recorder
from soloist import SoloistError

NOT_SENT = "NOT_SENT"  # reason of a request that was due while max_in_flight others were under way
_LEAD_SECONDS = 0.05  # between "go" and the first arrival


async def drive(
    due_seconds: Sequence[float],
    requests: Sequence[Request],
    send: Send,
    *,
    clock: Clock,
    recorder: Recorder,
    max_in_flight: int,
) -> None:
    """Send each request at its time, counted from shortly after now, and wait until all have ended.

    One that is due while `max_in_flight` are under way is not sent, and counts as an error.
    """
    start = clock.now() + _LEAD_SECONDS
    under_way: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        for offset, request in zip(due_seconds, requests, strict=True):
            await clock.sleep_until(start + offset)
            if len(under_way) >= max_in_flight:
                recorder.failed(NOT_SENT)
                continue
            recorder.left(due_seconds=start + offset, now_seconds=clock.now())
            task = group.create_task(_one(request, start + offset, send, clock, recorder))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def ask_by_turns(
    turn_seconds: Sequence[float],
    requests: Sequence[Request],
    send: Send,
    *,
    clock: Clock,
    recorder: Recorder,
    seconds: float,
    interval_seconds: float = 0.0,
) -> int:
    """Let each caller send one request after the other until the time is over; returns how many were sent.

    Each caller has an entry in `turn_seconds`, when it begins. A latency counts from when its request was sent, so a
    stall shows in as many requests as there are callers. `interval_seconds` is that between the chunks of a stream.
    """
    began = clock.now()
    ends = began + seconds
    endless, sent = itertools.cycle(requests), itertools.count()

    async def ask(begin_seconds: float) -> None:
        await clock.sleep_until(began + begin_seconds)
        while (now := clock.now()) < ends:
            request = next(endless)
            if request.streamed and ends - now < 2 * interval_seconds:
                return  # a stream of one chunk tells nothing
            next(sent)
            await _one(request, now, send, clock, recorder)

    async with asyncio.TaskGroup() as group:
        for begin_seconds in turn_seconds:
            group.create_task(ask(begin_seconds))
    return next(sent)


async def _one(request: Request, due: float, send: Send, clock: Clock, recorder: Recorder) -> None:
    try:
        frame_count = await send(request, due)
    except SoloistError as error:
        recorder.failed(error.reason, error.code.name)
    else:
        recorder.answered(frame_count, due_seconds=due, now_seconds=clock.now(), streamed=request.streamed)
