"""When the demonstration passes: counts of right answers must be equal, not close."""

from __future__ import annotations

from typing import Any

import pytest

from bench.load_generator.load import Mode
from demo.result import Calls
from demo.verdict import failures, warnings
from tests.unit.demo.conftest import model, summary

NAME = "vowels-tcn-layer"


def test_equal_counts_pass() -> None:
    assert failures([model(NAME)], 0) == []
    assert warnings([model(NAME)]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"correct_whole": 361}, "361 of 370 right when served whole, 362 offline"),
        ({"correct_streamed": 363}, "363 of 370 right when served streamed, 362 offline"),
        ({"offline_sequences": 371}, "offline on 371 sequences, served 370"),
    ],
)
def test_one_answer_more_or_less_fails(changes: dict[str, Any], said: str) -> None:
    (failure,) = failures([model("vowels-lstm-none"), model(NAME, **changes)], 0)
    assert NAME in failure
    assert said in failure


@pytest.mark.parametrize(("kind", "api"), [("predict", "Predict"), ("stream", "Stream")])
def test_a_server_that_counts_otherwise_fails(kind: str, api: str) -> None:
    good = model(NAME).server
    both = {"predict": good.predict, "stream": good.stream, kind: Calls(answered=380, counted=379)}
    figures = type(good)(**both, mean_batch_size=1.0, mean_padding_ratio=0.0, mean_queue_ms=0.0, mean_compute_ms=0.0)
    (failure,) = failures([model(NAME, server=figures)], 0)
    assert f"380 calls to {api} were answered, the server counted 379" in failure


def test_a_server_that_does_not_end_well_fails() -> None:
    assert failures([model(NAME)], -9) == ["the server ended with exit code -9 after SIGTERM, not 0"]


def test_nothing_measured_fails() -> None:
    assert failures([], 0) == ["no model was measured"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bits_differ": 3}, "differ in some bit for 3 sequences"),
        ({"whole_load": summary(NAME, Mode.UNARY, late_seconds=0.1)}, "fell behind, unary"),
        ({"streamed_load": summary(NAME, Mode.STREAM, errors=2)}, "calls failed under load, stream"),
    ],
)
def test_what_makes_figures_doubtful_is_told_and_does_not_fail(changes: dict[str, Any], said: str) -> None:
    doubtful = model(NAME, **changes)
    (warning,) = warnings([doubtful])
    assert said in warning
    assert failures([doubtful], 0) == []
