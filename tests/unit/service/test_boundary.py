from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import grpc
import pytest
from structlog.testing import capture_logs

from service.core.errors import Reason, ServiceError
from service.serving.call import Call
from service.transport.active_calls import ActiveCalls
from service.transport.boundary import Boundary
from tests.unit.service.awaited_executor import turns
from tests.unit.service.conftest import Meter


class AbortedError(grpc.aio.AbortError):
    pass


class FakeContext:
    """What grpc.aio hands a handler, as far as the boundary uses it."""

    def __init__(self, remaining_seconds: float | None = None, *, error: Exception | None = None) -> None:
        self.remaining_seconds = remaining_seconds
        self.error = error or AbortedError()
        self.reported: Any = None

    def time_remaining(self) -> float | None:
        return self.remaining_seconds

    def peer(self) -> str:
        return "ipv4:192.0.2.1:5"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("who", "me"),)

    async def abort_with_status(self, status: Any) -> None:
        self.reported = status
        raise self.error


class Door:
    """A boundary, and what can be seen of it."""

    def __init__(self, meter: Meter) -> None:
        self.calls = ActiveCalls()
        self.boundary = Boundary(self.calls, meter.metrics.recorder)
        self.meter = meter
        self.lines: list[Any] = []

    async def through(self, context: FakeContext, error: BaseException | None = None) -> Call:
        """Make one call to Predict, which names its model and raises `error`."""
        with capture_logs() as self.lines:
            # In a task of its own, as gRPC answers calls: when it ends, its caller has been told.
            call = await asyncio.create_task(self._answer(context, error))
        await turns()
        return call

    async def _answer(self, context: FakeContext, error: BaseException | None) -> Call:
        async with self.boundary.around("Predict", cast("grpc.aio.ServicerContext[Any, Any]", context)) as call:
            call.model, call.version = "sums", "1"
            if error is not None:
                raise error
        return call

    def counted(self, code: str, model: str = "sums") -> float | None:
        version = "1" if model else ""
        return self.meter.value("soloist_requests_total", model=model, version=version, api="Predict", code=code)


@pytest.fixture
def door(meter: Meter) -> Door:
    return Door(meter)


async def test_a_call_that_is_answered_is_counted_and_not_logged(door: Door) -> None:
    call = await door.through(FakeContext(remaining_seconds=5))
    assert door.lines == []
    assert door.counted("OK") == 1
    assert not call.cancelled
    assert call.deadline is not None
    assert call.deadline > time.monotonic()
    assert dict(call.metadata) == {"who": "me"}
    assert len(door.calls) == 0


async def test_a_refused_call_is_one_line_with_its_reason_and_facts(door: Door) -> None:
    context = FakeContext()
    with pytest.raises(AbortedError):
        await door.through(context, ServiceError(Reason.CHUNK_GAP, first_frame=9, expected_first_frame=4))
    (line,) = door.lines
    assert (line["event"], line["log_level"]) == ("call refused", "info")
    assert (line["reason"], line["code"]) == ("CHUNK_GAP", "FAILED_PRECONDITION")
    assert (line["api"], line["model"], line["peer"]) == ("Predict", "sums", "ipv4:192.0.2.1:5")
    assert (line["first_frame"], line["expected_first_frame"]) == (9, 4)
    assert door.counted("FAILED_PRECONDITION") == 1
    assert context.reported.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_unknown_failure_is_one_line_with_its_cause_which_callers_never_see(door: Door) -> None:
    context, error = FakeContext(), KeyError("secret")
    with pytest.raises(AbortedError):
        await door.through(context, error)
    (line,) = door.lines
    assert (line["event"], line["log_level"], line["exc_info"]) == ("call failed", "error", error)
    assert door.counted("INTERNAL") == 1
    assert (context.reported.code, context.reported.details) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "secret" not in repr(context.reported)


@pytest.mark.parametrize(
    ("remaining_seconds", "code"), [(None, "CANCELLED"), (60, "CANCELLED"), (0, "DEADLINE_EXCEEDED")]
)
@pytest.mark.parametrize("how", [asyncio.CancelledError(), ServiceError(Reason.STREAM_CUT)])
async def test_a_call_whose_caller_left_is_one_line(
    door: Door, remaining_seconds: float | None, code: str, how: BaseException
) -> None:
    with pytest.raises((AbortedError, asyncio.CancelledError)):
        await door.through(FakeContext(remaining_seconds), how)
    (line,) = door.lines
    assert line["code"] == code
    assert door.counted(code) == 1


async def test_a_caller_that_leaves_before_it_is_told_is_no_failure_of_the_server(door: Door) -> None:
    gone = FakeContext(error=OSError("the call is over"))
    await door.through(gone, ServiceError(Reason.SESSION_IDLE, idle_seconds=1))
    assert [line["event"] for line in door.lines if line["log_level"] != "debug"] == ["call refused"]
    assert door.counted("ABORTED") == 1


async def test_a_call_that_comes_while_draining_is_refused_before_it_begins(door: Door) -> None:
    door.calls.drain()
    context = FakeContext()
    with pytest.raises(AbortedError):
        await door.through(context)
    assert [line["reason"] for line in door.lines] == ["SERVER_DRAINING"]
    assert door.counted("UNAVAILABLE", model="") == 1
    assert context.reported.code is grpc.StatusCode.UNAVAILABLE


async def test_a_call_that_is_cut_is_told_so(door: Door) -> None:
    context = FakeContext()
    call = asyncio.ensure_future(_wait_inside(door, context))
    await turns()
    assert len(door.calls) == 1
    door.calls.drain()
    assert not await door.calls.idle(0)
    door.calls.cut()
    with pytest.raises(AbortedError):
        await call
    assert context.reported.code is grpc.StatusCode.UNAVAILABLE
    assert await door.calls.idle(0)


async def _wait_inside(door: Door, context: FakeContext) -> None:
    async with door.boundary.around("Predict", cast("grpc.aio.ServicerContext[Any, Any]", context)):
        await asyncio.Event().wait()
