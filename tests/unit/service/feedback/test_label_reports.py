"""Labels on their way to disk: what is refused when too many come or the file fails, and that nothing is halved."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.core.errors import Reason, ServiceError
from service.observers.feedback.accuracy_watch import AccuracyWatch
from service.observers.feedback.label import Label, Outcome, Verdict
from service.observers.feedback.label_reports import Reports
from service.observers.feedback.log_file import LogFile
from service.observers.feedback.policy import LogPolicy, Window
from tests.servers import eventually
from tests.unit.service.conftest import Meter
from tests.unit.service.feedback.conftest import NOW_SECONDS, Log, new_id


def _labels(*prediction_ids: str) -> list[Label]:
    return [Label(prediction_id=bytes.fromhex(each), event_ms=0, name="a") for each in prediction_ids]


def _reports(policy: LogPolicy, counted: list[Verdict] | None = None, **bounds: int) -> Reports:
    counted = [] if counted is None else counted
    return Reports(policy, LogFile(policy.path), counted.extend, clock=lambda: NOW_SECONDS, **bounds)


async def test_labels_that_wait_for_answers_are_bounded(log: Log) -> None:
    counted: list[Verdict] = []
    known = log.answer(0)
    with _reports(replace(log.policy, max_pending=1), counted) as reports:
        with pytest.raises(ServiceError) as caught:
            await reports.take(_labels(known, new_id(NOW_SECONDS), new_id(NOW_SECONDS)))
        assert caught.value.reason is Reason.TOO_MANY_PENDING_LABELS
        assert caught.value.facts == {"pending": 1}
        # None of them was taken, and none is counted.
        assert (log.rows("labels"), log.rows("pending"), counted) == (0, 0, [])
        assert [verdict.outcome for verdict in await reports.take(_labels(known))] == [Outcome.JOINED]
        assert len(counted) == 1


async def test_one_client_has_a_part_of_the_labels_that_wait_and_not_for_ever(log: Log) -> None:
    known = log.answer(0)
    policy = replace(log.policy, max_pending_per_client=1, pending_seconds=0.1)
    with _reports(policy) as reports:
        assert [verdict.outcome for verdict in await reports.take(_labels(known), "one")] == [Outcome.JOINED]
        await reports.take(_labels(new_id(NOW_SECONDS)), "one")
        with pytest.raises(ServiceError) as caught:
            await reports.take(_labels(new_id(NOW_SECONDS)), "one")
        assert caught.value.reason is Reason.CLIENT_LIMIT
        await reports.take(_labels(new_id(NOW_SECONDS)), "other")
        given_back = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * policy.pending_seconds, given_back.set)
        await given_back.wait()
        await reports.take(_labels(new_id(NOW_SECONDS)), "one")


async def test_one_client_has_a_part_of_the_labels_in_the_log_until_their_answers_go(log: Log) -> None:
    policy = replace(log.policy, max_labels_per_client=2)
    answers = [log.answer(0) for _ in range(4)]
    with _reports(policy) as reports:
        assert len(await reports.take(_labels(*answers[:2]), "one")) == 2
        with pytest.raises(ServiceError) as caught:
            await reports.take(_labels(answers[2]), "one")
        assert caught.value.reason is Reason.CLIENT_LIMIT
        assert caught.value.facts == {"client": "one", "held": 2, "what": "labels in the log", "most": 2}
        # Nothing is stored of what is refused, and a repeat takes no room.
        assert log.rows("labels") == 2
        assert [verdict.outcome for verdict in await reports.take(_labels(answers[0]), "one")] == [Outcome.REPEATED]
        with pytest.raises(ServiceError):
            await reports.take(_labels(answers[2], answers[3], new_id(NOW_SECONDS)), "other")
        assert len(await reports.take(_labels(answers[2], answers[3]), "other")) == 2
    with _reports(policy) as again:  # another process, or the same later
        with pytest.raises(ServiceError):
            await again.take(_labels(new_id(NOW_SECONDS)), "one")
        log.db.execute("DELETE FROM label_shares WHERE id < ?", (bytes.fromhex(new_id(NOW_SECONDS)),))
        assert len(await again.take(_labels(new_id(NOW_SECONDS)), "one")) == 1


async def test_calls_that_wait_for_the_disk_are_bounded(log: Log) -> None:
    with _reports(log.policy, max_waiting=2) as reports:
        calls = [reports.take(_labels(log.answer(0))) for _ in range(3)]
        *taken, refused = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(refused, ServiceError)
        assert (refused.reason, refused.facts) == (Reason.FEEDBACK_BUSY, {"reports": 2})
        assert all(isinstance(verdicts, Sequence) for verdicts in taken)
        assert [verdict.outcome for verdict in await reports.take(_labels(log.answer(0)))] == [Outcome.JOINED]


async def test_a_file_that_fails_is_told_and_nothing_is_taken(log: Log) -> None:
    known = log.answer(0)
    with _reports(log.policy) as reports:
        log.db.execute("ALTER TABLE matches RENAME TO elsewhere")
        with pytest.raises(ServiceError) as caught:
            await reports.take(_labels(known))
        assert caught.value.reason is Reason.LOG_UNAVAILABLE
        log.db.execute("ALTER TABLE elsewhere RENAME TO matches")
        assert [verdict.outcome for verdict in await reports.take(_labels(known))] == [Outcome.JOINED]


async def test_a_caller_who_leaves_has_still_been_counted(log: Log) -> None:
    counted: list[Verdict] = []
    begun = threading.Event()

    def clock() -> float:
        begun.set()
        return NOW_SECONDS

    with Reports(log.policy, LogFile(log.policy.path), counted.extend, clock=clock) as reports:
        call = asyncio.ensure_future(reports.take(_labels(log.answer(0))))
        assert await asyncio.to_thread(begun.wait, 30)
        call.cancel()
        await asyncio.wait([call])
    assert [verdict.outcome for verdict in counted] == [Outcome.JOINED]
    assert log.tally().labels == 1


async def test_accuracy_of_a_file_that_fails(log: Log, meter: Meter) -> None:
    with AccuracyWatch(log.policy, LogFile(log.policy.path), meter.failures, refresh_seconds=1.0) as watch:
        log.db.execute("DROP TABLE matches")
        with pytest.raises(ServiceError) as caught:
            await watch.now()
        assert caught.value.reason is Reason.LOG_UNAVAILABLE
        assert isinstance(caught.value.__cause__, sqlite3.Error)


async def test_a_call_that_gets_no_thread_holds_no_place(log: Log, meter: Meter) -> None:
    reports = _reports(log.policy, max_waiting=2)
    watch = AccuracyWatch(log.policy, LogFile(log.policy.path), meter.failures, refresh_seconds=1.0)
    with reports, watch:
        pass
    for _ in range(10):  # their threads have ended, so nothing can be handed over
        with pytest.raises(RuntimeError, match="cannot schedule"):
            await reports.take(_labels(new_id(NOW_SECONDS)))
        with pytest.raises(RuntimeError, match="cannot schedule"):
            await watch.now()


async def test_one_window_that_cannot_be_counted_stops_no_other(log: Log, meter: Meter) -> None:
    """Its start lies before the calendar of the clock, which the other's doesn't."""
    beyond, fine = Window("beyond", 10**400), Window("5m", 300)
    policy = replace(log.policy, windows=(beyond, fine))
    log.answer(0)
    file = LogFile(log.policy.path)
    with AccuracyWatch(policy, file, meter.failures, refresh_seconds=0.001, clock=lambda: NOW_SECONDS) as watch:
        following = asyncio.create_task(watch.follow())
        assert await asyncio.to_thread(
            eventually, lambda: (meter.value("soloist_background_failures_total", worker="accuracy") or 0) > 3
        )
        log.answer(0)
        assert await asyncio.to_thread(
            eventually, lambda: watch.latest[fine]["m", 1, "layer"].tallies["all", "all"].answers == 2
        )
        following.cancel()
        await asyncio.wait([following])
    assert beyond not in watch.latest
