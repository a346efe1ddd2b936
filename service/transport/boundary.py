"""The boundary of every call: the only place where an error becomes a status, a count and one log line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

    @asynccontextmanager
    async def around(self, api: str, context: Caller, *, in_drain: bool = False) -> AsyncIterator[Call]:
        """Surround one call of the method `api`: an error inside is answered, counted once and logged.

        With `in_drain` it is answered while the server drains, which doesn't wait for its end.
        """
        call = _describe(api, context)
        started, scope = time.perf_counter(), TimeLimit()
        failure: ServiceError | None = None
        # For any exit that isn't listed below.
        code = Reason.STREAM_CUT.code
        try:
            if not in_drain:
                self.calls.begin(scope)
            with scope:
                yield call
            code = "OK"
        except ServiceError as error:
            failure = ServiceError(Reason.DEADLINE_EXCEEDED) if _is_cut_by_deadline(error, call) else error
            code = failure.reason.code
        except asyncio.CancelledError:
            if call.is_past_deadline():
                code = Reason.DEADLINE_EXCEEDED.code
            raise
        except Exception as error:
            is_cut = scope.expired and isinstance(error, TimeoutError)
            failure = ServiceError(Reason.SERVER_DRAINING if is_cut else Reason.INTERNAL)
            failure.__cause__ = error
            code = failure.reason.code
        finally:
            self.calls.end(scope)
            call.cancelled = code != "OK"
            self._record(call, code, failure, started)
        if failure is not None:
            status = to_grpc_status(failure)
            failure = None  # its traceback refers to this frame
            await _abort(context, status)

    def _record(self, call: Call, code: str, failure: ServiceError | None, started: float) -> None:
        seconds = self._recorder.call_ended(call, code, started)
        if code != "OK":
            _log_failure(call, code, failure, seconds)


async def _abort(context: Caller, status: grpc.Status) -> None:
    try:
        async with asyncio.timeout(_STATUS_SECONDS):
            await context.abort_with_status(status)
    except grpc.aio.AbortError:  # not an RpcError; nothing between here and the handler's end may catch it
        raise
    except Exception as error:  # grpc.aio's errors are private; each means that the caller can't be reached
        _log.debug("refusal not delivered", peer=context.peer(), exc_info=True)
        if isinstance(error, TimeoutError) or _STILL_SENDING in str(error):  # otherwise the caller has left
            drop(asyncio.current_task())


def _describe(api: str, context: Caller) -> Call:
    remaining = context.time_remaining()
    return Call(
        api=api,
        peer=context.peer(),
        metadata=dict(context.invocation_metadata() or ()),
        deadline=None if remaining is None else time.monotonic() + remaining,
    )


def _is_cut_by_deadline(error: ServiceError, call: Call) -> bool:
    # To a handler, a stream that gRPC ends at its deadline looks like one that ends without close.
    return error.reason is Reason.STREAM_CUT and call.is_past_deadline()


def _log_failure(call: Call, code: str, failure: ServiceError | None, seconds: float) -> None:
    fields: dict[str, Any] = {"api": call.api, "code": code, "peer": call.peer, "seconds": round(seconds, 6)}
    known = {"model": call.model, "version": call.version, "session_id": call.session_id}
    fields |= {name: value for name, value in known.items() if value}
    if failure is None:
        _log.info("call cancelled", **fields)
    elif failure.reason is Reason.INTERNAL:
        _log.error("call failed", reason=failure.reason.name, exc_info=failure.__cause__, **fields)
    else:
        facts = {name: value for name, value in failure.facts.items() if name not in fields}
        _log.info("call refused", reason=failure.reason.name, **fields, **facts)
