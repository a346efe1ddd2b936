"""The file of answers and labels: which files it can be, what outlives a restart, and what goes by age or number."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from service.observers.feedback.database import LogFileError, connect, prepare
from service.observers.feedback.label import Outcome
from service.observers.feedback.policy import LogPolicy
from tests.unit.service.feedback.conftest import NOW_SECONDS, Log, classifier, new_id, prediction


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
