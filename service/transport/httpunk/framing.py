"""Messages as gRPC frames them in a body: cut out, bounded by their announced size, and unpacked within that bound."""

from __future__ import annotations

import asyncio
import struct
import zlib

from service.core.errors import Reason, ServiceError

# Whether the message is compressed, and its size (gRPC over HTTP/2: Length-Prefixed-Message).
_PREFIX = struct.Struct(">BI")
_PREFIX_BYTES = _PREFIX.size
# The formats of zlib by their names in grpc-encoding.
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
# Unpacking this much takes a few milliseconds; other calls go on before the next part.
_PART_BYTES = 2**20


def framed(message: bytes) -> bytes:
    """Return a message with its prefix, uncompressed."""
    return _PREFIX.pack(0, len(message)) + message


class Deframer:
    """The body of one call: chunks as they arrive go in, messages come out."""

    __slots__ = ("_at", "_buffer", "_max_message_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._buffer: bytes | bytearray = b""
        self._at = 0

    @property
    def is_empty(self) -> bool:
        """Return whether everything has been taken."""
        return self._at == len(self._buffer)

    def feed(self, chunk: bytes) -> None:
        """Add what has arrived. Most messages come in one chunk, which isn't copied."""
        if self.is_empty:
            self._buffer, self._at = chunk, 0
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(memoryview(self._buffer)[self._at :])
        elif self._at:
            del self._buffer[: self._at]
        self._at = 0
        self._buffer += chunk

    def take(self) -> tuple[bool, bytes] | None:
        """Return whether the next message is compressed, and its bytes; None until it is whole.

        Raises:
            ServiceError: MALFORMED_MESSAGE, or MESSAGE_TOO_LARGE as soon as its size is known.

        """
        buffer, at = self._buffer, self._at
        if len(buffer) - at < _PREFIX_BYTES:
            return None
        flag, size = _PREFIX.unpack_from(buffer, at)
        if flag > 1:
            raise ServiceError(Reason.MALFORMED_MESSAGE, expected="a gRPC message")
        if size > self._max_message_bytes:
            raise too_large(size, self._max_message_bytes)
        begin, end = at + _PREFIX_BYTES, at + _PREFIX_BYTES + size
        if len(buffer) < end:
            return None
        self._at = end
        message = bytes(memoryview(buffer)[begin:end])
        if end == len(buffer):
            self._buffer, self._at = b"", 0
        return bool(flag), message


def too_large(size: int, limit: int) -> ServiceError:
    """Return the error for a message over the limit."""
    return ServiceError(Reason.MESSAGE_TOO_LARGE, message_bytes=size, max_message_bytes=limit)


async def unpacked(packed: bytes, encoding: str, max_message_bytes: int) -> bytes:
    """Return a compressed message as it was, in parts, so that the event loop goes on between them.

    Raises:
        ServiceError: COMPRESSION_UNSUPPORTED, MALFORMED_MESSAGE, or MESSAGE_TOO_LARGE before more is unpacked.

    """
    if encoding not in _WINDOW_BITS:
        raise ServiceError(Reason.COMPRESSION_UNSUPPORTED, encoding=encoding)
    unpacking = zlib.decompressobj(_WINDOW_BITS[encoding])
    parts, size = [], 0
    try:
        while not unpacking.eof:
            part = unpacking.decompress(packed, _PART_BYTES)
            packed = unpacking.unconsumed_tail
            size += len(part)
            if size > max_message_bytes:
                raise too_large(size, max_message_bytes)
            if not part and not packed:
                break  # it ends too early
            parts.append(part)
            if len(part) == _PART_BYTES:
                await asyncio.sleep(0)
    except zlib.error:
        raise ServiceError(Reason.MALFORMED_MESSAGE, expected=f"{encoding} data") from None
    if not unpacking.eof or unpacking.unused_data:
        raise ServiceError(Reason.MALFORMED_MESSAGE, expected=f"{encoding} data")
    return b"".join(parts)
