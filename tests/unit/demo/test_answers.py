"""How answers are counted and compared, and what is read from /metrics."""

from __future__ import annotations

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bench.server.metrics_page import MetricsPage
from demo.measurement import answered_calls
from demo.requests import Answer, Answers, bits_differ


def answers(*outputs: list[list[float]], seconds: float = 1.0) -> Answers:
    arrays = [np.array(rows, np.float32) for rows in outputs]
    reported = [Answer(index=int(rows[-1].argmax()), outputs=rows) for rows in arrays]
    return Answers(answers=reported, seconds=seconds)


LEFT, RIGHT = [1.0, 0.0], [0.0, 1.0]


def test_right_answers_are_counted() -> None:
    assert answers([LEFT, RIGHT], [LEFT]).correct(np.array([1, 1])) == 1


def test_a_sequence_that_is_over_keeps_its_last_answer() -> None:
    said = answers([LEFT, RIGHT, RIGHT], [RIGHT])
    assert said.correct_by_frame(np.array([1, 1])) == [1, 2, 2]


def test_the_last_count_is_the_accuracy() -> None:
    labels = np.array([1, 0, 0])
    said = answers([LEFT, RIGHT], [LEFT], [LEFT, LEFT, RIGHT])
    assert said.correct_by_frame(labels)[-1] == said.correct(labels)


def test_frames_a_second_are_those_of_all_calls() -> None:
    assert answers([LEFT, RIGHT], [LEFT], seconds=0.5).frames_per_second() == 6.0


def test_one_bit_at_one_frame_is_a_difference() -> None:
    whole = answers([LEFT, RIGHT], [LEFT, RIGHT])
    streamed = answers([LEFT, RIGHT], [[float(np.nextafter(np.float32(1), np.float32(2))), 0.0], RIGHT])
    assert bits_differ(whole, whole) == 0
    assert bits_differ(whole, streamed) == 1


def test_minus_zero_is_a_difference_and_the_same_nan_is_none() -> None:
    assert bits_differ(answers([[0.0, 1.0]]), answers([[-0.0, 1.0]])) == 1
    assert bits_differ(answers([[np.nan, 1.0]]), answers([[np.nan, 1.0]])) == 0


def test_a_scrape_adds_up_the_samples_with_the_labels_asked_for() -> None:
    registry = CollectorRegistry()
    requests = Counter("soloist_requests", "r", ["model", "version", "api", "code"], registry=registry)
    for version, code in (("1", "OK"), ("2", "OK"), ("2", "INTERNAL")):
        requests.labels("m", version, "Predict", code).inc(5)
    seconds = Histogram("soloist_queue_seconds", "q", ["model"], registry=registry)
    seconds.labels("m").observe(1.0)
    seconds.labels("m").observe(2.0)
    page = MetricsPage(generate_latest(registry).decode())
    assert answered_calls(page, "m", "Predict") == 10
    assert answered_calls(page, "m", "Stream") == 0
    assert page.mean("soloist_queue_seconds", model="m") == 1.5
    assert page.mean("soloist_queue_seconds", model="other") == 0.0
