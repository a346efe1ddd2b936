"""One request: a sequence sent whole, or as a stream chunk by chunk, through the public client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.clock import Clock
from bench.recorder import Recorder
from bench.workload import Array
from soloist import AsyncClient

# Sends one request that is due at the given time; raises SoloistError.
Send = Callable[["Request", float], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One sequence in one or more chunks."""

    chunks: list[Array]

    @property
    def frame_count(self) -> int:
        """Length of the sequence."""
        return sum(map(len, self.chunks))


def unary(client: AsyncClient, model: str) -> Send:
    """Send every sequence whole, with Predict."""

    async def send(request: Request, _due_seconds: float) -> None:
        (frames,) = request.chunks
        await client.predict(model, frames)

    return send


def stream(
    client: AsyncClient,
    model: str,
    *,
    chunk_interval_seconds: float,
    timeout_seconds: float,
    clock: Clock,
    recorder: Recorder,
) -> Send:
    """Send every sequence as a stream: open, its chunks, close.

    With an interval, chunk n is due n intervals after the stream, as from a microphone, and its latency counts from
    then, even when the answer before it was late. Without one a chunk is due as soon as the one before is answered.
    """

    async def send(request: Request, due_seconds: float) -> None:
        async with client.stream(model, timeout_seconds=timeout_seconds) as opened:
            for number, frames in enumerate(request.chunks):
                chunk_due = clock.now() if not chunk_interval_seconds else due_seconds + number * chunk_interval_seconds
                await clock.sleep_until(chunk_due)
                await opened.send(frames)
                recorder.chunk_answered(
                    due_seconds=chunk_due, now_seconds=clock.now(), interval_seconds=chunk_interval_seconds
                )

    return send
