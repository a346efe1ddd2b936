"""One bidirectional call for asyncio: what an async stream is built on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import grpc

from soloist.client.errors import from_rpc_error, no_answer
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:  # exists for type checkers alone
    from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceAsyncStub


class AsyncExchange:
    """The call begins with the object and ends with `finish` or `cancel`, or when `receive` raises."""

    def __init__(self, stub: SequenceInferenceAsyncStub, timeout_seconds: float | None) -> None:
        self._call = stub.Stream(timeout=timeout_seconds)

    async def ask(self, request: pb.StreamRequest) -> pb.StreamResponse:
        """Send one message and wait for its answer; raises SoloistError."""
        await self.send(request)
        return await self.receive()

    async def send(self, request: pb.StreamRequest) -> bool:
        """Send one message; False when the call is over, and `receive` tells why."""
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return False
        return True

    async def receive(self) -> pb.StreamResponse:
        """Wait for the next answer; raises SoloistError."""
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        except BaseException:  # cancelled: an answer that comes later would be taken for that of the next question
            self.cancel()
            raise
        if response is grpc.aio.EOF:
            raise no_answer()
        return cast(pb.StreamResponse, response)

    async def half_close(self) -> None:
        """Send nothing more; without a close before it, the server takes the sequence for cut off."""
        try:
            await self._call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            return

    async def finish(self) -> None:
        """End the call after the last answer, and wait until the server has ended it too."""
        await self.half_close()
        await self._call.code()

    def cancel(self) -> None:
        """End the call at once."""
        self._call.cancel()
