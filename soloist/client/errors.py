"""The exceptions: one class for each family of canonical codes, with the exact reason as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class SoloistError(Exception):
    """A call refused by the server, or by the client before anything was sent.

    `code` is the canonical gRPC code. `reason` is a stable name ("CHUNK_GAP"), or the name of the code if the answer
    had none. `message` says for people what is wrong and what to do about it; `facts` are its particulars, as text
    ({"expected_first_frame": "12"}).
    """

    is_broken_call = False  # ended on its way, and not by the server

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.facts = dict(facts or {})

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:  # keyword-only arguments would get lost between processes
        return _rebuild, (type(self), self.message, self.code, self.reason, self.facts)


class InvalidInputError(SoloistError):
    """The frames or the arguments are not what the model takes; sending them again will not help."""


class NotFoundError(SoloistError):
    """No such model or version."""


class UnauthenticatedError(SoloistError):
    """The server doesn't know who calls: there is no token, or none that it knows."""


class PermissionDeniedError(SoloistError):
    """The server knows who calls, and that client may not do this."""


class PreconditionError(SoloistError):
    """Not now, or not in this order: a gap between chunks, a model that cannot stream or could not be loaded."""


class ResourceExhaustedError(SoloistError):
    """A bound of the server was reached: queue, sessions, or the size of a message."""


class UnavailableError(SoloistError):
    """There is no answer, or the server is starting or draining; the call may succeed later or elsewhere."""


class StreamEndedError(UnavailableError):
    """The server has ended a stream that can be continued with `token`; the message has its reason."""

    token = b""


class DeadlineExceededError(SoloistError):
    """The time allowed for the call is over."""


class AbortedError(SoloistError):
    """The call or stream was ended before it was complete."""


class InternalError(SoloistError):
    """The server failed; its log says why."""


_CLASSES: dict[grpc.StatusCode, type[SoloistError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInputError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: AbortedError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.DATA_LOSS: InternalError,
}


def from_rpc_error(error: grpc.RpcError) -> SoloistError:
    """Return an error of grpcio, sync or async, as one of the above, with the google.rpc details if there are any."""
    code, message = error.code(), error.details() or ""
    reason, facts = code.name, {}
    info = error_details_pb2.ErrorInfo()
    if any(detail.Unpack(info) for detail in _details(error)):
        reason, facts = info.reason, dict(info.metadata)
    found = _CLASSES.get(code, SoloistError)(message, code=code, reason=reason, facts=facts)
    # A server's own INTERNAL has a reason. A proxy resets streams whose server has gone, and grpcio writes INTERNAL
    # over the status of a call that ended while a message was sent.
    found.is_broken_call = code is grpc.StatusCode.INTERNAL and not info.reason
    return found


def invalid_input(reason: str, message: str, **facts: object) -> InvalidInputError:
    """Return the refusal of frames before they are sent."""
    texts = {name: str(value) for name, value in facts.items()}
    return InvalidInputError(message, code=grpc.StatusCode.INVALID_ARGUMENT, reason=reason, facts=texts)


def not_open() -> PreconditionError:
    """Return the error of a stream that isn't open."""
    message = "The stream is not open: not yet entered, closed, or ended by an error."
    return PreconditionError(message, code=grpc.StatusCode.FAILED_PRECONDITION, reason="STREAM_CLOSED")


def client_closed() -> PreconditionError:
    """Return the error of a call of a client that was closed."""
    message = "The client is closed: make another one, or close it later."
    return PreconditionError(message, code=grpc.StatusCode.FAILED_PRECONDITION, reason="CLIENT_CLOSED")


def no_answer() -> AbortedError:
    """Return the error of a stream that the server ended with OK but without an answer."""
    message = "The server ended the stream without an answer."
    return AbortedError(message, code=grpc.StatusCode.ABORTED, reason="NO_ANSWER")


def stream_ended(token: bytes, why: SoloistError) -> StreamEndedError:
    """Return the error of a stream that the server has ended with a token, and why it has."""
    message = f"The server has ended the stream, which can be continued: {why}"
    error = StreamEndedError(message, code=grpc.StatusCode.UNAVAILABLE, reason="STREAM_ENDED", facts=why.facts)
    error.token = token
    return error


def is_not_up(error: SoloistError) -> bool:
    """Return whether a failed health check means "not now" (no server, or no such model yet)."""
    return isinstance(error, UnavailableError | NotFoundError | DeadlineExceededError)


def not_ready(timeout_seconds: float) -> DeadlineExceededError:
    """Return the error of a server that did not become ready in time."""
    message = f"Not ready after {timeout_seconds:g} seconds."
    return DeadlineExceededError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED, reason="NOT_READY")


def out_of_time() -> DeadlineExceededError:
    """Return the error of a call whose time was over before it began."""
    message = "The time allowed for the call was over before it began; nothing was sent."
    return DeadlineExceededError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED, reason="DEADLINE_EXCEEDED")


def _details(error: grpc.RpcError) -> list[Any]:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):  # a proxy rewrote the status but not its details
        return []
    return list(status.details) if status is not None else []


def _rebuild(
    kind: type[SoloistError], message: str, code: grpc.StatusCode, reason: str, facts: dict[str, str]
) -> SoloistError:
    return kind(message, code=code, reason=reason, facts=facts)
