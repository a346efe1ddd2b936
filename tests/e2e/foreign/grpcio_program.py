"""Owns what a user of another release of grpcio writes: knows no messages, sends and takes bytes.

usage: grpcio_program.py TARGET gzip|plain ASKED.json ANSWERS.json
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import grpc

Answers = dict[str, list[bytes]]


def blocking(target: str, asked: Any, compression: Any) -> Answers:
    channel: Any
    with grpc.insecure_channel(target, compression=compression) as channel:
        return {
            "unary": [channel.unary_unary(asked["unary"])(each) for each in asked["messages"]],
            "stream": list(channel.stream_stream(asked["stream"])(iter(asked["conversation"]))),
            "error": [_error(channel.unary_unary(asked["unary"]), asked["wrong"])],
        }


def _error(call: Any, message: bytes) -> bytes:
    try:
        call(message, timeout=10)
    except grpc.RpcError as error:
        trailers: Any = error.trailing_metadata()
        return bytes(dict(trailers)["grpc-status-details-bin"])
    raise AssertionError("no error")


async def with_asyncio(target: str, asked: Any, compression: Any) -> Answers:
    channel: Any
    async with grpc.aio.insecure_channel(target, compression=compression) as channel:
        together = [channel.unary_unary(asked["unary"])(each) for each in asked["messages"]]
        stream = channel.stream_stream(asked["stream"])()
        answers = []
        for message in asked["conversation"]:
            await stream.write(message)
            answers.append(await stream.read())
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        cancelled = channel.stream_stream(asked["stream"])()
        await cancelled.write(asked["conversation"][0])
        await cancelled.read()
        assert cancelled.cancel()
        return {"aio": list(await asyncio.gather(*together)), "aio_stream": answers}


def main(target: str, compressed: str, asked: str, answers: str) -> None:
    compression = grpc.Compression.Gzip if compressed == "gzip" else grpc.Compression.NoCompression
    wanted = _decoded(json.loads(Path(asked).read_text()))
    heard = blocking(target, wanted, compression) | asyncio.run(with_asyncio(target, wanted, compression))
    Path(answers).write_text(
        json.dumps({way: [base64.b64encode(each).decode() for each in each_way] for way, each_way in heard.items()})
    )


def _decoded(asked: Any) -> Any:
    return {
        **asked,
        "messages": [base64.b64decode(each) for each in asked["messages"]],
        "conversation": [base64.b64decode(each) for each in asked["conversation"]],
        "wrong": base64.b64decode(asked["wrong"]),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
