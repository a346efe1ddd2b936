"""Sends inputs over one connection: bytes out, bytes in, the steps of each in their order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc

from bench.fuzz.outcome import Outcome, of_answer, of_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.fuzz.script import Script, Step

# How long "await" waits for an answer that may never come.
_AWAIT_SECONDS = 0.05
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


def connect(target: str) -> grpc.aio.Channel:
    """Open a connection of its own to `target` (host:port)."""
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


class Sender:
    """Plays scripts on one channel; `on_answer` hears of every message that comes back, and of its method."""

    def __init__(self, channel: grpc.aio.Channel, on_answer: Callable[[str, bytes], None]) -> None:
        self._channel = channel
        self._on_answer = on_answer
        # All are streams on the wire, so that any number of messages can be sent to any method.
        self._calls: dict[str, Any] = {}
        self._unary_calls: dict[str, Any] = {}

    async def send(self, script: Script) -> list[Outcome]:
        """Play one script; gives how its call ended, and what was refused inside it before."""
        if [step.what for step in script.steps] == ["send", "end"] and not _answers_in_stream(script):
            return [await self._unary(script)]
        method = self._calls.get(script.path)
        if method is None:
            method = self._calls[script.path] = self._channel.stream_stream(script.path)
        call = method(timeout=script.timeout_seconds)
        conversation = _Conversation(script, call, self._on_answer)
        return await conversation.run()

    async def _unary(self, script: Script) -> Outcome:
        method = self._unary_calls.get(script.path)
        if method is None:
            method = self._unary_calls[script.path] = self._channel.unary_unary(script.path)
        call = method(script.steps[0].data, timeout=script.timeout_seconds)
        with suppress(grpc.RpcError, asyncio.CancelledError):
            self._on_answer(script.path, await call)
        return await _ended(script, call)


def _answers_in_stream(script: Script) -> bool:
    return script.path.endswith(("Stream", "StreamInfer", "ListSampledSequences", "Watch", "ServerReflectionInfo"))


class _Conversation:
    def __init__(self, script: Script, call: Any, on_answer: Callable[[str, bytes], None]) -> None:
        self._script, self._call, self._on_answer = script, call, on_answer
        self._outcomes: list[Outcome] = []
        self._came = asyncio.Event()

    async def run(self) -> list[Outcome]:
        reading = asyncio.ensure_future(self._read())
        # What is refused before all is sent ends the call under the writer's hands, and grpc.aio's own kinds of saying
        # so are private.
        with suppress(Exception, asyncio.CancelledError):
            for step in self._script.steps:
                if self._call.done():
                    break
                await self._do(step)
        await reading
        return [*self._outcomes, await _ended(self._script, self._call)]

    async def _do(self, step: Step) -> None:
        match step.what:
            case "send":
                await self._call.write(step.data)
            case "await":
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), _AWAIT_SECONDS)
                self._came.clear()
            case "rest":
                await asyncio.sleep(step.milliseconds / 1000)
            case "end":
                await self._call.done_writing()
            case "cancel":
                self._call.cancel()

    async def _read(self) -> None:
        with suppress(grpc.RpcError, asyncio.CancelledError):
            while (data := await self._call.read()) is not grpc.aio.EOF:
                self._came.set()
                self._on_answer(self._script.path, data)
                if (refused := of_answer(self._script, data)) is not None:
                    self._outcomes.append(refused)
        self._came.set()


async def _ended(script: Script, call: Any) -> Outcome:
    code, details, trailers = await call.code(), await call.details(), await call.trailing_metadata()
    # Metadata of grpc.aio is no mapping, though it has keys.
    return of_call(script, code, details or "", {name: value for name, value in trailers or ()})  # noqa: C416
