"""Every outcome of a label, and that nothing counts twice whatever the order of what comes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from service.observers.feedback.label import Outcome
from service.observers.feedback.label_joiner import TooManyPendingError
from service.observers.feedback.policy import LogPolicy
from tests.unit.service.feedback.conftest import NOW_SECONDS, Log, classifier, new_id, prediction


def test_the_first_label_counts_and_the_same_again_changes_nothing(log: Log) -> None:
    answer = log.answer(1)
    first = log.report(answer, "b")
    assert (first.outcome, first.version) == (Outcome.JOINED, ("m", "1", "layer"))
    assert log.report(answer, "b").outcome is Outcome.REPEATED
    assert log.report(answer, 1).outcome is Outcome.REPEATED  # by index it is the same class
    assert log.report(answer, 1, step=0).outcome is Outcome.REPEATED  # and this is the last frame
    tally = log.tally()
    assert (tally.answers, tally.labelled_answers, tally.labels, tally.correct) == (1, 1, 1, 1)


def test_of_labels_that_contradict_each_other_the_first_stands(log: Log) -> None:
    answer = log.answer(1)
    log.report(answer, "b")
    assert log.report(answer, "c").outcome is Outcome.CONTRADICTORY
    assert log.report(answer, "c").outcome is Outcome.CONTRADICTORY
    tally = log.tally()
    assert (tally.labels, tally.correct) == (1, 1)
    assert log.count()["m", 1, "layer"].confusion == {("b", "b"): 1}


def test_a_label_that_comes_first_waits_for_its_answer(log: Log) -> None:
    answer = prediction(log.by, 2)
    assert log.report(answer.id, "c").outcome is Outcome.PENDING
    assert log.report(answer.id, "c").outcome is Outcome.PENDING
    assert log.count() == {}
    (late,) = log.write(answer)
    assert (late.outcome, late.version) == (Outcome.JOINED, ("m", "1", "layer"))
    assert log.report(answer.id, "c").outcome is Outcome.REPEATED
    assert (log.tally().labels, log.tally().correct) == (1, 1)
    assert log.rows("pending") == 0


def test_what_waited_is_judged_like_everything_else(log: Log) -> None:
    answer = prediction(log.by, 2)
    for label, step in (("a", None), (0, 0), ("b", None), ("nonsense", None), ("a", 9)):
        log.report(answer.id, label, step=step)
    assert [verdict.outcome for verdict in log.write(answer)] == [
        *(Outcome.JOINED, Outcome.REPEATED, Outcome.CONTRADICTORY),
        *(Outcome.CLASS_UNKNOWN, Outcome.STEP_NOT_ANSWERED),
    ]
    assert (log.tally().labels, log.tally().correct) == (1, 0)


def test_a_label_waits_no_longer_than_an_answer_takes(log: Log) -> None:
    answer = prediction(log.by, 2)
    log.report(answer.id, "c")
    log.now_seconds += log.policy.pending_seconds + 1
    assert [verdict.outcome for verdict in log.writer.prune(log.now_ms)] == [Outcome.UNKNOWN]
    assert log.writer.prune(log.now_ms) == []
    assert log.write(answer) == []
    assert log.tally().labels == 0
    assert log.report(answer.id, "c").outcome is Outcome.JOINED  # sent again it counts, and once


def test_no_more_labels_wait_than_there_is_room_for(policy: LogPolicy) -> None:
    with closing(Log(replace(policy, max_pending=2))) as log:
        known = log.answer(1)
        waiting = [new_id(NOW_SECONDS) for _ in range(3)]
        for each in waiting[:2]:
            assert log.report(each, "a").outcome is Outcome.PENDING
        with pytest.raises(TooManyPendingError):
            log.report(waiting[2], "a")
        assert log.report(waiting[0], "a").outcome is Outcome.PENDING  # it waits already
        assert log.report(known, "a").outcome is Outcome.JOINED
        assert log.rows("pending") == 2


@pytest.mark.parametrize("seconds_ago", [61.0, 3000.0, -61.0, -(10.0**9)])
def test_an_id_that_was_never_logged_is_unknown(log: Log, seconds_ago: float) -> None:
    verdict = log.report(new_id(NOW_SECONDS - seconds_ago), "a")
    assert (verdict.outcome, verdict.version) == (Outcome.UNKNOWN, ("", "", ""))


def test_an_id_older_than_the_log_is_expired(log: Log) -> None:
    assert log.report(new_id(NOW_SECONDS - log.policy.max_age_seconds - 1), "a").outcome is Outcome.EXPIRED
    assert log.report("0" * 32, "a").outcome is Outcome.EXPIRED


def test_a_label_later_than_every_window_is_kept_and_changes_no_figure(log: Log) -> None:
    answer = log.answer(1, at_seconds=NOW_SECONDS - 3601)
    verdict = log.report(answer, "b")
    assert (verdict.outcome, verdict.delay_seconds) == (Outcome.LATE, 3601)
    assert log.report(answer, "b").outcome is Outcome.REPEATED
    assert log.count(3600) == {}


@pytest.mark.parametrize("label", ["d", "", 3, 2**31 - 1])
def test_a_class_that_the_model_has_not(log: Log, label: str | int) -> None:
    answer = log.answer(1)
    assert log.report(answer, label).outcome is Outcome.CLASS_UNKNOWN
    assert log.report(answer, "a").outcome is Outcome.JOINED


def test_each_frame_of_an_answer_can_have_its_label(log: Log) -> None:
    answer = log.answer(0, 1, 2, first_frame=10, sequence_id="stream")
    outcomes = {step: log.report(answer, "b", step=step).outcome for step in (9, 10, 11, 12, 13)}
    assert outcomes == {
        9: Outcome.STEP_NOT_ANSWERED,
        10: Outcome.JOINED,
        11: Outcome.JOINED,
        12: Outcome.JOINED,
        13: Outcome.STEP_NOT_ANSWERED,
    }
    assert log.report(answer, "b").outcome is Outcome.REPEATED
    assert log.count()["m", 1, "layer"].confusion == {("b", "a"): 1, ("b", "b"): 1, ("b", "c"): 1}
    tally = log.tally()
    assert (tally.answers, tally.labelled_answers, tally.labels, tally.labelled_sequences) == (1, 1, 3, 1)


def test_a_frame_whose_output_was_not_asked_for_has_none(log: Log) -> None:
    answer = log.answer(2, frame_count=5)
    assert log.report(answer, "c", step=3).outcome is Outcome.STEP_NOT_ANSWERED
    assert log.report(answer, "c", step=4).outcome is Outcome.JOINED


def test_of_a_long_answer_the_last_frames_are_kept(policy: LogPolicy) -> None:
    with closing(Log(replace(policy, max_frames=3))) as log:
        answer = log.answer(0, 0, 1, 1, 2)
        assert log.report(answer, "a", step=1).outcome is Outcome.STEP_NOT_ANSWERED
        assert log.report(answer, "b", step=2).outcome is Outcome.JOINED
        assert log.tally().correct == 1


@pytest.mark.parametrize("order", ["shadow first", "label between", "label last"])
def test_one_label_judges_the_answer_and_its_shadow(log: Log, order: str) -> None:
    answer = prediction(log.by, 1)
    shadow = prediction(classifier(2, norm="batch"), 2, prediction_id=answer.id)
    if order == "shadow first":
        log.write(shadow, shadow=True)
        assert log.report(answer.id, "b").outcome is Outcome.PENDING
        assert [verdict.outcome for verdict in log.write(answer)] == [Outcome.JOINED]
    elif order == "label between":
        log.write(answer)
        assert log.report(answer.id, "b").outcome is Outcome.JOINED
        assert log.write(shadow, shadow=True) == []
    else:
        log.write(answer)
        log.write(shadow, shadow=True)
        assert log.report(answer.id, "b").version == ("m", "1", "layer")
    assert log.report(answer.id, "b").outcome is Outcome.REPEATED
    assert (log.tally().labels, log.tally().correct) == (1, 1)
    of_shadow = log.tally(version=2, norm="batch")
    assert (of_shadow.answers, of_shadow.labels, of_shadow.correct) == (1, 1, 0)


def test_a_shadow_with_other_classes_is_judged_by_name(log: Log) -> None:
    answer = prediction(log.by, 1)
    log.write(answer)
    log.write(prediction(classifier(2, classes=("b", "a")), 0, prediction_id=answer.id), shadow=True)
    log.write(prediction(classifier(3, classes=("x", "y")), 0, prediction_id=answer.id), shadow=True)
    log.report(answer.id, 1)
    assert log.tally(version=2).correct == 1
    assert log.tally(version=3).labels == 0  # it can't be right or wrong about a class it hasn't


def test_a_delay_is_never_negative(log: Log) -> None:
    answer = log.answer(1, at_seconds=NOW_SECONDS + 5)  # another machine's clock
    assert log.report(answer, "b").delay_seconds == 0


def test_a_version_that_was_replaced_keeps_its_own_classes(log: Log) -> None:
    old = log.answer(0)
    new = log.answer(0, by=classifier(classes=("z", "a", "b")))
    assert log.report(old, "z").outcome is Outcome.CLASS_UNKNOWN
    assert log.report(new, "z").outcome is Outcome.JOINED
    assert log.report(old, 0).outcome is Outcome.JOINED
    assert log.count()["m", 1, "layer"].confusion == {("a", "a"): 1, ("z", "z"): 1}
