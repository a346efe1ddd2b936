"""Whose label counts where clients show who they are, whatever comes first."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from service.observers.feedback.database import prepare
from service.observers.feedback.label import Outcome
from service.observers.feedback.label_joiner import ForbiddenError, TooManyPendingError
from tests.unit.service.feedback.conftest import NOW_SECONDS, Log, new_id, prediction


def test_the_client_that_got_an_answer_may_label_it(log: Log) -> None:
    answer = log.answer(1, client="owner")
    assert log.report(answer, "b", reporter="owner").outcome is Outcome.JOINED


def test_who_may_label_everything_may_label_this(log: Log) -> None:
    assert log.report(log.answer(1, client="owner"), "b").outcome is Outcome.JOINED


@pytest.mark.parametrize("owner", ["owner", ""], ids=["of another", "of nobody known"])
def test_the_label_of_a_stranger_is_refused_and_spoils_nothing(log: Log, owner: str) -> None:
    answer = log.answer(1, client=owner)
    with pytest.raises(ForbiddenError) as refused:
        log.report(answer, "c", reporter="stranger")
    assert refused.value.verdict.version == ("m", "1", "layer")
    assert log.report(answer, "b").outcome is Outcome.JOINED
    assert (log.tally().labels, log.tally().correct) == (1, 1)


def test_the_label_of_a_stranger_that_comes_before_the_answer_spoils_nothing(log: Log) -> None:
    answer = prediction(log.by, 1, client="owner")
    for label, reporter in (("b", "stranger"), ("c", "stranger"), ("b", "owner")):
        assert log.report(answer.id, label, reporter=reporter).outcome is Outcome.PENDING
    outcomes = [verdict.outcome for verdict in log.write(answer)]
    assert outcomes == [Outcome.FORBIDDEN, Outcome.FORBIDDEN, Outcome.JOINED]
    assert (log.tally().labels, log.tally().correct, log.rows("claims")) == (1, 1, 0)


def test_of_labels_that_wait_that_of_a_reporter_of_all_goes_first(log: Log) -> None:
    answer = prediction(log.by, 1, client="owner")
    log.report(answer.id, "c", reporter="owner")
    log.report(answer.id, "b")
    assert [verdict.outcome for verdict in log.write(answer)] == [Outcome.JOINED, Outcome.CONTRADICTORY]
    assert log.tally().correct == 1


def test_one_client_takes_no_more_than_its_share_of_the_places_for_early_labels(log: Log) -> None:
    log.joiner._policy = replace(log.policy, max_pending=20)
    ids = [new_id(NOW_SECONDS) for _ in range(3)]
    for each in (*ids[:2], ids[0]):  # the third waits already
        assert log.report(each, "a", reporter="greedy").outcome is Outcome.PENDING
    with pytest.raises(TooManyPendingError):
        log.report(ids[2], "a", reporter="greedy")
    assert log.report(ids[2], "a", reporter="other").outcome is Outcome.PENDING


def test_labels_of_clients_don_t_wait_for_ever(log: Log) -> None:
    log.report(new_id(NOW_SECONDS), "a", reporter="owner")
    log.now_seconds += log.policy.pending_seconds + 1
    assert [verdict.outcome for verdict in log.writer.prune(log.now_ms)] == [Outcome.UNKNOWN]
    assert log.rows("claims") == 0


def test_owners_are_deleted_with_their_answers(log: Log) -> None:
    log.answer(1, client="owner")
    log.now_seconds += log.policy.max_age_seconds + 1
    log.writer.prune(log.now_ms)
    assert (log.rows("predictions"), log.rows("owners")) == (0, 0)


def test_a_log_of_before_learns_of_owners(log: Log) -> None:
    answer = log.answer(1)
    for table in ("owners", "claims"):
        log.db.execute(f"DROP TABLE {table}")
    prepare(log.policy.path)
    with closing(log.file.connection()), pytest.raises(ForbiddenError):
        log.report(answer, "b", reporter="stranger")
    assert log.report(log.answer(1, client="owner"), "b", reporter="owner").outcome is Outcome.JOINED
