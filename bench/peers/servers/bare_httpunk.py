"""The bare model behind httpunk and uvloop: as fast as that transport gets, with nothing that a server needs beside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvloop
from httpunk.asyncio import H2ServerProtocol
from httpunk.h2.server import H2Server
from httpunk.http import HeaderMap

from bench.peers.servers.answers import PREDICT, Steps, predict
from bench.peers.servers.model import Model, arguments

if TYPE_CHECKING:
    from httpunk.h2.server import ServerRequest

_PREFIX_BYTES = 5
_HEADERS, _TRAILERS = HeaderMap([("content-type", "application/grpc")]), HeaderMap([("grpc-status", "0")])
_MAX_STREAMS = 1000


class _Connection(H2ServerProtocol):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model

    async def _make_server(self) -> H2Server:
        return H2Server(self, backend=self._backend, max_concurrent_streams=_MAX_STREAMS, auto_date_header=False)

    async def handle(self, request: ServerRequest) -> None:
        if request.path == PREDICT:
            received = await request.read()
            reply = predict(self._model, received[_PREFIX_BYTES:])
            response = await request.send_response(200, headers=_HEADERS)
            await response.send_data(_framed(reply))
        else:
            response = await request.send_response(200, headers=_HEADERS)
            await self._answer_steps(request, response)
        await response.send_trailers(_TRAILERS)

    async def _answer_steps(self, request: ServerRequest, response: Any) -> None:
        steps, buffer = Steps(self._model), bytearray()
        async for part in request.aiter_bytes():
            buffer += part
            while len(buffer) >= (end := _PREFIX_BYTES + int.from_bytes(buffer[1:_PREFIX_BYTES])):
                reply = steps.answer(bytes(buffer[_PREFIX_BYTES:end]))
                del buffer[:end]
                await response.send_data(_framed(reply))


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


async def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    model = Model(options.model)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(model), "127.0.0.1", options.port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
