"""The channel between the supervisor and one process: messages, questions and answers, over a socket pair."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import structlog

_log = structlog.get_logger("soloist.processes")
# The bytes of the head, which is JSON, and those of the body.
_SIZES = struct.Struct("!II")
_FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one end tells or asks the other: a kind, small facts, and bytes."""

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""


# Answers a question of the other end; told messages are handled by it, too, and its answer is dropped.
Answer = Callable[[Message], Awaitable[Message]]
DONE = Message(kind="done")


class ChannelError(Exception):
    """There is no answer: it failed there, by an error that is logged there."""


class GoneError(ChannelError):
    """The other end has gone."""


def packed(message: Message, *, asks: int = 0, answers: int = 0) -> bytes:
    """Return a message as it is sent: told, or as the question or the answer of a number."""
    head = json.dumps({"kind": message.kind, "facts": message.facts, "asks": asks, "answers": answers}).encode()
    return _SIZES.pack(len(head), len(message.body)) + head + message.body


class Channel:
    """One end. Belongs to the event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._is_over = False

    @classmethod
    async def over(cls, sock: socket.socket, answer: Answer) -> Self:
        """Return one end over a connected socket, which it then owns."""
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock), answer)

    def tell(self, message: Message) -> None:
        """Send a message that needs no answer; does nothing when the other end has gone."""
        self._send(message)

    async def ask(self, message: Message) -> Message:
        """Send a question, and return its answer.

        Raises:
            GoneError: the other end has gone.
            ChannelError: its answer failed there.

        """
        if self._is_over:
            raise GoneError("the other end has gone")
        number = next(self._numbers)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._send(message, asks=number)
            found = await answer
        finally:
            self._asked.pop(number, None)
        if found.kind == _FAILED:
            raise ChannelError(f"{message.kind} failed there")
        return found

    async def run(self) -> None:
        """Take what comes, until the other end goes."""
        try:
            while True:
                head_size, body_size = _SIZES.unpack(await self._reader.readexactly(_SIZES.size))
                head = json.loads(await self._reader.readexactly(head_size))
                body = await self._reader.readexactly(body_size)
                self._take(head, Message(kind=head["kind"], facts=head["facts"], body=body))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._is_over = True
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(GoneError("the other end has gone"))
            self._writer.close()
        await asyncio.sleep(0)  # the last messages are handled, which say why it has gone

    def _take(self, head: Mapping[str, Any], message: Message) -> None:
        if head["answers"]:
            answer = self._asked.get(head["answers"])
            if answer is not None and not answer.done():  # otherwise nobody waits any more
                answer.set_result(message)
            return
        task = asyncio.create_task(self._reply(message, head["asks"]))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _reply(self, message: Message, number: int) -> None:
        try:
            answer = await self._answer(message)
        except Exception:
            _log.exception("message not handled", kind=message.kind)
            answer = Message(kind=_FAILED)
        if number:
            self._send(answer, answers=number)

    def _send(self, message: Message, *, asks: int = 0, answers: int = 0) -> None:
        if not self._is_over:
            with suppress(OSError):  # the other end has gone, which `run` finds out
                self._writer.write(packed(message, asks=asks, answers=answers))
