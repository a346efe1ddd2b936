"""Requests that are no calls of ours: each is answered as HTTP/2 or gRPC has it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from httpunk.exceptions import H2Reason, HTTPunkError

from service.core.errors import Reason, ServiceError
from service.transport.httpunk.call import HttpunkCall
from service.transport.httpunk.headers import is_grpc

if TYPE_CHECKING:
    from httpunk.h2.server import ServerRequest

_BAD_METHOD, _BAD_CONTENT_TYPE = 405, 415
# How much of a body that nobody wants is read, and for how long.
_UNWANTED_BYTES, _UNWANTED_SECONDS = 2**20, 1.0


async def turn_down(request: ServerRequest) -> None:
    """Answer a request that is no call of ours."""
    if request.method is None or not request.path or request.scheme is None:
        await request.reset(int(H2Reason.PROTOCOL_ERROR))  # httpunk doesn't ask for these
    elif request.method != "POST":
        await _discard(request)
        await request.respond(_BAD_METHOD, headers={"allow": "POST"})
    elif not is_grpc(request.headers):
        await _discard(request)
        await request.respond(_BAD_CONTENT_TYPE)
    else:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        error = ServiceError(
            Reason.METHOD_UNSUPPORTED, method=request.path, instead="server reflection lists all methods"
        )
        await HttpunkCall(request, "", None, task, 0).refuse(error)


async def _discard(request: ServerRequest) -> None:
    """Read a small body: httpunk resets the other half with the answer, and curl then shows the reset only."""
    left = _UNWANTED_BYTES
    with suppress(TimeoutError, HTTPunkError):
        async with asyncio.timeout(_UNWANTED_SECONDS):
            async for some in request.aiter_bytes():
                left -= len(some)
                if left < 0:
                    break
