"""The open loop and the labels that follow: on a clock that only waiting moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import grpc
import numpy as np
import pytest

from simulation.demand import Request
from simulation.label_reports import MOST_AT_ONCE, DueLabel, WaitingLabels
from simulation.labels import PlannedLabel
from simulation.open_loop import OpenLoop
from simulation.tally import LABEL_NO_ROOM, LABEL_TOO_LATE, NOT_SENT, Tally
from soloist import PreconditionError, Prediction, ResourceExhaustedError, UnavailableError
from tests.unit.bench.conftest import FakeClock


class FakeServer:
    """Answers class 0 after a while, and keeps what it is told."""

    def __init__(self, clock: FakeClock, answer_seconds: float = 0.0) -> None:
        self._clock, self._answer_seconds = clock, answer_seconds
        self.came: list[float] = []
        self.reported: list[tuple[float, DueLabel]] = []
        self.away_until = 0.0
        self.full = False

    async def ask(self, _request: Request, _due_seconds: float) -> Prediction:
        number = len(self.came)
        self.came.append(self._clock.now())
        if self.full:
            raise ResourceExhaustedError("full", code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUEUE_FULL")
        await self._clock.sleep_until(self._clock.now() + self._answer_seconds)
        return Prediction(
            outputs=np.zeros(1),
            index=0,
            label="a",
            confidence=1.0,
            prediction_id=f"{number}",
            model="m",
            version=1,
            frame_count=1,
        )

    async def report(self, labels: Sequence[DueLabel]) -> list[str]:
        if self._clock.now() < self.away_until:
            raise UnavailableError("away", code=grpc.StatusCode.UNAVAILABLE, reason="UNAVAILABLE")
        self.reported += [(self._clock.now(), label) for label in labels]
        return ["joined"] * len(labels)


def request(due_seconds: float, *delays: float, truth: int = 0) -> Request:
    labels = tuple(PlannedLabel(delay_seconds=delay, class_index=truth) for delay in delays)
    pieces = [np.zeros((2, 3), np.float32)]
    return Request(due_seconds=due_seconds, pieces=pieces, whole=True, truth=truth, labels=labels, phase=0)


def play(
    clock: FakeClock,
    server: FakeServer,
    demand: Sequence[Request],
    *,
    max_in_flight: int = 100,
    most_labels: int = 100,
    label_wait_seconds: float = 100.0,
) -> tuple[OpenLoop, Tally]:
    tally = Tally(["all"])
    labels = WaitingLabels(server.report, tally, clock, most=most_labels)
    played = OpenLoop(
        demand,
        server.ask,
        labels,
        tally,
        clock,
        max_in_flight=max_in_flight,
        label_wait_seconds=label_wait_seconds,
    )
    return played, tally


async def test_a_slow_answer_delays_nothing_and_latency_counts_from_the_due_time(clock: FakeClock) -> None:
    server = FakeServer(clock, answer_seconds=10.0)
    played, tally = play(clock, server, [request(at) for at in (0.0, 1.0, 2.0)])
    await clock.run(played.run())
    assert np.diff(server.came).tolist() == pytest.approx([1.0, 1.0])
    assert tally.phases[0].latency.percentile_ms(50) == pytest.approx(10_000, rel=2e-3)


async def test_labels_come_their_delay_after_the_answer(clock: FakeClock) -> None:
    server = FakeServer(clock, answer_seconds=2.0)
    played, tally = play(clock, server, [request(0.0, 5.0), request(1.0, 1.0, 3.0)])
    await clock.run(played.run())
    times = {(label.prediction_id, round(at - server.came[0])) for at, label in server.reported}
    assert times == {("0", 7), ("1", 4), ("1", 6)}
    assert tally.phases[0].labels == Counter(joined=3)
    assert tally.phases[0].labels_planned == 3


async def test_accuracy_is_against_the_truth_as_the_sender_knows_it(clock: FakeClock) -> None:
    played, tally = play(clock, FakeServer(clock), [request(0.0), request(1.0, truth=1), request(2.0, truth=2)])
    await clock.run(played.run())
    assert tally.phases[0].accuracy == pytest.approx(1 / 3)


async def test_refusals_are_counted_by_reason_and_get_no_label(clock: FakeClock) -> None:
    server = FakeServer(clock)
    server.full = True
    played, tally = play(clock, server, [request(0.0, 1.0), request(1.0, 1.0)])
    await clock.run(played.run())
    assert tally.phases[0].refused == Counter(QUEUE_FULL=2)
    assert tally.phases[0].accuracy is None
    assert server.reported == []


async def test_what_is_due_beyond_the_bound_is_not_sent(clock: FakeClock) -> None:
    server = FakeServer(clock, answer_seconds=10.0)
    played, tally = play(clock, server, [request(at) for at in (0.0, 1.0, 2.0)], max_in_flight=2)
    await clock.run(played.run())
    assert len(server.came) == 2
    assert tally.phases[0].refused == Counter({NOT_SENT: 1})


async def test_labels_wait_for_a_server_that_is_away_and_are_reported_once(clock: FakeClock) -> None:
    server = FakeServer(clock)
    server.away_until = 20.0
    played, tally = play(clock, server, [request(at, 1.0) for at in (0.0, 1.0, 2.0)])
    await clock.run(played.run())
    assert sorted(label.prediction_id for _at, label in server.reported) == ["0", "1", "2"]
    assert tally.phases[0].labels == Counter(joined=3)


async def test_labels_that_come_too_late_are_counted(clock: FakeClock) -> None:
    server = FakeServer(clock)
    played, tally = play(clock, server, [request(0.0, 1.0, 500.0)], label_wait_seconds=10.0)
    await clock.run(played.run())
    assert tally.phases[0].labels == Counter({"joined": 1, LABEL_TOO_LATE: 1})


async def test_labels_there_is_no_room_for_are_counted(clock: FakeClock) -> None:
    played, tally = play(clock, FakeServer(clock), [request(0.0, 1.0, 2.0, 3.0)], most_labels=2)
    await clock.run(played.run())
    assert tally.phases[0].labels == Counter({"joined": 2, LABEL_NO_ROOM: 1})


async def test_a_report_is_never_larger_than_the_server_takes(clock: FakeClock) -> None:
    server = FakeServer(clock)
    sizes: list[int] = []
    report = server.report

    async def counting(labels: Sequence[DueLabel]) -> list[str]:
        sizes.append(len(labels))
        return await report(labels)

    server.report = counting  # type: ignore[method-assign]
    played, _tally = play(clock, server, [request(0.0, *[1.0] * 2500)], most_labels=5000)
    await clock.run(played.run())
    assert sizes == [MOST_AT_ONCE, MOST_AT_ONCE, 500]


async def test_labels_that_are_refused_count_in_their_own_phases(clock: FakeClock) -> None:
    async def refuse(_labels: Sequence[DueLabel]) -> list[str]:
        raise PreconditionError("off", code=grpc.StatusCode.FAILED_PRECONDITION, reason="FEEDBACK_OFF")

    tally = Tally(["one", "two"])
    labels = WaitingLabels(refuse, tally, clock, most=10)
    for phase in (0, 1, 1):
        labels.add(DueLabel(prediction_id="p", class_index=0, phase=phase), 1.0)
    labels.finish(100.0)
    await clock.run(labels.report_when_due())
    assert [phase.labels for phase in tally.phases] == [Counter(FEEDBACK_OFF=1), Counter(FEEDBACK_OFF=2)]


async def test_stopping_ends_the_sending_and_labels_are_still_reported(clock: FakeClock) -> None:
    server = FakeServer(clock)
    played, tally = play(clock, server, [request(float(at), 30.0) for at in range(1000)])

    async def stop() -> None:
        await clock.sleep_until(5.5)
        played.stop()

    async def both() -> None:
        import asyncio

        await asyncio.gather(played.run(), stop())

    await clock.run(both())
    assert len(server.came) == 6
    assert tally.phases[0].labels == Counter(joined=6)
