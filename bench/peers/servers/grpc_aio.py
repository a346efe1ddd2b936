"""A minimal server on grpc.aio: the model runs on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from bench.peers.servers.answers import PREDICT, STREAM, Steps, predict
from bench.peers.servers.model import Model, arguments


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, model: Model) -> None:
        self._model = model

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        if handler_call_details.method == PREDICT:
            return grpc.unary_unary_rpc_method_handler(self._predict)
        if handler_call_details.method == STREAM:
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    async def _predict(self, request: bytes, _context: object) -> bytes:
        return predict(self._model, request)

    async def _stream(self, requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        steps = Steps(self._model)
        async for request in requests:
            yield steps.answer(request)


async def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Handlers(Model(options.model)),))
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
