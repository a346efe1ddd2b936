"""The log beside a server: what it keeps, what it drops and says so, and that it outlives restarts and retention."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.observers.feedback.answer_record import Record
from service.observers.feedback.database import LogFileError, connect, prepare
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


def test_what_was_undone_is_not_taken_for_known(log: Log, policy: LogPolicy) -> None:
    answer = prediction(log.by, 1)
    log.db.execute("ALTER TABLE predictions RENAME TO elsewhere")
    with pytest.raises(sqlite3.Error):
        log.write(answer)
    log.db.execute("ALTER TABLE elsewhere RENAME TO predictions")
    with closing(Log(policy)) as other:  # takes the number that the version would have had
        other.answer(2, by=classifier(7))
    log.write(answer)
    assert {identity[1] for identity in log.count()} == {1, 7}


def test_one_prediction_is_kept_once(log: Log) -> None:
    answer = prediction(log.by, 1)
    log.write(answer, answer)
    log.write(answer)
    assert log.tally().answers == 1


def test_everything_is_there_after_a_restart(policy: LogPolicy) -> None:
    with closing(Log(policy)) as log:
        answer, other = log.answer(1), prediction(log.by, 0)
        log.report(answer, "b")
        assert log.report(other.id, "a").outcome is Outcome.PENDING
    with closing(Log(policy)) as log:
        assert log.report(answer, "b").outcome is Outcome.REPEATED
        assert [verdict.outcome for verdict in log.write(other)] == [Outcome.JOINED]
        assert (log.tally().labels, log.tally().correct) == (2, 2)


def test_two_writers_of_one_file_see_each_other(policy: LogPolicy) -> None:
    with closing(Log(policy)) as one, closing(Log(policy)) as other:
        answer = one.answer(1)
        assert other.report(answer, "b").outcome is Outcome.JOINED
        assert one.report(answer, "b").outcome is Outcome.REPEATED
        late = prediction(one.by, 1)
        assert other.report(late.id, "b").outcome is Outcome.PENDING
        assert [verdict.outcome for verdict in one.write(late)] == [Outcome.JOINED]
        assert one.tally() == other.tally()


def test_what_is_too_old_goes_with_its_labels(policy: LogPolicy) -> None:
    with closing(Log(replace(policy, max_age_seconds=1000))) as log:
        old = log.answer(0, 1, at_seconds=NOW_SECONDS - 1001)
        young = log.answer(0, 1, at_seconds=NOW_SECONDS - 999)
        for answer in (old, young):
            assert log.report(answer, "b").outcome is Outcome.JOINED
        log.writer.prune(log.now_ms)
        assert {table: log.rows(table) for table in ("predictions", "frames", "labels", "matches")} == {
            "predictions": 1,
            "frames": 1,
            "labels": 1,
            "matches": 1,
        }
        assert log.report(old, "b").outcome is Outcome.EXPIRED
        assert log.report(young, "b").outcome is Outcome.REPEATED


def test_what_is_too_much_goes_the_oldest_first(policy: LogPolicy) -> None:
    with closing(Log(replace(policy, max_rows=10, pending_seconds=1))) as log:
        answers = [log.answer(0, at_seconds=NOW_SECONDS - 60 + number) for number in range(25)]
        log.writer.prune(log.now_ms)
        assert log.rows("predictions") == 10
        assert [log.report(answer, "a").outcome for answer in answers] == [Outcome.EXPIRED] * 15 + [Outcome.JOINED] * 10
        # One that was never there is told from one that was, where its time says so.
        assert log.report(new_id(NOW_SECONDS - 30), "a").outcome is Outcome.UNKNOWN


def test_retention_deletes_more_than_one_transaction_takes(policy: LogPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.observers.feedback.answer_writer._DELETED_AT_ONCE", 7)
    with closing(Log(replace(policy, max_rows=1))) as log:
        log.write(*(prediction(log.by, 0, at_seconds=NOW_SECONDS - number) for number in range(30)))
        log.writer.prune(log.now_ms)
        assert log.rows("predictions") == 1


def test_a_clock_that_is_set_back_forgets_nothing(log: Log) -> None:
    answer = log.answer(1)
    log.writer.prune(log.now_ms)
    log.now_seconds -= 2 * log.policy.max_age_seconds
    log.writer.prune(log.now_ms)
    assert log.report(answer, "b").outcome is Outcome.JOINED


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


def test_a_file_of_another_kind_is_refused(policy: LogPolicy) -> None:
    policy.path.parent.mkdir()
    policy.path.write_text("no database, but long enough to be read as one" * 100)
    with pytest.raises(LogFileError, match=r"predictions\.db: file is not a database"):
        prepare(policy.path)


def test_a_file_of_another_release_is_refused(policy: LogPolicy) -> None:
    prepare(policy.path)
    with closing(connect(policy.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LogFileError, match="another release"):
        prepare(policy.path)


def test_a_folder_that_cannot_be_made_is_told(policy: LogPolicy) -> None:
    policy.path.parent.write_text("a file")
    with pytest.raises(OSError, match="folder"):
        prepare(policy.path)


def test_a_file_is_made_by_many_at_once(policy: LogPolicy) -> None:
    failures: list[Exception] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        try:
            prepare(policy.path)
        except (OSError, sqlite3.Error) as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


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
