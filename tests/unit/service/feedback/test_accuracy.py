"""What is told of answers and labels, against figures worked out by hand; the estimate where it holds and where not."""

from __future__ import annotations

import numpy as np
import pytest

from service.observers.feedback.accuracy import BATCH, LENGTH, SLICES, Tally, wilson
from service.observers.feedback.answer_record import judge
from service.observers.feedback.label import Outcome
from service.serving.prediction import Prediction
from tests.unit.service.feedback.conftest import NOW_SECONDS, Log, classifier, prediction


def test_accuracy_coverage_and_estimate(log: Log) -> None:
    for said, true, confidence in ((0, "a", 0.9), (1, "b", 0.7), (2, "a", 0.6), (1, None, 0.4)):
        answer = log.answer(said, confidence=confidence)
        if true is not None:
            log.report(answer, true)
    tally = log.tally()
    assert tally.accuracy == pytest.approx(2 / 3)
    assert tally.coverage == 0.75
    assert tally.estimated_accuracy == pytest.approx((0.9 + 0.7 + 0.6 + 0.4) / 4)
    # bins of 1/15: 0.9 and 0.7 and 0.6 each alone
    assert tally.calibration_error == pytest.approx((0.1 + 0.3 + 0.6) / 3)
    assert log.count()["m", 1, "layer"].confusion == {("a", "a"): 1, ("b", "b"): 1, ("a", "c"): 1}


def test_without_labels_there_is_an_estimate_and_nothing_else(log: Log) -> None:
    log.answer(1, confidence=0.8)
    tally = log.tally()
    assert (tally.accuracy, tally.interval, tally.calibration_error) == (None, None, None)
    assert tally.estimated_accuracy == pytest.approx(0.8)
    assert tally.coverage == 0


def test_the_interval_is_wilsons() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I: 81 of 263, 15 of 148, 0 of 20
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_labels_of_one_sequence_are_one_observation(log: Log) -> None:
    for number in range(4):
        for first_frame in range(25):
            chunk = log.answer(0, first_frame=first_frame, sequence_id=f"stream {number}")
            log.report(chunk, "a" if number else "b")
    tally = log.tally()
    assert (tally.labels, tally.labelled_sequences, tally.accuracy) == (100, 4, 0.75)
    assert tally.interval == wilson(0.75, 4)


def test_answers_outside_of_the_window_do_not_count(log: Log) -> None:
    for age in (0, 299, 301):
        log.report(log.answer(0, at_seconds=NOW_SECONDS - age), "a")
    assert log.count(300)["m", 1, "layer"].tallies["all", "all"].labels == 2
    assert log.count(3600)["m", 1, "layer"].tallies["all", "all"].labels == 3


def test_slices_are_by_length_position_and_batch(log: Log) -> None:
    log.answer(0, frame_count=20, batch_size=8)
    for first_frame in (0, 10, 300):
        log.answer(0, frame_count=10, first_frame=first_frame, sequence_id="stream")
    found = {place: tally.answers for place, tally in log.count()["m", 1, "layer"].tallies.items()}
    assert found == {
        ("all", "all"): 4,
        ("length", "16-63"): 1,
        ("length", "256-1023"): 3,
        ("position", "1-15"): 1,
        ("position", "16-63"): 2,
        ("position", "256-1023"): 1,
        ("batch", "8-31"): 1,
        ("batch", "1"): 3,
    }


def test_a_label_of_an_earlier_frame_is_sliced_by_its_own_position(log: Log) -> None:
    answer = log.answer(*[0] * 40)
    log.report(answer, "a", step=2)
    log.report(answer, "b")
    assert (log.tally("position", "1-15").labels, log.tally("position", "1-15").correct) == (1, 1)
    assert (log.tally("position", "16-63").labels, log.tally("position", "16-63").correct) == (1, 0)
    assert log.tally("position", "16-63").coverage == 1
    assert log.tally("length", "16-63").labels == 2


def test_every_slice_adds_up(log: Log) -> None:
    rng = np.random.default_rng(0)
    for number in range(200):
        answer = log.answer(
            int(rng.integers(3)),
            frame_count=int(rng.integers(1, 3000)),
            batch_size=int(rng.integers(1, 60)),
            sequence_id=None if number % 2 else f"stream {number % 10}",
            confidence=float(rng.uniform(0.4, 0.99)),
        )
        if rng.random() < 0.5:
            log.report(answer, int(rng.integers(3)))
    tallies = log.count()["m", 1, "layer"].tallies
    total = tallies["all", "all"]
    for slice_ in SLICES:
        parts = [tally for (name, _), tally in tallies.items() if name == slice_.name]
        for figure in ("answers", "labelled_answers", "labels", "correct"):
            assert sum(getattr(part, figure) for part in parts) == getattr(total, figure), (slice_.name, figure)
    assert sum(log.count()["m", 1, "layer"].confusion.values()) == total.labels


def test_buckets_have_names_and_bounds() -> None:
    assert [LENGTH.bucket(number) for number in range(5)] == ["1-15", "16-63", "64-255", "256-1023", "1024+"]
    assert [BATCH.bucket(number) for number in range(4)] == ["1", "2-7", "8-31", "32+"]
    assert [LENGTH.number(frames) for frames in (1, 15, 16, 1023, 1024, 10**6)] == [0, 0, 1, 3, 4, 4]


def test_confidence_is_the_tempered_softmax() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [1e6, 0.0], [3.0, 3.0]], np.float32)
    classes, confidences = judge(logits, 2.0)
    assert classes.tolist() == [0, 1, 0, 0]
    assert confidences == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-1)), 1.0, 0.5])


def test_confidence_is_calibrated_by_the_manifest(log: Log) -> None:
    log.by.manifest.calibration.temperature = 2.0
    made = prediction(log.by, 0)
    made.outputs[:] = [2.0, 0.0, 0.0]
    log.write(made)
    assert log.tally().estimated_accuracy == pytest.approx(np.e / (np.e + 2))


def test_a_bin_has_its_upper_edge(log: Log) -> None:
    for confidence, label in ((1 / 3 + 1e-6, "b"), (0.4 - 1e-6, "a"), (1 - 1e-12, "b")):
        log.report(log.answer(0, confidence=confidence), label)
    assert {number: bin_.labels for number, bin_ in log.tally().bins.items()} == {5: 2, 14: 1}


def test_outputs_that_are_not_finite_have_a_class_and_no_confidence(log: Log) -> None:
    answer = prediction(log.by, 0)
    answer.outputs[:] = [np.nan, np.inf, 0]
    log.write(answer)
    assert log.report(answer.id, "b").outcome is Outcome.JOINED
    tally = log.tally()
    assert (tally.answers, tally.labels, tally.estimated_accuracy, tally.calibration_error) == (1, 1, None, None)


ANSWERS = 1000
FOUR_SIGMA = 4 * 0.5 / ANSWERS**0.5  # of a share seen in so many answers, at its widest


def _serve(log: Log, version: int, *, hard: float, concept: tuple[int, ...] = (0, 1, 2)) -> Tally:
    """Serve a model that knows p(class | x) exactly; what was class k when it learned is concept[k] now.

    Class k lies around unit vector k with variance 1/2, so that by Bayes the logits are 2 x. With `hard`, inputs whose
    two largest features differ get rarer: the choice depends on x alone, which leaves p(class | x) as it was.
    """
    log.by = classifier(version)
    rng = np.random.default_rng(version)
    answers: list[Prediction] = []
    labels: list[int] = []
    while len(answers) < ANSWERS:
        true = int(rng.integers(3))
        x = rng.normal(np.eye(3)[true], np.sqrt(0.5))
        second, first = np.sort(x)[1:]
        if rng.random() < np.exp(-hard * (first - second)):
            made = prediction(log.by, 0)
            made.outputs[:] = 2 * x
            answers.append(made)
            labels.append(concept[true])
    log.write(*answers)
    for made, label in zip(answers, labels, strict=True):
        log.report(made.id, label)
    return log.tally(version=version)


def test_the_estimate_is_right_under_covariate_shift(log: Log) -> None:
    reported = [_serve(log, version, hard=hard) for version, hard in ((1, 0.0), (2, 1.0), (3, 3.0))]
    estimates = [tally.estimated_accuracy for tally in reported]
    assert estimates == pytest.approx([tally.accuracy for tally in reported], abs=FOUR_SIGMA)
    assert estimates == sorted(estimates, key=lambda each: -(each or 0))  # ever more of what is hard to tell apart


def test_the_estimate_is_wrong_under_concept_shift(log: Log) -> None:
    before, after = _serve(log, 1, hard=0.0), _serve(log, 2, hard=0.0, concept=(1, 2, 0))
    # As sure as ever, since the inputs look as they did; only labels show what has happened.
    assert after.estimated_accuracy == pytest.approx(before.estimated_accuracy, abs=FOUR_SIGMA)
    assert before.accuracy == pytest.approx(before.estimated_accuracy, abs=FOUR_SIGMA)
    assert after.accuracy is not None
    assert after.accuracy < 1 / 3
    assert (after.calibration_error or 0) > 0.3 > (before.calibration_error or 0)
