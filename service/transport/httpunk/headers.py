"""What gRPC carries in headers: metadata, deadlines, and statuses in trailers."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from httpunk.http import HeaderMap

from service.core.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

# Larger metadata is refused.
MAX_METADATA_BYTES = 2**16
# What a field counts beside its name and value (RFC 9113, section 6.5.2).
_FIELD_BYTES = 32
_CONTENT_TYPE = b"application/grpc"
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])\Z")
_UNIT_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
# Of the protocol itself, and no metadata of a caller.
_RESERVED = {b"content-type", b"te", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"}
_FIELDS = [("content-type", "application/grpc"), ("grpc-accept-encoding", "identity,deflate,gzip")]
HEADERS = HeaderMap(_FIELDS)
TRAILERS_OF_OK = HeaderMap([("grpc-status", "0")])


def is_grpc(headers: HeaderMap) -> bool:
    """Return whether a request says that it is gRPC: "application/grpc", "application/grpc+proto"."""
    kind = headers.get("content-type") or b""
    return kind == _CONTENT_TYPE or (kind.startswith(_CONTENT_TYPE) and kind[len(_CONTENT_TYPE) :][:1] in (b"+", b";"))


def check_metadata(headers: HeaderMap) -> None:
    """Check the caller's metadata. It isn't read, which takes time, and few calls need it.

    Raises:
        ServiceError: METADATA_TOO_LARGE or METADATA_INVALID.

    """
    if _checked_fields(headers)[1]:
        metadata_of(headers)


def metadata_of(headers: HeaderMap) -> list[tuple[str, str | bytes]]:
    """Return the caller's metadata.

    Raises:
        ServiceError: METADATA_TOO_LARGE or METADATA_INVALID.

    """
    fields, _ = _checked_fields(headers)
    metadata: list[tuple[str, str | bytes]] = []
    for raw, value in fields:
        if raw in _RESERVED:
            continue
        name = raw.decode("latin-1")
        if name.endswith("-bin"):
            metadata += [(name, _decoded(name, part.strip())) for part in value.split(b",")]  # proxies join repeats
        else:
            metadata.append((name, value.decode("latin-1")))
    return metadata


def _checked_fields(headers: HeaderMap) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Return the fields, if they aren't too large, and whether some of them hold bytes."""
    fields, size, has_bytes = headers.raw_items(), 0, False
    for name, value in fields:
        size += _FIELD_BYTES + len(name) + len(value)
        has_bytes = has_bytes or name[-4:] == b"-bin"
    if size > MAX_METADATA_BYTES:
        raise ServiceError(Reason.METADATA_TOO_LARGE, metadata_bytes=size, max_metadata_bytes=MAX_METADATA_BYTES)
    return fields, has_bytes


def timeout_seconds(headers: HeaderMap) -> float | None:
    """Return how long the caller waits; None if it has no deadline.

    Raises:
        ServiceError: METADATA_INVALID.

    """
    value = headers.get("grpc-timeout")
    if value is None:
        return None
    found = _TIMEOUT.match(value)
    if found is None:
        raise ServiceError(Reason.METADATA_INVALID, field="grpc-timeout")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def trailers_of(status: grpc.Status) -> HeaderMap:
    """Return the trailers of a call that failed."""
    return HeaderMap(_status_fields(status))


def trailers_only(status: grpc.Status) -> HeaderMap:
    """Return the headers of an answer that is nothing but a status."""
    return HeaderMap([*_FIELDS, *_status_fields(status)])


def _status_fields(status: grpc.Status) -> Iterable[tuple[str, str]]:
    yield "grpc-status", str(status.code.value[0])
    if status.details:
        yield "grpc-message", _percent_encoded(status.details)
    for name, value in status.trailing_metadata or ():
        if name.endswith("-bin"):
            raw = value if isinstance(value, bytes) else value.encode()
            yield name, base64.b64encode(raw).rstrip(b"=").decode()
        else:
            yield name, str(value)


def _percent_encoded(message: str) -> str:
    # quote() of urllib leaves other characters alone: here it is all that is printable in ASCII, except "%".
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}"
        for byte in message.encode("utf-8", "replace")
    )


def _decoded(name: str, value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        raise ServiceError(Reason.METADATA_INVALID, field=name) from None
