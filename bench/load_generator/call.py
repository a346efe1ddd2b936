"""One request: a sequence sent whole, or as a stream chunk by chunk."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from bench.load_generator.clock import Clock
from bench.load_generator.load import Load
from bench.load_generator.wire.api import Api
from bench.load_generator.wire.connection import Connection, StreamCall
from bench.load_generator.workload import Array
from bench.recorder import Recorder

# Sends one request that is due at the given time, and returns how many frames were answered; raises SoloistError.
Send = Callable[["Request", float], Awaitable[int]]
# Gets the bits of the answer to the chunk of that number of a request.
Seen = Callable[["Request", int, bytes], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One sequence in one or more chunks.

    `messages` has one for each chunk, in the form that the server takes. `alone` has the bits of their answers when
    nothing else was asked, where they are compared.
    """

    chunks: Sequence[Array]
    streamed: bool = False
    messages: Sequence[bytes] = ()
    alone: Sequence[bytes] | None = None

    @property
    def frame_count(self) -> int:
        """Length of the sequence."""
        return sum(map(len, self.chunks))

    def encoded(self, api: Api) -> Request:
        """Return it with its messages."""
        if not self.streamed:
            return replace(self, messages=[api.whole(self.chunks[0])])
        first_frames = itertools.accumulate(map(len, self.chunks), initial=0)
        messages = [api.chunk(first, frames) for first, frames in zip(first_frames, self.chunks, strict=False)]
        return replace(self, messages=messages)


class Sender:
    """Sends requests over its connections, in turn. `seen`, if given, is called for every answer."""

    def __init__(
        self,
        load: Load,
        api: Api,
        connections: Sequence[Connection],
        *,
        clock: Clock,
        recorder: Recorder,
        seen: Seen | None = None,
    ) -> None:
        self._load = load
        self._api = api
        self._connections = itertools.cycle(connections)
        self._clock = clock
        self._recorder = recorder
        self._seen = seen
        self.ends_seconds = math.inf
        # Servers tell sequences apart by these, and other processes have some too.
        self._numbers = itertools.count(random.SystemRandom().getrandbits(48) + 1)

    async def send(self, request: Request, due_seconds: float) -> int:
        """Send a request, and return how many frames were answered. Raises SoloistError.

        A stream's first chunk is due at the given time. One in real time ends at `ends_seconds`.
        """
        return await (self._stream(request, due_seconds) if request.streamed else self._whole(request))

    async def _whole(self, request: Request) -> int:
        connection, timeout_seconds = next(self._connections), self._load.timeout_seconds
        answer = await connection.unary(self._api.whole_path, request.messages[0], timeout_seconds)
        if self._seen is not None:
            self._seen(request, 0, self._api.whole_bits(answer))
        return request.frame_count

    async def _stream(self, request: Request, due_seconds: float) -> int:
        # A pace takes its time, whatever the server does.
        paced_seconds = self._load.chunk_interval_seconds * len(request.messages)
        timeout_seconds = self._load.timeout_seconds + paced_seconds
        async with next(self._connections).stream(self._api.stream_path, timeout_seconds) as call:
            if self._api.opening is not None:
                await call.ask(self._api.opening)
            send_all = self._chunks if self._load.chunks_in_flight == 1 else self._chunks_in_flight
            frame_count = await send_all(request, call, due_seconds)
            if self._api.closing is not None:
                await call.ask(self._api.closing)
            await call.finish()
        return frame_count

    async def _chunks(self, request: Request, call: StreamCall, due_seconds: float) -> int:
        """Send the chunks, each when the one before is answered, and return how many frames they have.

        With an interval, chunk n is due n intervals after the stream, as from a microphone, and its latency counts from
        then, even when the answer before it was late. Without one a chunk is due as soon as the one before is answered.
        """
        api, clock, recorder = self._api, self._clock, self._recorder
        interval_seconds, sequence = self._load.chunk_interval_seconds, next(self._numbers)
        frame_count, ends_seconds = 0, self.ends_seconds if interval_seconds else math.inf
        for number, message in enumerate(request.messages):
            chunk_due = free = clock.now()
            if interval_seconds:
                chunk_due = due_seconds + number * interval_seconds
                await clock.sleep_until(chunk_due)
                # Before the last answer it could not leave; what comes on top is the generator's own delay.
                recorder.left(due_seconds=max(chunk_due, free), now_seconds=clock.now())
            over = max(free, chunk_due + interval_seconds) >= ends_seconds
            last = over or number == len(request.messages) - 1
            answer = await call.ask(api.in_stream(message, sequence, first=number == 0, last=last))
            api.check_chunk(answer)
            recorder.chunk_answered(due_seconds=chunk_due, now_seconds=clock.now(), interval_seconds=interval_seconds)
            if self._seen is not None:
                self._seen(request, number, api.chunk_bits(answer))
            frame_count += len(request.chunks[number])
            if last:
                break
        return frame_count

    async def _chunks_in_flight(self, request: Request, call: StreamCall, due_seconds: float) -> int:
        """Send the chunks with several unanswered, and return how many frames they have.

        They are due as in `_chunks`, but a chunk waits for an answer only if so many are in flight.
        """
        api, clock, recorder, interval_seconds = (
            self._api,
            self._clock,
            self._recorder,
            self._load.chunk_interval_seconds,
        )
        sequence, last_number = next(self._numbers), len(request.messages) - 1
        free = asyncio.Semaphore(self._load.chunks_in_flight)
        # When each chunk in flight was due, and whether it is the last.
        in_flight: asyncio.Queue[tuple[float, bool]] = asyncio.Queue()

        async def send_all() -> None:
            went = clock.now()
            for number, message in enumerate(request.messages):
                chunk_due = due_seconds + number * interval_seconds
                if interval_seconds:
                    await clock.sleep_until(chunk_due)
                waits = free.locked()
                await free.acquire()
                now = clock.now()
                if not interval_seconds:
                    chunk_due = now
                elif not waits:
                    # Before the chunk before it, it could not leave; what comes on top is the generator's own delay.
                    recorder.left(due_seconds=max(chunk_due, went), now_seconds=now)
                went = now
                over = bool(interval_seconds) and max(now, chunk_due + interval_seconds) >= self.ends_seconds
                last = over or number == last_number
                in_flight.put_nowait((chunk_due, last))
                await call.send(api.in_stream(message, sequence, first=number == 0, last=last))
                if last:
                    return

        sending = asyncio.ensure_future(send_all())
        try:
            frame_count, last = 0, False
            for number, chunk in enumerate(request.chunks):
                chunk_due, last = await in_flight.get()
                answer = await call.receive()
                free.release()
                api.check_chunk(answer)
                recorder.chunk_answered(
                    due_seconds=chunk_due, now_seconds=clock.now(), interval_seconds=interval_seconds
                )
                if self._seen is not None:
                    self._seen(request, number, api.chunk_bits(answer))
                frame_count += len(chunk)
                if last:
                    break
            return frame_count
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
