"""The log beside a server: what it keeps, what it drops and says so, and what costs no other answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.observers.feedback.answer_record import Record
from service.observers.feedback.label import Label, Outcome
from service.observers.feedback.log_file import LogFile
from service.observers.feedback.parts import feedback
from service.observers.feedback.policy import LogPolicy, Window, parse_windows
from service.observers.feedback.prediction_log import PredictionLog
from tests.servables import GatedRunner, servable
from tests.servers import eventually
from tests.unit.service.conftest import Meter
from tests.unit.service.feedback.conftest import NOW_SECONDS, Log, classifier, new_id, prediction

HOUR = 3600.0


@pytest.fixture
def keeping(policy: LogPolicy, meter: Meter) -> Callable[..., PredictionLog]:
    """Make a log that writes when it is told to end, unless `flush_seconds` is given."""

    def make(**changes: object) -> PredictionLog:
        changed = replace(policy, **{"flush_seconds": HOUR, **changes})  # type: ignore[arg-type]
        file = LogFile(changed.path)
        return PredictionLog(
            changed, file, meter.metrics.feedback, lambda _: None, meter.failures, clock=lambda: NOW_SECONDS
        )

    return make


def test_what_waits_is_written_at_the_end(keeping: Callable[..., PredictionLog], log: Log) -> None:
    by, shadow = classifier(), classifier(2)
    with keeping() as running:
        for _ in range(5):
            answer = prediction(by, 1)
            running.answered(answer)
            running.shadowed(prediction(shadow, 2, prediction_id=answer.id))
        assert log.rows("predictions") == 0
    assert log.tally().answers == log.tally(version=2).answers == 5


def test_what_finds_no_room_is_dropped_and_counted(
    keeping: Callable[..., PredictionLog], log: Log, meter: Meter
) -> None:
    by = classifier()
    policy_bytes = prediction(by, 0).outputs.nbytes
    running = keeping(max_queued_bytes=3 * policy_bytes)
    for _ in range(5):  # not started yet: nobody takes them out
        running.answered(prediction(by, 0))
    with running:
        pass
    assert log.rows("predictions") == 3
    running.answered(prediction(by, 0))  # and after its end there is no room at all
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") == 3


def test_so_many_answers_wait_and_no_more(keeping: Callable[..., PredictionLog], log: Log, meter: Meter) -> None:
    by, running = classifier(), keeping(max_queued=4)
    for _ in range(10):
        running.answered(prediction(by, 0))
    with running:
        pass
    assert log.rows("predictions") == 4
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") == 6


def test_an_answer_of_one_frame_keeps_no_others_in_memory(log: Log) -> None:
    long = prediction(log.by, *[0] * 100)
    kept = Record.of(replace(long, outputs=long.outputs[-1:]), is_shadow=False)
    assert kept.outputs.base is None


def test_threads_may_tell_it_at_once(keeping: Callable[..., PredictionLog], log: Log) -> None:
    by, running = classifier(), keeping(flush_seconds=0.001)

    def tell() -> None:
        for _ in range(200):
            running.answered(prediction(by, 0))

    with running:
        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert log.rows("predictions") == 800


def test_what_tells_no_class_is_not_kept(keeping: Callable[..., PredictionLog], log: Log, meter: Meter) -> None:
    with keeping() as running:
        running.answered(prediction(classifier(), 0))
        regression = servable(GatedRunner(), name="regression")
        running.answered(replace(prediction(classifier(), 0), servable=regression))
    assert log.rows("predictions") == 1
    assert meter.value("soloist_prediction_log_dropped_total", model="regression", version="1") is None


def test_a_file_that_fails_costs_answers_and_says_so(
    keeping: Callable[..., PredictionLog], log: Log, meter: Meter
) -> None:
    with keeping() as running:
        log.db.execute("DROP TABLE predictions")
        running.answered(prediction(classifier(), 0))
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") == 1


def test_a_file_that_fails_is_not_tried_again_for_each_piece_of_what_waits(
    keeping: Callable[..., PredictionLog], log: Log, meter: Meter
) -> None:
    # One that is held lets each try wait for seconds, and a drain waits for all of them.
    with capture_logs() as lines, keeping() as running:
        log.db.execute("DROP TABLE predictions")
        for _ in range(200):
            running.answered(prediction(classifier(), 0))
    assert [line["predictions"] for line in lines if line["event"] == "predictions not written"] == [200]
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") == 200


async def test_the_parts_work_together(policy: LogPolicy, meter: Meter) -> None:
    with feedback(
        replace(policy, flush_seconds=0.001), meter.metrics.feedback, meter.failures, refresh_seconds=HOUR
    ) as parts:
        answer = prediction(classifier(), 1, prediction_id=new_id(NOW_SECONDS))
        label = Label(prediction_id=bytes.fromhex(answer.id), event_ms=0, name="b")
        parts.log.answered(answer)
    with feedback(policy, meter.metrics.feedback, meter.failures, refresh_seconds=HOUR) as parts:
        (verdict,) = await parts.reports.take([label])
        assert verdict.outcome in (Outcome.JOINED, Outcome.LATE)
    counted = {"model": "m", "version": "1", "norm": "layer"}
    assert meter.value("soloist_labels_total", **counted, outcome=verdict.outcome) == 1
    assert meter.value("soloist_label_delay_seconds_count", model="m") == 1


def test_windows_are_read_from_a_setting() -> None:
    assert parse_windows("1d,90s,5m") == (Window("90s", 90), Window("5m", 300), Window("1d", 86_400))
    for wrong in ("", "5", "0m", "5m,", "5w", "m5"):
        with pytest.raises(ValueError, match="windows"):
            parse_windows(wrong)


@pytest.mark.parametrize(
    "outputs",
    [
        np.zeros((2, 2), np.float32),
        np.zeros((2, 4), np.float32),
        np.zeros((2, 3, 3), np.float32),
        np.zeros(3, np.float32),
        np.array([["a", "b", "c"]]),
    ],
)
def test_outputs_that_do_not_fit_the_classes_are_dropped_and_cost_no_other(
    outputs: Any, keeping: Callable[..., PredictionLog], log: Log, meter: Meter
) -> None:
    with keeping() as running:
        running.answered(prediction(classifier(), 0))
        running.answered(replace(prediction(classifier(), 0), outputs=outputs))
        running.answered(prediction(classifier(2), 0))
    assert log.rows("predictions") == 2
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") == 1


def test_outputs_that_are_whole_numbers_are_judged(keeping: Callable[..., PredictionLog], log: Log) -> None:
    with keeping() as running:
        running.answered(replace(prediction(classifier(), 0), outputs=np.array([[0, 9, 1]], np.int64)))
    assert log.db.execute("SELECT class FROM predictions").fetchall() == [(1,)]


def test_one_answer_that_makes_no_row_costs_no_other(
    keeping: Callable[..., PredictionLog], log: Log, meter: Meter
) -> None:
    with keeping() as running:
        for number in range(40):
            made = prediction(classifier(), 0)
            running.answered(replace(made, id="no hexadecimal number") if number == 7 else made)
    assert log.rows("predictions") == 39
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") == 1
    assert meter.value("soloist_background_failures_total", worker="prediction-log") == 1


def test_labels_that_cannot_be_counted_cost_no_answers(policy: LogPolicy, log: Log, meter: Meter) -> None:
    def fail(_: object) -> None:
        raise KeyError

    quick = replace(policy, flush_seconds=0.001)
    with PredictionLog(quick, LogFile(policy.path), meter.metrics.feedback, fail, meter.failures) as running:
        for _ in range(3):
            running.answered(prediction(classifier(), 0))
            assert eventually(lambda: log.rows("predictions") > 0)
    assert log.rows("predictions") == 3


def test_an_answer_that_two_servers_have_given_counts_once(keeping: Callable[..., PredictionLog], log: Log) -> None:
    """A chunk is answered again elsewhere under its id when the first answer was lost."""
    by, again = classifier(), classifier()
    answer = prediction(by, 1)
    log.report(answer.id, "b")
    with keeping() as one, keeping() as other:
        one.answered(answer)
        other.answered(prediction(again, 1, prediction_id=answer.id))
    assert log.rows("predictions") == 1
    assert log.rows("matches") == 1
    assert log.tally().answers == 1
