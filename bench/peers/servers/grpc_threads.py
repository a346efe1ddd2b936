"""A minimal server on grpcio's thread pool."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from bench.peers.servers.answers import PREDICT, STREAM, Steps, predict
from bench.peers.servers.model import Model, arguments

_THREADS = 40  # a stream holds one


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, model: Model) -> None:
        self._model = model

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        if handler_call_details.method == PREDICT:
            return grpc.unary_unary_rpc_method_handler(self._predict)
        if handler_call_details.method == STREAM:
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    def _predict(self, request: bytes, _context: object) -> bytes:
        return predict(self._model, request)

    def _stream(self, requests: Iterator[bytes], _context: object) -> Iterator[bytes]:
        return map(Steps(self._model).answer, requests)


def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers((_Handlers(Model(options.model)),))
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
