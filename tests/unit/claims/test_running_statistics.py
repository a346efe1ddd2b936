from __future__ import annotations

from typing import Any

import pytest

from claims.catalogue import CLAIMS
from claims.judged import judged
from claims.verdict import Judgement, Verdict

_WOBBLE = (0.0, 0.001, -0.001, 0.002, -0.002)  # of five seeds


def _task(current: float, shifted: float, wobble: float) -> dict[str, Any]:
    layers = {"mean": [0.1, 0.2], "variance": [0.1, 0.1]}
    return {
        "accuracy": {"averages": 0.9, "precise": 0.9, "current": current + wobble},
        "shifted": {"precise": 0.5, "current": shifted + wobble},
        "tid": {version: {"seen": layers, "held_out": layers} for version in ("averages", "precise")},
    }


def _judged(digits: float, vowels: float, *, shifted: float = 0.9) -> Judgement:
    measured = [{"digits": _task(digits, shifted, w), "vowels": _task(vowels, shifted, w)} for w in _WOBBLE]
    return judged(CLAIMS[15], range(len(measured)), measured).judgement


@pytest.mark.parametrize(
    ("digits", "vowels", "verdict"),
    [
        (0.95, 0.95, Verdict.SUPPORTED),
        (0.90, 0.88, Verdict.REFUTED),
        (0.95, 0.90, Verdict.DEPENDS),
        (0.91, 0.91, Verdict.NOT_SHOWN),
    ],
)
def test_what_running_statistics_cost_decides(digits: float, vowels: float, verdict: Verdict) -> None:
    assert _judged(digits, vowels).verdict is verdict


def test_where_wrong_statistics_cost_nothing_nothing_is_shown() -> None:
    assert _judged(0.95, 0.95, shifted=0.5).reason == "control"
