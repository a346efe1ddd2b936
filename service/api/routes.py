"""The methods of a service over HTTP, for any HTTP transport: verb, path, handler, and the name they are counted by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.access.need import Need

if TYPE_CHECKING:
    from service.serving.call import Call


@dataclass(frozen=True, kw_only=True)
class Body:
    """The body of a request: its JSON, and the binary data after it."""

    text: bytes = b""
    binary: bytes | memoryview = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer: its JSON, and the binary data after it. The status is an HTTP status."""

    text: bytes
    binary: tuple[bytes, ...] = ()
    status: int = 200


@dataclass(frozen=True, kw_only=True)
class Route:
    """A method over HTTP. Names in braces of its path stand for one segment each, which its handler gets by name."""

    verb: str
    path: str
    api: str
    handler: Callable[[Call, Mapping[str, str], Body], Awaitable[Answer]]
    need: Need
