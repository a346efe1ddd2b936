"""The boundary of every call: the only place where an error becomes a status, a count and one log line."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import structlog
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from service.core.errors import Reason, ServiceError
from service.core.time_limits import TimeLimit
from service.serving.call import Call
from service.serving.recorder import Recorder
from service.transport.active_calls import ActiveCalls, drop
from service.transport.context import Caller
from service.transport.guards import Guard

DOMAIN = "soloist"

# How long sending the final status to a caller may take.
_STATUS_SECONDS = 10.0
# The text of gRPC's core for: the previous answer is still being sent.
_STILL_SENDING = "TOO_MANY_OPERATIONS"
_log = structlog.get_logger("soloist.calls")


def to_grpc_status(error: ServiceError) -> grpc.Status:
    """Return an error as `abort_with_status` takes it: code, message for people, reason and facts for programs."""
    info = error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason.name)
    for name, value in error.facts.items():
        info.metadata[name] = str(value)
    detail = any_pb2.Any()
    detail.Pack(info)
    code = grpc.StatusCode[error.reason.code]
    status = status_pb2.Status(code=code.value[0], message=str(error), details=[detail])
    return rpc_status.to_status(status)  # type: ignore[no-any-return]  # the package has no types


class Boundary:
    """The block around each call."""

    def __init__(self, calls: ActiveCalls, recorder: Recorder) -> None:
        self.calls = calls
        self._recorder = recorder

    def around(self, api: str, context: Caller, *, in_drain: bool = False, guard: Guard | None = None) -> Around:
        """Return the block around one call of the method `api`: an error inside is answered, counted once and logged.

        With `in_drain` it is answered while the server drains, which doesn't wait for its end. `guard` says who calls,
        or refuses the call, before the block begins.
        """
        return Around(self.calls, self._recorder, api, context, in_drain=in_drain, guard=guard)


class Around:
    """One block around one call. Not a generator, which would take several times as long, and every call is in one."""

    __slots__ = ("_api", "_call", "_calls", "_context", "_guard", "_in_drain", "_recorder", "_scope", "_started")

    def __init__(
        self,
        calls: ActiveCalls,
        recorder: Recorder,
        api: str,
        context: Caller,
        *,
        in_drain: bool,
        guard: Guard | None,
    ) -> None:
        self._calls, self._recorder, self._api, self._context = calls, recorder, api, context
        self._in_drain, self._guard = in_drain, guard

    async def __aenter__(self) -> Call:
        context = self._context
        remaining = context.time_remaining()
        self._call = Call(
            api=self._api,
            peer=context.peer(),
            read_metadata=context.invocation_metadata,
            deadline=None if remaining is None else time.monotonic() + remaining,
        )
        self._started = time.perf_counter()
        task = asyncio.current_task()
        self._scope = TimeLimit(task=task)
        try:
            if not self._in_drain:
                self._calls.begin(self._scope, task)
            if self._guard is not None:
                self._call.identity = self._guard(context)
        except ServiceError as error:  # it comes too late, or isn't allowed
            await self._ended(error)
            raise grpc.aio.AbortError from None  # its caller couldn't be told
        self._scope.__enter__()
        return self._call

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        try:
            self._scope.__exit__(None if error is None else type(error), error, None)
        except TimeoutError as cut:
            error = cut
        if error is None:
            self._calls.end(self._scope)
            self._recorder.call_ended(self._call, "OK", self._started)
            return False
        return await self._ended(error)

    async def _ended(self, error: BaseException) -> bool:
        """Count and log a call that failed, and answer it; return whether the error is dealt with."""
        call, scope = self._call, self._scope
        self._calls.end(scope)
        call.cancelled = True
        failure, code = _failure(error, call, is_cut=scope.expired)
        call.reason = "" if failure is None else failure.reason.name
        seconds = self._recorder.call_ended(call, code, self._started)
        _log_failure(call, code, failure, seconds)
        if failure is None:
            return False
        status = to_grpc_status(failure)
        del failure, error  # their tracebacks refer to this frame
        await _abort(self._context, status)
        return True


def _failure(error: BaseException, call: Call, *, is_cut: bool) -> tuple[ServiceError | None, str]:
    """Return the error that the caller gets for one that ended its call, if it gets any, and the code of the end."""
    match error:
        case ServiceError():
            failure = ServiceError(Reason.DEADLINE_EXCEEDED) if _is_cut_by_deadline(error, call) else error
        case asyncio.CancelledError():
            return None, (Reason.DEADLINE_EXCEEDED if call.is_past_deadline() else Reason.STREAM_CUT).code
        case Exception():
            is_cut = is_cut and isinstance(error, TimeoutError)
            failure = ServiceError(Reason.SERVER_DRAINING if is_cut else Reason.INTERNAL)
            failure.__cause__ = error
        case _:
            return None, Reason.STREAM_CUT.code
    return failure, failure.reason.code


async def _abort(context: Caller, status: grpc.Status) -> None:
    try:
        async with asyncio.timeout(_STATUS_SECONDS):
            await context.abort_with_status(status)
    except grpc.aio.AbortError:  # not an RpcError; nothing between here and the handler's end may catch it
        raise
    except Exception as error:  # grpc.aio's errors are private; each means that the caller can't be reached
        _log.debug("refusal not delivered", peer=context.peer(), error=type(error).__name__)
        if isinstance(error, TimeoutError) or _STILL_SENDING in str(error):  # otherwise the caller has left
            drop(asyncio.current_task())


def _is_cut_by_deadline(error: ServiceError, call: Call) -> bool:
    # To a handler, a stream that gRPC ends at its deadline looks like one that ends without close.
    return error.reason is Reason.STREAM_CUT and call.is_past_deadline()


def _log_failure(call: Call, code: str, failure: ServiceError | None, seconds: float) -> None:
    fields: dict[str, Any] = {"api": call.api, "code": code, "peer": call.peer, "seconds": round(seconds, 6)}
    known = {"model": call.model, "version": call.version, "session_id": call.session_id, "client": call.owner}
    fields |= {name: value for name, value in known.items() if value}
    if failure is None:
        _log.info("call cancelled", **fields)
    elif failure.reason is Reason.INTERNAL:
        _log.error("call failed", reason=failure.reason.name, exc_info=failure.__cause__, **fields)
    else:
        facts = {name: value for name, value in failure.facts.items() if name not in fields}
        _log.info("call refused", reason=failure.reason.name, **fields, **facts)
