"""The closed loop over raw calls: each caller sends its next message as soon as the last one is answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.raw_client.failure import RawCallError
from bench.raw_client.grpc_calls import GrpcStream
from bench.recorder import Recorder

# Sends one message and returns its reply, or raises RawCallError.
Ask = Callable[[bytes], Awaitable[bytes]]
OpenStream = Callable[[], AbstractAsyncContextManager[GrpcStream]]
_Caller = Callable[[float, list["Exchange"]], Awaitable[None]]
_CONNECTION_LOST = "UNAVAILABLE"


class Exchange(NamedTuple):
    """One message and its reply, or the code of its failure. `number` is the message's."""

    number: int
    sent_seconds: float
    received_seconds: float
    reply: bytes
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """The messages of one stream, each of which has one reply. Only its steps are counted."""

    opening: bytes
    steps: Sequence[bytes]
    closing: bytes
    first_number: int  # of its first step, among those of all conversations


@dataclass(frozen=True, kw_only=True)
class Exchanges:
    """What a loop has seen, warming up included; `cpu_seconds` is the processor time of this process."""

    warm: float  # when warming up was over
    ended: float
    cpu_seconds: float
    answered: list[Exchange] = field(default_factory=list)
    failed: list[Exchange] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return how many were answered in a second, after warming up."""
        return sum(each.sent_seconds >= self.warm for each in self.answered) / (self.ended - self.warm)

    @property
    def cpu_ratio(self) -> float:
        """Return the processor time of this process for each second; near 1 it is the bottleneck."""
        return self.cpu_seconds / (self.ended - self.warm)

    def record(self, recorder: Recorder) -> None:
        """Count latencies and failures as the load generator does."""
        for each in self.answered:
            if each.sent_seconds >= self.warm:
                recorder.answered(1, due_seconds=each.sent_seconds, now_seconds=each.received_seconds)
        for each in self.failed:
            recorder.failed(each.failure, each.failure)


async def ask_in_turns(
    asks: Sequence[Ask], messages: Sequence[bytes], *, seconds: float, warm_seconds: float = 0.0
) -> Exchanges:
    """Let as many callers as there are `asks` send the messages over and over, shared among them.

    Each sends at least one. Failures are counted; a caller that has lost its connection ends.
    """
    numbers = itertools.cycle(range(len(messages)))

    def caller(ask: Ask) -> _Caller:
        async def run(until: float, seen: list[Exchange]) -> None:
            while True:
                number = next(numbers)
                stands = await _exchange(ask, number, messages[number], seen)
                if not stands or time.perf_counter() >= until:
                    return

        return run

    return await _together([caller(ask) for ask in asks], seconds, warm_seconds)


async def step_in_turns(
    opens: Sequence[OpenStream], conversations: Sequence[Conversation], *, seconds: float, warm_seconds: float = 0.0
) -> Exchanges:
    """Hold as many streams as there are `opens`, each through one conversation after the other."""
    endless = itertools.cycle(conversations)

    def caller(opened: OpenStream) -> _Caller:
        async def run(until: float, seen: list[Exchange]) -> None:
            while True:
                stands = await _converse(opened, next(endless), until, seen)
                if not stands or time.perf_counter() >= until:
                    return

        return run

    return await _together([caller(opened) for opened in opens], seconds, warm_seconds)


async def _together(callers: Sequence[_Caller], seconds: float, warm_seconds: float) -> Exchanges:
    seen: list[Exchange] = []
    warm = time.perf_counter() + warm_seconds

    async def processor_seconds() -> float:
        await asyncio.sleep(warm_seconds)
        return time.process_time()

    warmed = asyncio.ensure_future(processor_seconds())
    await asyncio.gather(warmed, *(caller(warm + seconds, seen) for caller in callers))
    return Exchanges(
        warm=warm,
        ended=time.perf_counter(),
        cpu_seconds=time.process_time() - warmed.result(),
        answered=[each for each in seen if not each.failure],
        failed=[each for each in seen if each.failure],
    )


async def _exchange(ask: Ask, number: int, message: bytes, seen: list[Exchange]) -> bool:
    """Send one message; returns whether the connection still stands."""
    sent = time.perf_counter()
    try:
        reply = await ask(message)
    except RawCallError as error:
        seen.append(Exchange(number, sent, time.perf_counter(), b"", error.code))
        return error.code != _CONNECTION_LOST
    seen.append(Exchange(number, sent, time.perf_counter(), reply))
    return True


async def _converse(opened: OpenStream, conversation: Conversation, until: float, seen: list[Exchange]) -> bool:
    """Go through one stream, or as far as time lets; returns whether the connection still stands."""
    async with opened() as stream:

        async def ask(message: bytes) -> bytes:
            stream.send(message)
            reply = await stream.receive()
            if reply is None:
                raise RawCallError("CANCELLED", "the server has ended the stream")
            return reply

        try:
            await ask(conversation.opening)
            for number, step in enumerate(conversation.steps, conversation.first_number):
                if not await _exchange(ask, number, step, seen) or seen[-1].failure:
                    return seen[-1].failure != _CONNECTION_LOST
                if time.perf_counter() >= until:
                    break
            await ask(conversation.closing)
            stream.end()
            await stream.receive()
        except RawCallError as error:
            now = time.perf_counter()
            seen.append(Exchange(conversation.first_number, now, now, b"", error.code))
            return error.code != _CONNECTION_LOST
    return True
