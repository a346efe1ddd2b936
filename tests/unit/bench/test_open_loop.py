"""Requests leave when they are due, and latency counts from then: a stall shows in every request it delayed."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest

from bench.load_generator.call import Request
from bench.load_generator.load import Load
from bench.load_generator.loops import NOT_SENT, drive
from bench.load_generator.report import FELL_BEHIND_MS, Summary, remarks
from bench.recorder import Recorder
from soloist import SoloistError
from tests.unit.bench.conftest import FakeClock

REQUEST = Request(chunks=[np.zeros((5, 3), np.float32)])
EVERY_SECOND = [0.0, 1.0, 2.0, 3.0]


class StalledServer:
    """Answers nothing until a point in time, everything at once from then on."""

    def __init__(self, clock: FakeClock, stalled_until: float) -> None:
        self._clock = clock
        self._stalled_until = stalled_until
        self.came: list[float] = []

    async def send(self, request: Request, _due_seconds: float) -> int:
        self.came.append(self._clock.now())
        await self._clock.sleep_until(self._stalled_until)
        return request.frame_count


async def test_a_stall_does_not_delay_what_is_due_later(clock: FakeClock) -> None:
    server, recorder = StalledServer(clock, stalled_until=10.0), Recorder()
    await clock.run(_drive(clock, recorder, server))
    assert np.diff(server.came).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert server.came[-1] < 10.0


async def test_every_request_a_stall_delayed_counts_its_whole_wait(clock: FakeClock) -> None:
    server, recorder = StalledServer(clock, stalled_until=10.0), Recorder()
    await clock.run(_drive(clock, recorder, server))
    latency = recorder.sequences.latency()
    waits = [10.0 - came for came in server.came]
    assert latency.count == 4
    assert latency.max_ms == pytest.approx(1e3 * max(waits), rel=2e-3)
    assert latency.mean_ms == pytest.approx(1e3 * np.mean(waits), rel=2e-3)
    assert recorder.frame_count == 20


async def test_latency_counts_from_the_due_time_when_the_generator_itself_is_late(clock: FakeClock) -> None:
    recorder = Recorder()

    class LateClock(FakeClock):
        def now(self) -> float:
            return clock.now()

        async def sleep_until(self, at_seconds: float) -> None:
            await clock.sleep_until(at_seconds + 0.5)

    async def answer_at_once(request: Request, _due_seconds: float) -> int:
        await asyncio.sleep(0)
        return request.frame_count

    work = drive([0.0], [REQUEST], answer_at_once, clock=LateClock(), recorder=recorder, max_in_flight=9)
    await clock.run(work)
    assert recorder.lateness.percentile_ms(100) == pytest.approx(500, rel=2e-3)
    assert recorder.sequences.percentile_ms(100) == pytest.approx(500, rel=2e-3)
    assert "FELL BEHIND" in "\n".join(remarks(_summary(recorder)))


async def test_a_generator_that_kept_up_says_so(clock: FakeClock) -> None:
    recorder = Recorder()
    await clock.run(_drive(clock, recorder, StalledServer(clock, stalled_until=10.0)))
    summary = _summary(recorder)
    assert summary.generator_late_p99_ms < FELL_BEHIND_MS
    assert not summary.fell_behind


async def test_what_is_due_beyond_the_bound_is_not_sent_and_counts_as_an_error(clock: FakeClock) -> None:
    server, recorder = StalledServer(clock, stalled_until=2.5), Recorder()
    await clock.run(_drive(clock, recorder, server, max_in_flight=2))
    assert len(server.came) == 3  # the stall is over before the fourth
    assert recorder.errors == {NOT_SENT: 1}


async def test_errors_are_counted_by_reason_and_have_no_latency(clock: FakeClock) -> None:
    recorder = Recorder()
    reasons = iter(["QUEUE_FULL", "DEADLINE_EXCEEDED", "QUEUE_FULL"])

    async def refuse(request: Request, _due_seconds: float) -> int:
        reason = next(reasons, None)
        if reason is not None:
            raise SoloistError("no", code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason=reason)
        return request.frame_count

    work = drive(EVERY_SECOND, [REQUEST] * 4, refuse, clock=clock, recorder=recorder, max_in_flight=9)
    await clock.run(work)
    assert recorder.errors == {"QUEUE_FULL": 2, "DEADLINE_EXCEEDED": 1}
    assert recorder.error_codes == {"RESOURCE_EXHAUSTED": 3}
    assert recorder.sequences.count == 1
    assert "failed, RESOURCE_EXHAUSTED QUEUE_FULL: 2" in remarks(_summary(recorder))


def test_a_run_without_answers_has_a_summary() -> None:
    summary = _summary(Recorder())
    assert summary.answered == 0
    assert summary.sequence.p99_ms == 0.0


async def _drive(clock: FakeClock, recorder: Recorder, server: StalledServer, max_in_flight: int = 9) -> None:
    requests = [REQUEST] * len(EVERY_SECOND)
    await drive(EVERY_SECOND, requests, server.send, clock=clock, recorder=recorder, max_in_flight=max_in_flight)


def _summary(recorder: Recorder) -> Summary:
    load = Load(server="nowhere", model="m", rate_per_second=1.0, seconds=4.0)
    return Summary.of(load, recorder, scheduled=4, elapsed_seconds=4.0)
