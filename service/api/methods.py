"""The methods of a service, for any transport: name, request, handler, and the kind of call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message import Message

from service.access.need import Need

if TYPE_CHECKING:
    from service.serving.call import Call

Request = TypeVar("Request", bound=Message)
# A message, or its bytes where the handler had to write it to know its size.
Response = Message | bytes


@dataclass(frozen=True, kw_only=True)
class UnaryMethod(Generic[Request]):
    """A method that answers one message with one message. With `in_drain` it answers while the server drains, too."""

    name: str
    request: type[Request]
    handler: Callable[[Call, Request], Awaitable[Response]]
    need: Need
    in_drain: bool = False


@dataclass(frozen=True, kw_only=True)
class StreamMethod(Generic[Request]):
    """A method that answers a stream of messages with a stream of messages.

    `bounds_silence`: the handler bounds the wait for the next message; otherwise the transport does.
    `side_by_side`: the handler reads the next message before it is done with one, and then calls `Call.done_with`.
    Until then it also holds the answer (`Call.hold`).
    `takes_ahead`: the handler takes messages that have arrived while it is busy with one (`Call.arrived`).
    """

    name: str
    request: type[Request]
    handler: Callable[[Call, AsyncIterator[Request]], AsyncGenerator[Response]]
    need: Need
    in_drain: bool = False
    bounds_silence: bool = False
    side_by_side: bool = False
    takes_ahead: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerStreamMethod(Generic[Request]):
    """A method that answers one message with a stream of messages."""

    name: str
    request: type[Request]
    handler: Callable[[Call, Request], AsyncGenerator[Response]]
    need: Need
    in_drain: bool = False


@dataclass(frozen=True, kw_only=True)
class ClientStreamMethod(Generic[Request]):
    """A method that answers a stream of messages with one message."""

    name: str
    request: type[Request]
    handler: Callable[[Call, AsyncIterator[Request]], Awaitable[Response]]
    need: Need
    in_drain: bool = False


Method = UnaryMethod[Any] | ClientStreamMethod[Any] | ServerStreamMethod[Any] | StreamMethod[Any]
