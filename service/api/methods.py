"""The methods of soloist.v1.SequenceInference, bound to a running server's parts, for any transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message import Message

from service.api.v1.catalogue import get_model, list_models
from service.api.v1.compare import compare
from service.api.v1.predict import predict
from service.api.v1.stream import stream
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.serving.inference import Serving

Request = TypeVar("Request", bound=Message)


@dataclass(frozen=True, kw_only=True)
class UnaryMethod(Generic[Request]):
    """A method that answers one message with one message. `in_drain`: also while the server drains, for machines."""

    name: str
    request: type[Request]
    handler: Callable[[Call, Request], Awaitable[Message]]
    in_drain: bool = False


@dataclass(frozen=True, kw_only=True)
class StreamMethod(Generic[Request]):
    """A method that answers a stream of messages with a stream of messages.

    `bounds_silence`: its handler bounds how long it waits for the next one, else the transport does.
    `side_by_side`: it reads the next before it is done with one, and says of each when it is (Call.done_with).
    """

    name: str
    request: type[Request]
    handler: Callable[[Call, AsyncIterator[Request]], AsyncGenerator[Message]]
    in_drain: bool = False
    bounds_silence: bool = False
    side_by_side: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerStreamMethod(Generic[Request]):
    """A method that answers one message with a stream of messages."""

    name: str
    request: type[Request]
    handler: Callable[[Call, Request], AsyncGenerator[Message]]
    in_drain: bool = False


@dataclass(frozen=True, kw_only=True)
class ClientStreamMethod(Generic[Request]):
    """A method that answers a stream of messages with one message."""

    name: str
    request: type[Request]
    handler: Callable[[Call, AsyncIterator[Request]], Awaitable[Message]]
    in_drain: bool = False


Method = UnaryMethod[Any] | ClientStreamMethod[Any] | ServerStreamMethod[Any] | StreamMethod[Any]


def sequence_inference(serving: Serving) -> list[UnaryMethod[Any] | StreamMethod[Any]]:
    """Bind every method."""
    return [
        UnaryMethod(name="Predict", request=pb.PredictRequest, handler=partial(predict, serving)),
        StreamMethod(name="Stream", request=pb.StreamRequest, handler=partial(stream, serving), bounds_silence=True),
        UnaryMethod(name="Compare", request=pb.CompareRequest, handler=partial(compare, serving)),
        UnaryMethod(name="ListModels", request=pb.ListModelsRequest, handler=partial(list_models, serving)),
        UnaryMethod(name="GetModel", request=pb.GetModelRequest, handler=partial(get_model, serving)),
    ]
