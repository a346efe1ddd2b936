"""The channel between two processes, both ends here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.processes.channel import DONE, Answer, Channel, ChannelError, GoneError, Message


@asynccontextmanager
async def both(answer: Answer) -> AsyncIterator[tuple[Channel, asyncio.Task[None]]]:
    """Yield an end that asks, and the life of the one that answers."""

    async def nothing(_message: Message) -> Message:
        return DONE

    here, there = socket.socketpair()
    asking, answering = await Channel.over(here, nothing), await Channel.over(there, answer)
    lives = [asyncio.create_task(each.run()) for each in (asking, answering)]
    try:
        yield asking, lives[1]
    finally:
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)


async def doubled(message: Message) -> Message:
    """Answer with twice the body, the longer the later."""
    for _ in range(len(message.body)):
        await asyncio.sleep(0)
    return Message(kind="doubled", facts=message.facts, body=2 * message.body)


async def test_answers_find_their_questions() -> None:
    async with both(doubled) as (asking, _):
        bodies = [b"", b"abc", b"x" * 2**20, b"yz"]
        asked = (asking.ask(Message(kind="ask", facts={"size": len(body)}, body=body)) for body in bodies[::-1])
        found = await asyncio.gather(*asked)
    assert [(each.facts["size"], each.body) for each in found[::-1]] == [(len(body), 2 * body) for body in bodies]


async def test_what_fails_there_is_told_without_its_reason() -> None:
    async def failing(_message: Message) -> Message:
        raise RuntimeError("a secret")

    async with both(failing) as (asking, _):
        with pytest.raises(ChannelError, match=r"^load failed there$"):
            await asking.ask(Message(kind="load"))


async def test_who_waits_hears_that_the_other_end_has_gone() -> None:
    came = asyncio.Event()

    async def never(_message: Message) -> Message:
        came.set()
        await asyncio.Event().wait()
        return DONE

    async with both(never) as (asking, life):
        waiting = asyncio.create_task(asking.ask(Message(kind="ask")))
        await came.wait()
        life.cancel()
        with pytest.raises(GoneError):
            await waiting
        with pytest.raises(GoneError):
            await asking.ask(Message(kind="ask"))
        asking.tell(Message(kind="tell"))  # into the void
