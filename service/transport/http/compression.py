"""The compression of bodies: gzip and deflate, with a bound on what comes out, and off the event loop when large."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from service.core.errors import Reason, ServiceError
from service.transport.http.messages import Response

Result = TypeVar("Result")
# The window bits of zlib that stand for a format.
_FORMATS = {"gzip": 31, "deflate": 15}
# Less than this isn't worth it; more than that takes longer than a millisecond.
_LEAST_BYTES, _LONG_BYTES = 1024, 2**16
# More compresses tensors hardly any better.
_LEVEL = 1


async def decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return a body as it was before its caller compressed it.

    Raises:
        ServiceError: METHOD_UNSUPPORTED, MESSAGE_TOO_LARGE or JSON_INVALID.

    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _FORMATS:
        raise ServiceError(
            Reason.METHOD_UNSUPPORTED,
            method=f"Content-Encoding {encoding!r}",
            instead=f"use {', '.join(_FORMATS)}, or no compression",
        )
    return await _where_it_fits(partial(_inflate, body, encoding, max_bytes), len(body))


async def compressed(response: Response, accept_encoding: str) -> Response:
    """Return an answer in the first format that its caller takes and this server knows."""
    encoding = next((each for each in _accepted(accept_encoding) if each in _FORMATS), None)
    if encoding is None or response.size < _LEAST_BYTES:
        return response
    body = await _where_it_fits(partial(_deflate, response.body, encoding), response.size)
    headers = {**response.headers, "content-encoding": encoding, "vary": "accept-encoding"}
    return replace(response, headers=headers, body=(body,))


async def _where_it_fits(work: Callable[[], Result], size: int) -> Result:
    return work() if size < _LONG_BYTES else await asyncio.get_running_loop().run_in_executor(None, work)


def _inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(_FORMATS[encoding])
    try:
        whole = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        whole = b""
    if len(whole) > max_bytes:
        raise ServiceError(
            Reason.MESSAGE_TOO_LARGE, message_bytes=f"more than {max_bytes}", max_message_bytes=max_bytes
        )
    if not stream.eof or stream.unused_data:
        raise ServiceError(Reason.JSON_INVALID, field="the body", expected=f"one stream of {encoding}")
    return whole


def _deflate(body: tuple[bytes, ...], encoding: str) -> bytes:
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _FORMATS[encoding])
    return b"".join([*map(stream.compress, body), stream.flush()])


def _accepted(header: str) -> list[str]:
    """Return the formats of a header in its order, without those of weight 0."""
    found = []
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            found.append(name.strip())
    return found
