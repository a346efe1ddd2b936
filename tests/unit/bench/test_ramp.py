"""The search for the knee, on servers whose knee is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.load_generator.load import Load
from bench.load_generator.ramp import find_knee, remarks, table
from bench.load_generator.report import Summary
from bench.recorder import Recorder

TARGET_MS = 10.0


def server(
    knee: float, *, beyond_ms: float = 50.0, refuses: bool = False, late_ms: float = 0.0
) -> Callable[[float], Summary]:
    """Return a target that answers in a millisecond up to its knee; beyond it is slow, refuses, or leaves late."""

    def measure(rate_per_second: float) -> Summary:
        beyond, recorder = rate_per_second > knee, Recorder()
        recorder.left(due_seconds=0.0, now_seconds=late_ms / 1000 if beyond else 0.0)
        recorder.answered(1, due_seconds=0.0, now_seconds=(beyond_ms if beyond else 1.0) / 1000)
        if beyond and refuses:
            recorder.failed("OVERLOADED")
        load = Load(server="s", model="m", rate_per_second=rate_per_second, seconds=1.0)
        return Summary.of(load, recorder, scheduled=1, elapsed_seconds=1.0)

    return measure


@pytest.mark.parametrize("knee", [3.0, 70.0, 100.0, 12345.0])
@pytest.mark.parametrize("refuses", [False, True])
def test_the_knee_is_found_to_five_percent_from_either_side(knee: float, refuses: bool) -> None:
    beyond_ms = 1.0 if refuses else 50.0
    found = find_knee(server(knee, beyond_ms=beyond_ms, refuses=refuses), first_per_second=100.0, p99_ms=TARGET_MS)
    assert found.rate_per_second is not None
    assert knee / 1.05 <= found.rate_per_second <= knee
    assert not found.limited_by_generator
    assert {step.kept for step in found.steps} == {True, False}


def test_a_rate_at_which_answers_differ_is_not_kept() -> None:
    answer = server(1e9)

    def measure(rate_per_second: float) -> Summary:
        return replace(answer(rate_per_second), compared=9, differing=int(rate_per_second > 120))

    found = find_knee(measure, first_per_second=100.0, p99_ms=TARGET_MS)
    assert found.rate_per_second == pytest.approx(120, rel=0.06)
    assert f"{found.differing} answers differ" in remarks(found)[-1]


def test_a_target_that_no_rate_keeps_is_given_up() -> None:
    found = find_knee(server(0.0), first_per_second=100.0, p99_ms=TARGET_MS)
    assert found.rate_per_second is None
    assert remarks(found) == ["no rate kept the target"]
    assert found.as_json()["knee_per_second"] is None


def test_a_generator_that_fell_behind_is_named_as_the_limit() -> None:
    found = find_knee(server(200.0, beyond_ms=1.0, late_ms=9.0), first_per_second=100.0, p99_ms=TARGET_MS)
    assert found.limited_by_generator
    assert "the server may take more" in remarks(found)[-1]


def test_the_table_has_a_row_a_step() -> None:
    found = find_knee(server(200.0), first_per_second=100.0, p99_ms=TARGET_MS)
    assert table(found).row_count == len(found.steps)
    assert len(found.as_json()["steps"]) == len(found.steps)
