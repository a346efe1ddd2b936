"""Owns what a user of grpclib writes, which shares no code with grpcio: knows no messages, sends and takes bytes.

usage: grpclib_program.py TARGET plain ASKED.json ANSWERS.json
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

from grpclib.client import Channel, StreamStreamMethod, UnaryUnaryMethod
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError


class AsTheyAre(CodecBase):  # type: ignore[misc]  # it is of no type here
    """Leaves messages alone."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, _message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, _message_type: Any) -> bytes:
        return data


async def asked_of(target: str, asked: Any) -> dict[str, list[bytes]]:
    host, _, port = target.rpartition(":")
    async with Channel(host, int(port), codec=AsTheyAre()) as channel:
        unary: Any = UnaryUnaryMethod(channel, asked["unary"], bytes, bytes)
        together = await asyncio.gather(*(unary(each) for each in asked["messages"]))
        answers = []
        method: Any = StreamStreamMethod(channel, asked["stream"], bytes, bytes)
        async with method.open() as stream:
            for message in asked["conversation"]:
                await stream.send_message(message)
                answers.append(await stream.recv_message())
            await stream.end()
            assert await stream.recv_message() is None
        async with method.open() as stream:
            await stream.send_message(asked["conversation"][0])
            await stream.recv_message()
            await stream.cancel()
        try:
            await unary(asked["wrong"])
        except GRPCError as error:
            message = error.message or ""
        return {"unary": list(together), "stream": answers, "message": [message.encode()]}


def main(target: str, _compressed: str, asked: str, answers: str) -> None:
    wanted = json.loads(Path(asked).read_text())
    wanted |= {name: [base64.b64decode(each) for each in wanted[name]] for name in ("messages", "conversation")}
    wanted["wrong"] = base64.b64decode(wanted["wrong"])
    heard = asyncio.run(asked_of(target, wanted))
    Path(answers).write_text(
        json.dumps({way: [base64.b64encode(each).decode() for each in each_way] for way, each_way in heard.items()})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
